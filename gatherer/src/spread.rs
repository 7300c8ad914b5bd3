//! Which connection carries which market: dealt evenly at the start, the same on every gatherer; later by what each
//! connection has to carry. Pure.
//!
//! A market moves only as `balance` says, and is carried twice while it does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Markets of one connection.
pub(crate) type Carried = BTreeSet<Arc<str>>;

/// The connection that hears of markets coming and going; it stays open with no market at all.
pub(crate) const LIFECYCLE: usize = 0;

/// Markets by connection.
#[derive(Debug)]
pub(crate) struct Spread {
    per_connection: usize,
    /// Connections that the exchange allows fewer markets.
    smaller: BTreeMap<usize, usize>,
    by_connection: BTreeMap<usize, Carried>,
    home: HashMap<Arc<str>, usize>,
    /// Frames a second of each market, as far as known.
    rates: HashMap<Arc<str>, f64>,
    keeps_first: bool,
}

/// What to do about one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Open this connection.
    Open { index: usize },
    /// It carries other markets now.
    Carry { index: usize },
    /// All of its markets are gone.
    Close { index: usize },
}

impl Spread {
    /// At most `per_connection` markets on each connection. `keeps_first`: the connection that hears of new markets is
    /// open whether there are any or not.
    pub(crate) fn new(per_connection: usize, keeps_first: bool) -> Self {
        assert!(per_connection > 0, "checked by the configuration");
        Self {
            per_connection,
            smaller: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            home: HashMap::new(),
            rates: HashMap::new(),
            keeps_first,
        }
    }

    /// Takes in what is wanted now.
    pub(crate) fn update(&mut self, wanted: &Carried) -> Vec<Change> {
        let before: Vec<usize> = self.by_connection.keys().copied().collect();
        let mut touched = self.drop_all_but(wanted);
        let mut new: Vec<&Arc<str>> =
            wanted.iter().filter(|market| !self.home.contains_key(&**market)).collect();
        // By a hash: the markets of one event have their busy minute together, and their names are neighbours.
        new.sort_by_key(|market| (hash(market), Arc::clone(market)));
        if before.is_empty() {
            let connections = new.len().div_ceil(self.per_connection).max(1);
            for (at, market) in new.iter().enumerate() {
                self.put(Arc::clone(market), at % connections);
            }
        } else {
            let mut loads = self.loads();
            for market in &new {
                let index = self.roomy(&loads);
                self.put(Arc::clone(market), index);
                *loads.entry(index).or_default() += self.guess(market);
                touched.insert(index);
            }
        }
        if self.keeps_first {
            self.by_connection.entry(LIFECYCLE).or_default();
        }
        self.changes(&before, &touched)
    }

    /// The exchange does not let a connection have these: it is full, and they go elsewhere.
    pub(crate) fn refused(&mut self, index: usize, markets: &[String]) -> Vec<Change> {
        let before: Vec<usize> = self.by_connection.keys().copied().collect();
        let Some(carried) = self.by_connection.get_mut(&index) else { return Vec::new() };
        let gone: Vec<Arc<str>> =
            markets.iter().filter_map(|market| carried.take(market.as_str())).collect();
        if carried.is_empty() {
            // One that takes nothing at all is no place to flee from: its markets would wander for ever.
            carried.extend(gone);
            return Vec::new();
        }
        // Also when they were only on their way to it: it can take no more.
        self.smaller.insert(index, carried.len());
        if gone.is_empty() {
            return Vec::new();
        }
        let mut touched = BTreeSet::from([index]);
        let mut loads = self.loads();
        for market in gone {
            let to = self.roomy(&loads);
            *loads.entry(to).or_default() += self.guess(&market);
            self.put(market, to);
            touched.insert(to);
        }
        self.changes(&before, &touched)
    }

    /// Takes in what was counted since the last time; older counts fade.
    pub(crate) fn counted(&mut self, frames: impl IntoIterator<Item = (Box<str>, u64)>, secs: f64) {
        const NEW: f64 = 0.5;
        self.rates.values_mut().for_each(|rate| *rate *= 1.0 - NEW);
        for (market, frames) in frames {
            if let Some((market, _)) = self.home.get_key_value(&*market) {
                let market = Arc::clone(market);
                *self.rates.entry(market).or_default() += NEW * frames as f64 / secs;
            }
        }
        self.rates.retain(|market, rate| *rate > 0.001 && self.home.contains_key(market));
    }

