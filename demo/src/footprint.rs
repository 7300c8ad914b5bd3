//! CPU share and memory of each program over the run.

use std::fmt::Write as _;

use crate::fleet::Usage;
use crate::table::bytes;

/// Samples of every program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    looks: Vec<(u64, Vec<(String, Usage)>)>,
}

impl Footprint {
    /// Adds a sample, taken `seconds` after the start.
    pub(crate) fn look(&mut self, seconds: u64, usage: Vec<(String, Usage)>) {
        self.looks.push((seconds, usage));
    }

    /// One line a program: mean CPU share, memory at a quarter, the half and the end.
    pub(crate) fn text(&self) -> String {
        let Some(((begin, first), (end, last))) = self.looks.first().zip(self.looks.last()) else {
            return String::new();
        };
        let seconds = (end - begin).max(1);
        let mut out = format!("{:<20}{:>7}   memory over the run\n", "program", "CPU");
        for (i, (name, usage)) in last.iter().enumerate() {
            // A program that was restarted counts from its restart.
            let before = first.get(i).map_or(0, |(_, usage)| usage.cpu_ms);
            let percent = usage.cpu_ms.saturating_sub(before) / (seconds * 10);
            let memory = [4, 2, 1].map(|part| self.memory_at(i, part));
            let line = writeln!(out, "{name:<20}{percent:>5} %   {}", memory.join(" -> "));
            line.expect("text can always be written to");
        }
        out
    }

    /// Memory of program `i` after one `part`th of the run.
    fn memory_at(&self, i: usize, part: usize) -> String {
        let look = self.looks.get((self.looks.len() / part).saturating_sub(1));
        let usage = look.and_then(|(_, usage)| usage.get(i));
        bytes(usage.map_or(0, |(_, usage)| usage.memory_bytes))
    }
}
