//! How long the oldest record that a follower has not taken has been waiting. Pure: told positions and time.

use std::collections::VecDeque;

use spool::Position;

/// More marks than this are thinned out: after hours of outage a minute more or less tells nothing.
const MARKS_MAX: usize = 4_096;

/// When the log had reached which position, since the follower was last caught up.
#[derive(Debug, Default)]
pub struct Behind {
    marks: VecDeque<(u64, Position)>,
}

impl Behind {
    /// Seconds that the oldest record between `taken` and `reached` has waited, as far as it was watched; 0: none
    /// waits. Call once a second or so: what happens between two calls is not told apart.
    pub fn seconds(&mut self, reached: Position, taken: Position, mono_ns: u64) -> f64 {
        while self.marks.front().is_some_and(|(_, mark)| *mark <= taken) {
            self.marks.pop_front();
        }
        if reached > taken && self.marks.back().is_none_or(|(_, mark)| *mark < reached) {
            self.marks.push_back((mono_ns, reached));
        }
        if self.marks.len() > MARKS_MAX {
            let mut index = 0_usize;
            self.marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.marks.front().map_or(0.0, |(since, _)| mono_ns.saturating_sub(*since) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(offset: u64) -> Position {
        Position { incarnation: 1, offset }
    }

    #[test]
    fn the_wait_is_that_of_the_oldest_record_not_taken() {
        let mut behind = Behind::default();
        assert_eq!(behind.seconds(at(0), at(0), 0), 0.0);
        for second in 1..=10 {
            let waited = behind.seconds(at(second * 100), at(0), second * SECOND);
            assert_eq!(waited, (second - 1) as f64);
        }
        assert_eq!(behind.seconds(at(1_000), at(450), 10 * SECOND), 5.0, "seen at second 5");
        assert_eq!(behind.seconds(at(1_000), at(1_000), 11 * SECOND), 0.0);
        assert_eq!(behind.seconds(at(1_100), at(1_000), 20 * SECOND), 0.0, "it has just come");
    }

    #[test]
    fn a_long_outage_is_bounded_and_its_beginning_is_kept() {
        let mut behind = Behind::default();
        for second in 1..=20_000 {
            behind.seconds(at(second), at(0), second * SECOND);
        }
        assert!(behind.marks.len() <= MARKS_MAX);
        assert_eq!(behind.seconds(at(20_001), at(0), 20_001 * SECOND), 20_000.0);
    }
}
