//! What the exchange knows to have happened, compared with what a gatherer kept.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Message, Side};
use serde_json::Value;

use crate::harness::Kept;

/// One change of a book: market, clock, side, price, change.
pub(crate) type Change = (String, u64, String, i64, i64);

/// Every change that happened, with how often.
pub(crate) fn happened(truth: &[Value]) -> BTreeMap<Change, usize> {
    let mut changes = BTreeMap::new();
    for line in truth.iter().filter(|line| line["t"] == "delta") {
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        let number = |name: &str| line[name].as_i64().expect("a number");
        let clock = line["clock"].as_u64().expect("a clock");
        let change = (text("market"), clock, text("side"), number("price"), number("delta"));
        *changes.entry(change).or_default() += 1;
    }
    changes
}

/// What one gatherer kept: changes by session, and the clock of each market's first snapshot.
pub(crate) struct Witnessed {
    by_session: BTreeMap<u64, BTreeMap<Change, usize>>,
    pub(crate) first_snapshot: BTreeMap<String, u64>,
    pub(crate) empty_snapshots: BTreeSet<String>,
}

impl Witnessed {
    pub(crate) fn by(kept: &Kept) -> Self {
        let mut witnessed = Self {
            by_session: BTreeMap::new(),
            first_snapshot: BTreeMap::new(),
            empty_snapshots: BTreeSet::new(),
        };
        for (session, text) in kept.frames() {
            match exchange::decode(text).expect("the exchange speaks well").message {
                Message::Delta(delta) => {
                    let side = if delta.side == Side::Yes { "yes" } else { "no" };
                    let change = (
                        delta.market_ticker.to_owned(),
                        delta.clock.expect("a clock"),
                        side.to_owned(),
                        i64::from(delta.price.units()),
                        delta.delta.units(),
                    );
                    let changes = witnessed.by_session.entry(session).or_default();
                    *changes.entry(change).or_default() += 1;
                }
                Message::Snapshot(snapshot) => {
                    let ticker = snapshot.market_ticker.to_owned();
                    if snapshot.yes.is_empty() && snapshot.no.is_empty() {
                        witnessed.empty_snapshots.insert(ticker.clone());
                    }
                    let clock = snapshot.clock.expect("a clock");
                    witnessed.first_snapshot.entry(ticker).or_insert(clock);
                }
                _ => {}
            }
        }
        witnessed
    }

    /// Changes of the markets `of` after their first snapshot that no session of this gatherer has.
    pub(crate) fn missed(&self, truth: &[Value], of: impl Fn(&str) -> bool) -> Vec<Change> {
        let after = |change: &Change| {
            self.first_snapshot.get(&change.0).is_none_or(|clock| change.1 > *clock)
        };
        let wanted =
            happened(truth).into_iter().filter(|(change, _)| of(&change.0) && after(change));
        wanted
            .filter(|(change, times)| {
                let had = self.by_session.values().filter_map(|changes| changes.get(change)).max();
                had.is_none_or(|had| had < times)
            })
            .map(|(change, _)| change)
            .collect()
    }

    /// Forgets the last change of a session, wherever it was seen: what a hole would look like.
    pub(crate) fn forget_one(&mut self) -> Change {
        let last = self.by_session.values().flat_map(BTreeMap::keys).next_back();
        let last = last.expect("something was seen").clone();
        for changes in self.by_session.values_mut() {
            changes.remove(&last);
        }
        last
    }

    /// Changes that more than one session has: the market was covered twice then.
    pub(crate) fn covered_twice(&self) -> BTreeSet<&str> {
        let mut seen = BTreeMap::new();
        for change in self.by_session.values().flat_map(BTreeMap::keys) {
            *seen.entry(change).or_insert(0) += 1;
        }
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(change, _)| &*change.0).collect()
    }
}
