//! What the process uses, read from /proc, and what is left of the disk. A figure that cannot be read is left out.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, gauge};
use nix::sys::statvfs::statvfs;
use nix::time::{ClockId, clock_gettime};

/// Linux counts processor time in these for every program, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;
/// On x86-64 and on arm64 servers as AWS runs them.
const PAGE_BYTES: f64 = 4_096.0;

/// Sets the gauges of the process and of the file system that holds `data_dir`.
pub(crate) fn sample(data_dir: &Path) {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    if let Some(used) = Used::from_proc(&read("stat"), &read("statm")) {
        counter!("process_cpu_seconds_total").absolute(used.cpu_seconds as u64);
        gauge!("process_resident_memory_bytes").set(used.resident_bytes);
        gauge!("process_virtual_memory_bytes").set(used.virtual_bytes);
        gauge!("process_threads").set(used.threads);
        if let Some(boot) = *BOOT.get_or_init(boot_time) {
            gauge!("process_start_time_seconds").set(boot + used.started_seconds);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(open.count() as f64);
    }
    if let Some(limit) = open_files_max(&read("limits")) {
        gauge!("process_max_fds").set(limit);
    }
    if let Ok(disk) = statvfs(data_dir) {
        let unit = disk.fragment_size() as f64;
        gauge!("data_disk_free_bytes").set(disk.blocks_available() as f64 * unit);
        gauge!("data_disk_size_bytes").set(disk.blocks() as f64 * unit);
    }
    counter!("log_lines_dropped_total").absolute(crate::logs::dropped_lines());
}

#[derive(PartialEq, Debug)]
struct Used {
    cpu_seconds: f64,
    threads: f64,
    /// Since the machine's start.
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Used {
    fn from_proc(stat: &str, statm: &str) -> Option<Self> {
        // The name, in parentheses, may hold spaces: fields are counted behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
        let pages: Vec<f64> = statm.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        Some(Self {
            cpu_seconds: (field(11)? + field(12)?) / TICKS_PER_SECOND,
            threads: field(17)?,
            started_seconds: field(19)? / TICKS_PER_SECOND,
            virtual_bytes: pages.first()? * PAGE_BYTES,
            resident_bytes: pages.get(1)? * PAGE_BYTES,
        })
    }
}

/// Unix time of the machine's start.
/// Asked once: the wall clock is corrected now and then, and every other answer would look like a restart.
static BOOT: OnceLock<Option<f64>> = OnceLock::new();

/// The machine's start, Unix time. Not from /proc/stat: a unit with `ProcSubset=pid` does not see it.
fn boot_time() -> Option<f64> {
    let seconds = |clock| Some(Duration::from(clock_gettime(clock).ok()?).as_secs_f64());
    Some(seconds(ClockId::CLOCK_REALTIME)? - seconds(ClockId::CLOCK_BOOTTIME)?)
}

fn open_files_max(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 12345 4096 5";
        let used = Used::from_proc(stat, "200 100 30 1 0 60 0\n").expect("all fields are there");
        let expected = Used {
            cpu_seconds: 3.0,
            threads: 9.0,
            started_seconds: 123.45,
            virtual_bytes: 819_200.0,
            resident_bytes: 409_600.0,
        };
        assert_eq!(used, expected);
        assert_eq!(Used::from_proc("", ""), None);
    }

    #[test]
    fn the_machines_start_is_what_the_kernel_says() {
        let stat = fs::read_to_string("/proc/stat").expect("a machine that hides nothing");
        let line = stat.lines().find_map(|line| line.strip_prefix("btime ")).expect("a start");
        let told: f64 = line.trim().parse().expect("a number");
        let ours = boot_time().expect("two clocks");
        // It counts whole seconds.
        assert!((ours - told).abs() < 2.0, "{ours}, the kernel says {told}");
    }

    #[test]
    fn limits_are_found_by_their_names() {
        let limits =
            "Limit     Soft Limit   Hard Limit   Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files_max(limits), Some(1_024.0));
        assert_eq!(open_files_max("Max open files   unlimited   unlimited   files"), None);
    }
}
