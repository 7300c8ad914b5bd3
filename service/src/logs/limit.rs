//! How many lines of one kind a minute may have: a feed gone bad makes thousands of equal lines a second.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;

const MINUTE_NS: i64 = 60_000_000_000;
const COUNT_BITS: u32 = 32;

/// Counts the lines of a kind by minute. Metrics count all of them; this bounds what is written.
#[derive(Debug)]
pub struct Limit {
    per_minute: u32,
    /// Minute in the upper half, lines of it in the lower.
    state: AtomicU64,
}

impl Limit {
    /// At most so many lines a minute.
    pub const fn per_minute(lines: u32) -> Self {
        Self { per_minute: lines, state: AtomicU64::new(0) }
    }

    /// Whether to write the line. `Some` tells how many were held back in the minute before, which the first line of a
    /// minute should say.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Clock::start().wall_ns())
    }

    fn admit_at(&self, wall_ns: i64) -> Option<u64> {
        let minute = u64::try_from(wall_ns / MINUTE_NS).unwrap_or(0) & u64::from(u32::MAX);
        let step = |state: u64| {
            let same = state >> COUNT_BITS == minute;
            let count = if same { (state & u64::from(u32::MAX)).saturating_add(1) } else { 1 };
            Some(minute << COUNT_BITS | count.min(u64::from(u32::MAX)))
        };
        let before = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .unwrap_or_else(|state| state);
        let (count, allowed) = (before & u64::from(u32::MAX), u64::from(self.per_minute));
        if before >> COUNT_BITS != minute {
            return Some(count.saturating_sub(allowed));
        }
        (count < allowed).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_lines_and_the_next_says_what_was_held_back() {
        let limit = Limit::per_minute(3);
        let minute = |number: i64| number * MINUTE_NS + 5;
        let admitted: Vec<_> = (0..10).map(|_| limit.admit_at(minute(7))).collect();
        assert_eq!(admitted[..3], [Some(0), Some(0), Some(0)]);
        assert!(admitted[3..].iter().all(Option::is_none), "{admitted:?}");
        assert_eq!(limit.admit_at(minute(8)), Some(7));
        assert_eq!(limit.admit_at(minute(8)), Some(0));
        assert_eq!(limit.admit_at(minute(20)), Some(0));
    }
}
