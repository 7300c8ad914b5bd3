//! Which connection carries which market. Pure, and stable: a market never moves while it is captured, because a
//! move would cost its order book a fresh start.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use exchange::Moment;

/// A market that is not listed any more is carried for this long: it may only be paused, and a closing one still has its
/// last words to say.
const GONE_AFTER: Duration = Duration::from_secs(3_600);

/// Markets by connection.
#[derive(Debug)]
pub(crate) struct Spread {
    per_connection: usize,
    by_connection: BTreeMap<usize, BTreeSet<String>>,
    unlisted_since: BTreeMap<String, Moment>,
}

/// What to do about one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Open this connection for these markets.
    Open { index: usize, markets: BTreeSet<String> },
    /// From now on it carries these.
    Carry { index: usize, markets: BTreeSet<String> },
    /// All of its markets are gone.
    Close { index: usize },
}

impl Spread {
    /// At most `per_connection` markets on each connection.
    pub(crate) fn new(per_connection: usize) -> Self {
        assert!(per_connection > 0, "checked by the configuration");
        Self { per_connection, by_connection: BTreeMap::new(), unlisted_since: BTreeMap::new() }
    }

    /// Takes in what the exchange lists now. New markets go where there is room, else to new connections, lowest free
    /// number first; a connection is given up with its last market.
    pub(crate) fn update(&mut self, listed: &BTreeSet<String>, now: Moment) -> Vec<Change> {
        let before = self.by_connection.clone();
        self.drop_gone(listed, now);
        for market in listed {
            if !self.by_connection.values().any(|markets| markets.contains(market)) {
                let index = self.roomy();
                self.by_connection.entry(index).or_default().insert(market.clone());
            }
        }
        self.changes_since(&before)
    }

    fn drop_gone(&mut self, listed: &BTreeSet<String>, now: Moment) {
        let carried = self.by_connection.values().flatten();
        let unlisted: BTreeSet<&String> = carried.filter(|m| !listed.contains(*m)).collect();
        self.unlisted_since.retain(|market, _| unlisted.contains(market));
        for market in unlisted {
            self.unlisted_since.entry(market.clone()).or_insert(now);
        }
        let gone = |market: &String| {
            let since = self.unlisted_since.get(market);
            since.is_some_and(|since| now.since(*since) >= GONE_AFTER)
        };
        for markets in self.by_connection.values_mut() {
            markets.retain(|market| !gone(market));
        }
        self.by_connection.retain(|_, markets| !markets.is_empty());
    }

    fn roomy(&self) -> usize {
        let has_room = |index: &usize| {
            self.by_connection.get(index).is_none_or(|markets| markets.len() < self.per_connection)
        };
        (0..).find(has_room).expect("usize is large")
    }

    fn changes_since(&self, before: &BTreeMap<usize, BTreeSet<String>>) -> Vec<Change> {
        let closed = before.keys().filter(|index| !self.by_connection.contains_key(index));
        let mut changes: Vec<Change> = closed.map(|&index| Change::Close { index }).collect();
        for (&index, markets) in &self.by_connection {
            let markets = markets.clone();
            match before.get(&index) {
                None => changes.push(Change::Open { index, markets }),
                Some(old) if *old != markets => changes.push(Change::Carry { index, markets }),
                Some(_) => {}
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(tickers: &[&str]) -> BTreeSet<String> {
        tickers.iter().map(ToString::to_string).collect()
    }

    fn at(minutes: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(minutes * 60))
    }

    fn open(index: usize, markets: &[&str]) -> Change {
        Change::Open { index, markets: set(markets) }
    }

    fn carry(index: usize, markets: &[&str]) -> Change {
        Change::Carry { index, markets: set(markets) }
    }

    #[test]
    fn no_connection_carries_more_than_its_number_and_all_are_carried_once() {
        let mut spread = Spread::new(2);
        let changes = spread.update(&set(&["e", "d", "c", "b", "a"]), at(0));
        assert_eq!(changes, [open(0, &["a", "b"]), open(1, &["c", "d"]), open(2, &["e"])]);
    }

    #[test]
    fn the_same_list_again_changes_nothing() {
        let mut spread = Spread::new(2);
        spread.update(&set(&["a", "b", "c"]), at(0));
        assert_eq!(spread.update(&set(&["a", "b", "c"]), at(1)), []);
    }

    #[test]
    fn new_markets_fill_what_has_room_and_move_nothing() {
        let mut spread = Spread::new(2);
        spread.update(&set(&["b", "c", "d"]), at(0));
        let changes = spread.update(&set(&["a", "b", "c", "d", "e"]), at(1));
        assert_eq!(changes, [carry(1, &["a", "d"]), open(2, &["e"])]);
    }

    #[test]
    fn a_market_is_given_up_only_after_an_hour_without_being_listed() {
        let mut spread = Spread::new(2);
        spread.update(&set(&["a", "b", "c"]), at(0));
        assert_eq!(spread.update(&set(&["b"]), at(1)), []);
        assert_eq!(spread.update(&set(&["b", "c"]), at(30)), [], "c was only paused");
        assert_eq!(spread.update(&set(&["b"]), at(60)), []);
        assert_eq!(spread.update(&set(&["b"]), at(61)), [carry(0, &["b"])]);
        assert_eq!(spread.update(&set(&["b"]), at(120)), [Change::Close { index: 1 }]);
        assert_eq!(
            spread.update(&set(&["b", "d", "e"]), at(121)),
            [carry(0, &["b", "d"]), open(1, &["e"])]
        );
    }
}
