//! What one connection's sessions tell whoever decides about markets: frames by market, and which of the markets that are on
//! their way to it have arrived.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// One connection's meter, over all its sessions.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    frames: Mutex<HashMap<Box<str>, u64>>,
    /// Whether any market is awaited: looked at for every frame, so that the lock need not be.
    is_expecting: AtomicBool,
    expected: Mutex<Expected>,
}

#[derive(Debug, Default)]
struct Expected {
    awaited: BTreeSet<Arc<str>>,
    arrived: BTreeSet<Arc<str>>,
}

impl Meter {
    /// A frame about a market came.
    pub(crate) fn count(&self, market: &str) {
        let mut frames = locked(&self.frames);
        match frames.get_mut(market) {
            Some(count) => *count += 1,
            None => drop(frames.insert(market.into(), 1)),
        }
    }

    /// What was counted since the last call.
    pub(crate) fn take_counts(&self) -> HashMap<Box<str>, u64> {
        std::mem::take(&mut *locked(&self.frames))
    }

    /// These are on their way, and no others.
    pub(crate) fn expect(&self, markets: Vec<Arc<str>>) {
        let mut expected = locked(&self.expected);
        let (arrived, awaited) =
            markets.into_iter().partition(|market| expected.arrived.contains(market));
        *expected = Expected { awaited, arrived };
        self.is_expecting.store(!expected.awaited.is_empty(), Ordering::Relaxed);
    }

    /// Whether any market is awaited.
    pub(crate) fn is_expecting(&self) -> bool {
        self.is_expecting.load(Ordering::Relaxed)
    }

    /// The session has come further: `carries` says which markets it has whole.
    pub(crate) fn came_further(&self, carries: impl Fn(&str) -> bool) {
        let mut expected = locked(&self.expected);
        let Expected { awaited, arrived } = &mut *expected;
        arrived.extend(awaited.extract_if(.., |market| carries(market)));
        self.is_expecting.store(!awaited.is_empty(), Ordering::Relaxed);
    }

    /// The session ended, and what had arrived is gone with it.
    pub(crate) fn ended(&self) {
        let mut expected = locked(&self.expected);
        let Expected { awaited, arrived } = &mut *expected;
        awaited.append(arrived);
        self.is_expecting.store(!awaited.is_empty(), Ordering::Relaxed);
    }

    /// Whether a market that was on its way has arrived.
    pub(crate) fn has(&self, market: &str) -> bool {
        locked(&self.expected).arrived.contains(market)
    }
}

/// Never left half-changed, so a panic elsewhere takes nothing from it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_gone_with_its_session() {
        let meter = Meter::default();
        meter.expect(vec!["A".into(), "B".into()]);
        assert!(meter.is_expecting() && !meter.has("A"));
        meter.came_further(|market| market == "A");
        assert!(meter.has("A") && !meter.has("B") && meter.is_expecting());
        meter.expect(vec!["A".into()]);
        assert!(meter.has("A") && !meter.is_expecting());
        meter.ended();
        assert!(!meter.has("A") && meter.is_expecting());
    }

    #[test]
    fn counts_begin_anew_when_they_are_taken() {
        let meter = Meter::default();
        (0..3).for_each(|_| meter.count("A"));
        assert_eq!(meter.take_counts().get("A"), Some(&3));
        assert!(meter.take_counts().is_empty());
    }
}
