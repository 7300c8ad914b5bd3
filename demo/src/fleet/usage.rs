//! CPU time and memory of a process and its children, from `/proc`.

use std::fs;

/// The kernel counts CPU time in these; it has been 100 on every Linux for decades.
const TICKS_PER_SECOND: u64 = 100;
const PAGE_BYTES: u64 = 4096;

/// What a process has used so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    /// CPU time, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory without what is shared with files.
    pub memory_bytes: u64,
}

impl Usage {
    /// Of the process and all that it started; zero when it is gone.
    pub fn of(pid: u32) -> Self {
        let own = Self::of_one(pid).unwrap_or_default();
        children(pid).into_iter().map(Self::of).fold(own, |sum, child| Self {
            cpu_ms: sum.cpu_ms + child.cpu_ms,
            memory_bytes: sum.memory_bytes + child.memory_bytes,
        })
    }

    fn of_one(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold spaces: fields are counted behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let pages: Vec<u64> = statm.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let own = pages.get(1)?.saturating_sub(*pages.get(2)?);
        Some(Self { cpu_ms: ticks * 1000 / TICKS_PER_SECOND, memory_bytes: own * PAGE_BYTES })
    }
}

pub(super) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let told = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    told.flat_map(|pids| pids.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_a_dead_one_none() {
        assert!(Usage::of(std::process::id()).memory_bytes > 100_000);
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }
}
