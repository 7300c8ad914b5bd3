//! Decides up to where the spool may be deleted. Pure.
//!
//! What is deleted is acked by every known deduplicator, written to the local ClickHouse (where there is one), and older
//! than the retention. When the disk runs short the retention gives way; the other two never do.

use std::{collections::VecDeque, time::Duration};

use spool::Position;

/// Time between two marks: how exactly the retention is kept.
const MARK_EVERY: Duration = Duration::from_secs(60);

/// From this share of the quota on, in percent, what is acked and stored goes whatever its age.
const PRESSURE_PERCENT: u128 = 80;

/// How far the log was at which time. After a restart, what lies before it counts as received at the restart.
pub(crate) struct Ages {
    retention: Duration,
    marks: VecDeque<(u64, Position)>,
}

/// What limits a trim.
pub(crate) struct Limits {
    /// Acked by all deduplicators; `None` if none is known.
    pub(crate) acked: Option<Position>,
    /// Written to the local ClickHouse; `None` if there is none.
    pub(crate) stored: Option<Position>,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Bytes allowed.
    pub(crate) quota: u64,
}

impl Ages {
    pub(crate) fn new(retention: Duration, written: Position, mono_ns: u64) -> Self {
        Self { retention, marks: VecDeque::from([(mono_ns, written)]) }
    }

    /// Notes how far the log is now.
    pub(crate) fn mark(&mut self, written: Position, mono_ns: u64) {
        let due = |&(last, _): &(u64, Position)| mono_ns.saturating_sub(last) >= nanos(MARK_EVERY);
        if self.marks.back().is_none_or(due) {
            self.marks.push_back((mono_ns, written));
        }
    }

    /// Everything below is older than the retention.
    fn old(&mut self, mono_ns: u64) -> Position {
        let is_old =
            |&(at, _): &(u64, Position)| at.saturating_add(nanos(self.retention)) <= mono_ns;
        while self.marks.len() > 1 && self.marks.get(1).is_some_and(is_old) {
            self.marks.pop_front();
        }
        match self.marks.front() {
            Some(mark) if is_old(mark) => mark.1,
            _ => Position::ZERO,
        }
    }

    /// Everything below may be deleted now.
    pub(crate) fn may_go(&mut self, limits: &Limits, mono_ns: u64) -> Position {
        let old = self.old(mono_ns);
        let pressed = u128::from(limits.bytes) * 100 >= u128::from(limits.quota) * PRESSURE_PERCENT;
        let newest = Position { incarnation: u32::MAX, offset: u64::MAX };
        let age = match limits.acked {
            // Nobody has ever asked: then only time may delete.
            None => old,
            Some(_) if pressed => newest,
            Some(_) => old,
        };
        age.min(limits.acked.unwrap_or(newest)).min(limits.stored.unwrap_or(newest))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn at(offset: u64) -> Position {
        Position { incarnation: 1, offset }
    }

    /// A log that grows by 100 an hour for ten hours, retention three.
    fn grown() -> Ages {
        let mut ages = Ages::new(Duration::from_secs(3 * 3_600), at(0), 0);
        for hour in 1..=10 {
            ages.mark(at(hour * 100), hour * HOUR_NS);
        }
        ages
    }

    fn check(acked: Option<u64>, stored: Option<u64>, bytes: u64, expected: Position) {
        let limits = Limits { acked: acked.map(at), stored: stored.map(at), bytes, quota: 1_000 };
        assert_eq!(grown().may_go(&limits, 10 * HOUR_NS), expected, "{acked:?} {stored:?} {bytes}");
    }

    #[test]
    fn the_lowest_of_acked_stored_and_old_decides() {
        check(Some(900), Some(900), 0, at(700));
        check(Some(300), Some(900), 0, at(300));
        check(Some(900), Some(200), 0, at(200));
        check(Some(900), None, 0, at(700));
    }

    #[test]
    fn a_short_disk_overrides_the_age_and_nothing_else() {
        check(Some(900), Some(950), 800, at(900));
        check(Some(900), Some(850), 999, at(850));
        check(Some(0), Some(900), 999, at(0));
    }

    #[test]
    fn without_any_deduplicator_only_time_deletes() {
        check(None, Some(900), 999, at(700));
        check(None, None, 0, at(700));
    }

    #[test]
    fn what_lay_there_at_the_start_is_kept_for_a_whole_retention() {
        let mut ages = Ages::new(Duration::from_secs(3_600), at(500), HOUR_NS);
        let limits = Limits { acked: Some(at(500)), stored: None, bytes: 0, quota: 1_000 };
        assert_eq!(ages.may_go(&limits, HOUR_NS * 2 - 1), Position::ZERO);
        assert_eq!(ages.may_go(&limits, HOUR_NS * 2), at(500));
    }
}