    /// Frames a second by connection.
    pub(crate) fn loads(&self) -> BTreeMap<usize, f64> {
        let load = |markets: &Carried| {
            markets.iter().filter_map(|market| self.rates.get(market)).sum::<f64>()
        };
        self.by_connection.iter().map(|(index, markets)| (*index, load(markets))).collect()
    }

    /// The markets of a connection with their rates, those that are known to be busy only.
    pub(crate) fn busy(&self, index: usize) -> Vec<(Arc<str>, f64)> {
        let markets = self.by_connection.get(&index).into_iter().flatten();
        let rate = |market: &Arc<str>| Some((Arc::clone(market), *self.rates.get(market)?));
        markets.filter_map(rate).collect()
    }

    /// Markets that a connection can take besides its own.
    pub(crate) fn room(&self, index: usize) -> usize {
        let most = self.smaller.get(&index).copied().unwrap_or(self.per_connection);
        most.saturating_sub(self.by_connection.get(&index).map_or(0, BTreeSet::len))
    }

    /// The same for markets that move: they may pass the number by a quarter, or full connections could not be evened out.
    pub(crate) fn room_for_moves(&self, index: usize) -> usize {
        let most = self.per_connection + self.per_connection / 4;
        let most = self.smaller.get(&index).copied().unwrap_or(most);
        most.saturating_sub(self.by_connection.get(&index).map_or(0, BTreeSet::len))
    }

    /// Where a market is, if it is carried.
    pub(crate) fn home(&self, market: &str) -> Option<usize> {
        self.home.get(market).copied()
    }

    /// The markets of a connection.
    pub(crate) fn carried(&self, index: usize) -> Carried {
        self.by_connection.get(&index).cloned().unwrap_or_default()
    }

    /// From now on a market is at home on another connection.
    pub(crate) fn rehome(&mut self, market: &Arc<str>, to: usize) {
        if let Some(from) = self.home(market) {
            if let Some(carried) = self.by_connection.get_mut(&from) {
                carried.remove(market);
            }
            self.put(Arc::clone(market), to);
        }
    }

    fn put(&mut self, market: Arc<str>, index: usize) {
        self.by_connection.entry(index).or_default().insert(Arc::clone(&market));
        self.home.insert(market, index);
    }

    fn drop_all_but(&mut self, wanted: &Carried) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        for (index, markets) in &mut self.by_connection {
            let carried = markets.len();
            markets.retain(|market| wanted.contains(market));
            if markets.len() < carried {
                touched.insert(*index);
            }
        }
        self.home.retain(|market, _| wanted.contains(market));
        touched
    }

    /// The least loaded connection with room, else the lowest free number.
    fn roomy(&self, loads: &BTreeMap<usize, f64>) -> usize {
        let with_room = loads.iter().filter(|(index, _)| self.room(**index) > 0);
        let least = with_room.min_by(|(a, x), (b, y)| x.total_cmp(y).then(a.cmp(b)));
        least.map_or_else(
            || (0..).find(|index| !loads.contains_key(index)).expect("usize is large"),
            |(index, _)| *index,
        )
    }

    /// The rate of a market that was not counted yet: as much as the mean, so that new ones spread out.
    fn guess(&self, market: &str) -> f64 {
        let mean = self.rates.values().sum::<f64>() / self.home.len().max(1) as f64;
        self.rates.get(market).copied().unwrap_or(mean).max(0.001)
    }

    fn changes(&mut self, before: &[usize], touched: &BTreeSet<usize>) -> Vec<Change> {
        let keeps_first = self.keeps_first;
        self.by_connection
            .retain(|index, markets| !markets.is_empty() || (keeps_first && *index == LIFECYCLE));
        self.smaller.retain(|index, _| self.by_connection.contains_key(index));
        let closed = before.iter().filter(|index| !self.by_connection.contains_key(index));
        let mut changes: Vec<Change> = closed.map(|&index| Change::Close { index }).collect();
        for &index in self.by_connection.keys() {
            if !before.contains(&index) {
                changes.push(Change::Open { index });
            } else if touched.contains(&index) {
                changes.push(Change::Carry { index });
            }
        }
        changes
    }
}

/// FNV-1a: the same on every machine and in every version.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
