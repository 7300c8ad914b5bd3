//! What is remembered between samples, so that rates, waits and ages can be told. Pure: told figures and time.

use merge::Totals;
use store::Behind;

use super::past::Past;

/// Rates are over this many samples.
pub(super) const RATE_SAMPLES: usize = 5;
pub(super) const FIVE_MINUTES: usize = 300;
pub(super) const HOUR: usize = 3_600;
/// A failing archive makes its chunk again before it fails again; when nothing failed for so long, it works.
const WORKS_AGAIN_NS: u64 = 120_000_000_000;

/// The past of everything.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) events: Past,
    pub(super) holes: Past,
    pub(super) rows: Past,
    pub(super) all_frames: Past,
    copies: Past,
    told: Past,
    /// By gatherer.
    pub(super) frames: Vec<Past>,
    pub(super) unstored: Behind,
    pub(super) unarchived: Behind,
    checkpoint: (u64, u64),
    failing: Option<Failing>,
    failures: u64,
}

struct Failing {
    since_ns: u64,
    last_ns: u64,
}

impl Memory {
    /// Takes in the counts of a second.
    pub(super) fn count(&mut self, totals: &Totals) {
        let canonical = &totals.canonical;
        let sum = |of: fn(&merge::GathererTotals) -> u64| totals.gatherers.iter().map(of).sum();
        let copies: u64 = sum(|gatherer| gatherer.copies);
        let first: u64 = sum(|gatherer| gatherer.first_arrivals);
        self.events.add(canonical.events, FIVE_MINUTES);
        self.holes.add(canonical.holes, HOUR);
        self.all_frames.add(sum(|gatherer| gatherer.frames), FIVE_MINUTES);
        self.copies.add(copies, FIVE_MINUTES);
        self.told.add(copies + first, FIVE_MINUTES);
        self.frames.resize_with(totals.gatherers.len(), Past::default);
        for (past, gatherer) in self.frames.iter_mut().zip(&totals.gatherers) {
            past.add(gatherer.frames, RATE_SAMPLES);
        }
    }

    /// Of the frames of the last five minutes that carry an event, the part that was a copy.
    pub(super) fn duplicate_ratio(&self) -> f64 {
        let told = self.told.growth(FIVE_MINUTES).0;
        if told == 0 { 0.0 } else { self.copies.growth(FIVE_MINUTES).0 as f64 / told as f64 }
    }

    /// Seconds since the number of the newest checkpoint changed, or since the start.
    pub(super) fn checkpoint_age(&mut self, number: u64, mono_ns: u64) -> f64 {
        if self.checkpoint.0 != number {
            self.checkpoint = (number, mono_ns);
        }
        mono_ns.saturating_sub(self.checkpoint.1) as f64 / 1e9
    }

    /// Seconds that the archive has been failing.
    pub(super) fn failing_for(&mut self, failures: u64, mono_ns: u64) -> f64 {
        if failures > self.failures {
            self.failures = failures;
            let since_ns = self.failing.as_ref().map_or(mono_ns, |failing| failing.since_ns);
            self.failing = Some(Failing { since_ns, last_ns: mono_ns });
        }
        let over = |failing: &Failing| mono_ns.saturating_sub(failing.last_ns) > WORKS_AGAIN_NS;
        if self.failing.as_ref().is_some_and(over) {
            self.failing = None;
        }
        let since = |failing: &Failing| mono_ns.saturating_sub(failing.since_ns) as f64 / 1e9;
        self.failing.as_ref().map_or(0.0, since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_archive_fails_until_nothing_failed_for_two_minutes() {
        let mut memory = Memory::default();
        assert_eq!(memory.failing_for(0, SECOND), 0.0);
        assert_eq!(memory.failing_for(1, 10 * SECOND), 0.0, "it has just begun");
        assert_eq!(memory.failing_for(1, 15 * SECOND), 5.0);
        assert_eq!(memory.failing_for(2, 100 * SECOND), 90.0);
        assert_eq!(memory.failing_for(2, 219 * SECOND), 209.0);
        assert_eq!(memory.failing_for(2, 221 * SECOND), 0.0);
        assert_eq!(memory.failing_for(3, 300 * SECOND), 0.0);
        assert_eq!(memory.failing_for(3, 301 * SECOND), 1.0);
    }

    #[test]
    fn a_checkpoint_ages_until_the_next() {
        let mut memory = Memory::default();
        assert_eq!(memory.checkpoint_age(0, 30 * SECOND), 30.0, "there has been none");
        assert_eq!(memory.checkpoint_age(1, 31 * SECOND), 0.0);
        assert_eq!(memory.checkpoint_age(1, 41 * SECOND), 10.0);
    }

    #[test]
    fn the_ratio_is_that_of_the_last_five_minutes() {
        let mut memory = Memory::default();
        let gatherer = |first_arrivals, copies| merge::GathererTotals {
            first_arrivals,
            copies,
            ..Default::default()
        };
        let totals = |first, copies| Totals {
            gatherers: vec![gatherer(first, copies), gatherer(0, copies)],
            ..Totals::default()
        };
        memory.count(&totals(1_000, 0));
        assert_eq!(memory.duplicate_ratio(), 0.0, "nothing grew yet");
        memory.count(&totals(1_100, 100));
        assert_eq!(memory.duplicate_ratio(), 2.0 / 3.0, "three whole feeds");
    }
}
