//! What was compared, and how it ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use merge::Source;
use serde::Serialize;

/// A get_snapshot that is not answered within this long will not be.
const ANSWER_MAX_NS: u64 = 60_000_000_000;

/// Counts of one kind of comparison.
#[derive(Default)]
pub(crate) struct Kind {
    checked: AtomicU64,
    different: AtomicU64,
}

/// All kinds.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) get_snapshot: Kind,
    pub(crate) events: Kind,
    pub(crate) latest_levels: Kind,
    pub(crate) rest: Kind,
    unanswered: AtomicU64,
    /// Since when an answer is waited for.
    asked: Mutex<BTreeMap<(Source, Box<str>), u64>>,
}

/// One kind, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) checked: u64,
    pub(crate) different: u64,
}

/// All kinds, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) get_snapshot: Counts,
    pub(crate) events: Counts,
    pub(crate) latest_levels: Counts,
    pub(crate) rest: Counts,
    pub(crate) unanswered: u64,
}

impl Kind {
    pub(crate) fn checked(&self, kind: &'static str) {
        self.checked.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("audit_compared_total", "kind" => kind).increment(1);
    }

    /// A difference in a market: an alarm.
    pub(crate) fn differs(&self, kind: &'static str, market: &str, what: &str) {
        self.different.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("audit_differences_total", "kind" => kind).increment(1);
        tracing::error!(
            component = "audit",
            event = "audit_difference",
            kind,
            market,
            what,
            "the record is not what it should be; it heals by a fresh snapshot"
        );
    }

    fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { checked: read(&self.checked), different: read(&self.different) }
    }
}

impl Tally {
    /// A lane was asked for a market's book.
    pub(crate) fn asked(&self, source: Source, ticker: Box<str>, now_ns: u64) {
        self.waiting().insert((source, ticker), now_ns);
    }

    /// A lane showed a market's book because it was asked to, by us or by its gatherer.
    pub(crate) fn answered(&self, source: Source, ticker: &str) {
        let mut asked = self.waiting();
        if !asked.is_empty() && asked.remove(&(source, Box::from(ticker))).is_some() {
            drop(asked);
            self.get_snapshot.checked("get_snapshot");
        }
    }

    /// Lets go of what will not be answered any more.
    pub(crate) fn forget_unanswered(&self, now_ns: u64) {
        let mut asked = self.waiting();
        let before = asked.len();
        asked.retain(|_, since_ns| now_ns.saturating_sub(*since_ns) < ANSWER_MAX_NS);
        let forgotten = (before - asked.len()) as u64;
        drop(asked);
        self.unanswered.fetch_add(forgotten, Ordering::Relaxed);
        metrics::counter!("audit_unanswered_total").increment(forgotten);
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            get_snapshot: self.get_snapshot.counts(),
            events: self.events.counts(),
            latest_levels: self.latest_levels.counts(),
            rest: self.rest.counts(),
            unanswered: self.unanswered.load(Ordering::Relaxed),
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Source, Box<str>), u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use merge::GathererIndex;

    use super::*;

    #[test]
    fn only_what_was_asked_counts_and_what_is_not_answered_too() {
        let tally = Tally::default();
        let source = |session| Source { gatherer: GathererIndex(0), session };
        tally.answered(source(1), "A");
        tally.asked(source(1), "A".into(), 5);
        tally.asked(source(2), "A".into(), 6);
        tally.answered(source(1), "B");
        tally.answered(source(1), "A");
        tally.answered(source(1), "A");
        assert_eq!(tally.report().get_snapshot.checked, 1);
        tally.forget_unanswered(5 + ANSWER_MAX_NS);
        assert_eq!(tally.report().unanswered, 0);
        tally.forget_unanswered(6 + ANSWER_MAX_NS);
        assert_eq!(tally.report().unanswered, 1);
    }
}
