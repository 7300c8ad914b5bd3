//! How long a frame takes from the gatherer's socket to the fsynced journal, and to a stored row.
//!
//! Every canonical record is measured, none is sampled. The two clocks are the gatherer's and ours:
//! across machines the figure includes their difference.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::Serialize;
use service::clock::Clock;
use spool::Position;

/// "Recent" is the half minute before, and what has come since it ended.
const RECENT_NS: u64 = 30_000_000_000;
/// An hour: what a backlog may reach.
const MAX_US: u64 = 3_600_000_000;

/// Milliseconds at the usual marks.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Marks {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// How many records were measured.
    pub(crate) count: u64,
}

/// Of the last half minute to minute, and since the start.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) recent: Marks,
    pub(crate) since_start: Marks,
}

/// One way, measured.
pub(crate) struct Track {
    clock: Clock,
    inner: Mutex<Windows>,
}

struct Windows {
    total: Histogram<u64>,
    now: Histogram<u64>,
    before: Histogram<u64>,
    since_ns: u64,
}

/// Frame to journal: receipts wait here until the journal says that their records are durable.
pub(crate) struct Latency {
    waiting: Mutex<VecDeque<(Position, i64)>>,
    pub(crate) to_journal: Track,
    pub(crate) to_row: Track,
}

impl Latency {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { waiting: Mutex::default(), to_journal: Track::new(clock), to_row: Track::new(clock) }
    }

    /// Takes in what was appended, in the order of the journal.
    pub(crate) fn appended(&self, receipts: &mut Vec<(Position, i64)>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(receipts.drain(..));
    }

    /// Everything before `durable` is fsynced.
    pub(crate) fn durable(&self, durable: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = waiting.partition_point(|(next, _)| *next <= durable);
        self.to_journal.reached(waiting.drain(..ready).map(|(_, wall_ns)| wall_ns));
    }
}

impl Track {
    fn new(clock: Clock) -> Self {
        let empty = || {
            Histogram::new_with_bounds(1, MAX_US, 2).expect("the bounds are within hdrhistogram's")
        };
        let windows =
            Windows { total: empty(), now: empty(), before: empty(), since_ns: clock.mono_ns() };
        Self { clock, inner: Mutex::new(windows) }
    }

    /// The frames of these receipts have arrived.
    pub(crate) fn reached(&self, receipts_wall_ns: impl Iterator<Item = i64>) {
        let now_ns = self.clock.wall_ns();
        let mut windows = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(self.clock.mono_ns());
        for wall_ns in receipts_wall_ns {
            let us = u64::try_from((now_ns - wall_ns) / 1_000).unwrap_or(0);
            windows.now.saturating_record(us);
            windows.total.saturating_record(us);
        }
    }

    pub(crate) fn report(&self) -> Report {
        let mut windows = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(self.clock.mono_ns());
        let mut recent = windows.before.clone();
        recent.add(&windows.now).expect("both have the same bounds");
        Report { recent: marks(&recent), since_start: marks(&windows.total) }
    }
}

impl Windows {
    fn turn(&mut self, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.since_ns);
        if passed_ns < RECENT_NS {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.reset();
        if passed_ns >= 2 * RECENT_NS {
            self.before.reset();
        }
        self.since_ns = now_ns;
    }
}

fn marks(histogram: &Histogram<u64>) -> Marks {
    let ms = |us: u64| us as f64 / 1_000.0;
    Marks {
        p50: ms(histogram.value_at_quantile(0.50)),
        p99: ms(histogram.value_at_quantile(0.99)),
        max: ms(histogram.max()),
        count: histogram.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_measured_when_it_is_durable_and_not_before() {
        let clock = Clock::start();
        let latency = Latency::new(clock);
        let at = |offset| Position { incarnation: 1, offset };
        let received = clock.wall_ns() - 5_000_000;
        latency.appended(&mut vec![(at(10), received), (at(20), received)]);
        latency.durable(at(10));
        let marks = latency.to_journal.report().recent;
        assert_eq!(marks.count, 1);
        assert!(marks.p50 >= 4.9, "{marks:?}");
        latency.durable(at(25));
        assert_eq!(latency.to_journal.report().since_start.count, 2);
    }

    #[test]
    fn a_receipt_from_the_future_counts_as_no_time() {
        let clock = Clock::start();
        let track = Track::new(clock);
        track.reached([clock.wall_ns() + 1_000_000_000].into_iter());
        assert_eq!(track.report().recent.count, 1);
        assert!(track.report().recent.max < 0.01);
    }
}
