//! What traders do in one market: place, cancel, amend, trade, sweep, requote.
//!
//! Each action has one clock; its deltas are told apart by their place in it.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{
    book::Side,
    event::{Event, Trade},
    market::Market,
};

/// Fewer levels than this on a side, and the next action places one.
const SIDE_LEVELS_MIN: usize = 3;
/// More levels than this on a side, and the next action cancels one.
const SIDE_LEVELS_MAX: usize = 90;
/// Levels one trade may sweep.
const SWEEP_LEVELS_MAX: usize = 6;

/// One market in the hands of the generator, during one action.
pub(crate) struct Action<'a> {
    pub(crate) index: usize,
    pub(crate) market: &'a mut Market,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) ts_ms: i64,
    pub(crate) out: &'a mut Vec<Event>,
}

impl Action<'_> {
    /// One random action that suits the book as it is.
    pub(crate) fn any(&mut self) {
        self.drift();
        let side = self.random_side();
        let levels = self.market.book.side(side).len();
        if self.is_overrun(side) {
            return self.take(side.other(), self.market.fair);
        }
        if levels < SIDE_LEVELS_MIN {
            return self.place(side);
        }
        if levels > SIDE_LEVELS_MAX {
            return self.cancel(side);
        }
        match self.rng.random_range(0..100) {
            0..26 => self.place(side),
            26..50 => self.cancel(side),
            50..90 => self.amend(side),
            90..97 => self.take(side, self.market.fair),
            97..99 => self.take_and_rest(side),
            _ => self.requote(side),
        }
    }

    /// Fills an empty book with standing orders, without telling anybody.
    pub(crate) fn stock(&mut self, levels: usize) {
        for side in [Side::Yes, Side::No] {
            for _ in 0..levels {
                let (Some(price), size) = (self.free_price(side), self.size()) else { continue };
                let penny = price < 300 && self.rng.random_bool(0.3);
                let size = if penny { size.saturating_mul(400) } else { size };
                self.market.book.apply(side, price, size);
            }
        }
    }

    /// Takes every order out, as one action or as one a level.
    pub(crate) fn drain(&mut self) {
        let at_once = self.rng.random_bool(0.5);
        self.begin();
        for (side, price, size) in self.market.book.levels().collect::<Vec<_>>() {
            if !at_once {
                self.begin();
            }
            self.change(side, price, -size);
        }
    }

    pub(crate) fn begin(&mut self) {
        let skip = if self.rng.random_bool(0.6) { 1 } else { self.rng.random_range(2..=9) };
        self.market.begin(skip);
    }

    fn place(&mut self, side: Side) {
        let Some(price) = self.free_price(side) else { return self.cancel(side) };
        let size = self.size();
        self.begin();
        self.change(side, price, size);
    }

    fn cancel(&mut self, side: Side) {
        let Some((price, total)) = self.random_level(side) else { return };
        let part = self.part_of(total);
        self.begin();
        self.change(side, price, -part);
    }

    /// Minus at the old level and plus at the new one, on one clock.
    fn amend(&mut self, side: Side) {
        let (Some((old, total)), Some(new)) = (self.random_level(side), self.free_price(side))
        else {
            return;
        };
        let part = self.part_of(total);
        let resized = if self.rng.random_bool(0.7) { part } else { self.size() };
        self.begin();
        self.change(side, old, -part);
        self.change(side, new, resized);
    }

    /// A market maker moves several quotes at once.
    fn requote(&mut self, side: Side) {
        self.begin();
        for _ in 0..self.rng.random_range(2..=4) {
            if let Some((price, total)) = self.random_level(side) {
                self.change(side, price, -total);
            }
            if let Some(price) = self.free_price(side) {
                let size = self.size();
                self.change(side, price, size);
            }
        }
    }

    /// A taker of `side` eats the opposite side, best level first; each fill is a trade.
    fn take(&mut self, side: Side, limit: usize) {
        let mut wanted = self.size().saturating_mul(self.rng.random_range(1..=3));
        let limit = self.market.price_at(limit);
        let resting = side.other();
        self.begin();
        for depth in 0..SWEEP_LEVELS_MAX {
            let best = match resting {
                Side::No => self.market.book.ask(),
                Side::Yes => self.market.book.bid(),
            };
            let Some((price, total)) = best else { return };
            let beyond = match resting {
                Side::No => price > limit,
                Side::Yes => price < limit,
            };
            if wanted <= 0 || (beyond && depth > 0) {
                return;
            }
            let fill = wanted.min(total);
            wanted -= fill;
            self.change(resting, price, -fill);
            self.trade(side, price, fill);
        }
    }

    /// A taker whose rest stays in the book: both sides change on one clock.
    fn take_and_rest(&mut self, side: Side) {
        let best = match side {
            Side::Yes => self.market.book.ask(),
            Side::No => self.market.book.bid(),
        };
        let Some((price, total)) = best else { return self.place(side) };
        self.begin();
        self.change(side.other(), price, -total);
        self.trade(side, price, total);
        let rest = self.size();
        self.change(side, price, rest);
    }

    fn trade(&mut self, taker: Side, yes_price: u16, count: i64) {
        let id = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid();
        let (market, ts_ms) = (self.index, self.ts_ms);
        let trade = Trade { market, id, yes_price, count, taker, ts_ms };
        self.market.traded(&trade);
        self.out.push(Event::Trade(trade));
    }

    fn change(&mut self, side: Side, price: u16, delta: i64) {
        let before = self.market.book.total(side, price);
        assert!(delta != 0 && before + delta >= 0, "a resting total is never negative");
        self.out.push(self.market.change(self.index, side, (price, delta), self.ts_ms));
    }

    /// The believed value wanders, now and then.
    fn drift(&mut self) {
        let top = self.market.structure.grid().len() - 4;
        match self.rng.random_range(0..100) {
            0 | 1 => self.market.fair = (self.market.fair + 1).min(top),
            2 | 3 => self.market.fair = self.market.fair.saturating_sub(1).max(3),
            _ => {}
        }
    }

    /// Whether the best order of `side` stands on the wrong side of the value.
    fn is_overrun(&mut self, side: Side) -> bool {
        let fair = self.market.price_at(self.market.fair);
        let overrun = match side {
            Side::Yes => self.market.book.bid().is_some_and(|(price, _)| price > fair),
            Side::No => self.market.book.ask().is_some_and(|(price, _)| price < fair),
        };
        overrun && self.rng.random_bool(0.5)
    }

    fn random_side(&mut self) -> Side {
        if self.rng.random_bool(0.5) { Side::Yes } else { Side::No }
    }

    /// A price near the value that does not cross the other side; near ones are likelier.
    fn free_price(&mut self, side: Side) -> Option<u16> {
        let reach = self.rng.random_range(1..=40_usize);
        let distance = self.rng.random_range(1..=reach);
        let top = self.market.structure.grid().len() - 1;
        let wanted = match side {
            Side::Yes => self.market.fair.saturating_sub(distance),
            Side::No => (self.market.fair + distance).min(top),
        };
        let place = match side {
            Side::Yes => match self.market.book.ask() {
                Some((ask, _)) => wanted.min(self.below(ask)?),
                None => wanted,
            },
            Side::No => match self.market.book.bid() {
                Some((bid, _)) => wanted.max(self.market.place_of(bid) + 1),
                None => wanted,
            },
        };
        (place <= top).then(|| self.market.price_at(place))
    }

    /// The place of the highest allowed price strictly below `price`.
    fn below(&self, price: u16) -> Option<usize> {
        self.market.structure.grid().partition_point(|allowed| *allowed < price).checked_sub(1)
    }

    fn random_level(&mut self, side: Side) -> Option<(u16, i64)> {
        let count = self.market.book.side(side).len();
        if count == 0 {
            return None;
        }
        // Half of all activity is at the best few levels.
        let depth = if self.rng.random_bool(0.5) {
            self.rng.random_range(0..count.min(4))
        } else {
            self.rng.random_range(0..count)
        };
        let levels = self.market.book.side(side);
        let level = match side {
            Side::Yes => levels.iter().rev().nth(depth),
            Side::No => levels.iter().nth(depth),
        };
        level.map(|(price, size)| (*price, *size))
    }

    /// All of a level, or a part of it that leaves something.
    fn part_of(&mut self, total: i64) -> i64 {
        if total <= 1 || self.rng.random_bool(0.45) {
            total
        } else {
            self.rng.random_range(1..total)
        }
    }

    /// An order's size in 1/100 contract: mostly whole contracts, mostly small.
    fn size(&mut self) -> i64 {
        let scale = 10_i64.pow(self.rng.random_range(0..=3));
        let contracts = self.rng.random_range(1..=9) * scale;
        match self.rng.random_range(0..10) {
            0 => contracts * 100 + self.rng.random_range(1..100),
            1 => self.rng.random_range(1..100),
            _ => contracts * 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use uuid::Uuid;

    use super::*;
    use crate::{book::Book, grid::Structure, market::Naming};

    fn market(structure: Structure) -> Market {
        let naming = Naming {
            ticker: Arc::from("KXT-1"),
            event_ticker: Arc::from("KXT"),
            series_ticker: Arc::from("KXT"),
            id: Uuid::nil(),
        };
        Market::new(naming, structure, 0)
    }

    fn play(structure: Structure, seed: u64, actions: usize) -> (Book, Market, Vec<Event>) {
        let mut market = market(structure);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Vec::new();
        let mut action =
            Action { index: 0, market: &mut market, rng: &mut rng, ts_ms: 1, out: &mut out };
        action.stock(20);
        let start = action.market.book.clone();
        for _ in 0..actions {
            action.any();
        }
        (start, market, out)
    }

    #[test]
    fn the_deltas_lead_from_the_first_book_to_the_last_and_never_cross_it() {
        for structure in Structure::ALL {
            for seed in 0..20 {
                let (mut book, market, events) = play(structure, seed, 2000);
                for event in &events {
                    let Event::Delta(delta) = event else { continue };
                    let after = book.total(delta.side, delta.price) + delta.delta;
                    assert!(after >= 0, "seed {seed}: {delta:?}");
                    assert!(structure.grid().contains(&delta.price), "seed {seed}: {delta:?}");
                    book.apply(delta.side, delta.price, delta.delta);
                }
                assert_eq!(book, market.book, "seed {seed}");
                if let (Some((bid, _)), Some((ask, _))) = (book.bid(), book.ask()) {
                    assert!(bid < ask, "seed {seed}: {bid} crosses {ask}");
                }
            }
        }
    }

    #[test]
    fn clocks_rise_and_k_counts_within_a_clock() {
        let (_, _, events) = play(Structure::Linear, 7, 5000);
        let (mut last, mut grouped) = ((0, 0), 0);
        for event in &events {
            let Event::Delta(delta) = event else { continue };
            let clock = delta.clock.expect("generated deltas have a clock");
            if clock == last.0 {
                assert_eq!(delta.k, last.1 + 1);
                grouped += 1;
            } else {
                assert!(clock > last.0 && delta.k == 0, "{delta:?} after {last:?}");
            }
            last = (clock, delta.k);
        }
        assert!(grouped > 500, "many actions make several deltas: {grouped}");
        assert!(last.0 > 6000, "clocks skip values: {last:?}");
    }

    #[test]
    fn every_trade_has_a_delta_that_pays_for_it() {
        let (_, _, events) = play(Structure::Deci, 3, 5000);
        let trades = events.windows(2).filter_map(|pair| match &pair[1] {
            Event::Trade(trade) => Some((&pair[0], trade)),
            _ => None,
        });
        let mut count = 0;
        for (before, trade) in trades {
            let Event::Delta(delta) = before else { panic!("{before:?} before {trade:?}") };
            assert_eq!((delta.price, delta.delta), (trade.yes_price, -trade.count));
            assert_eq!(delta.side, trade.taker.other());
            count += 1;
        }
        assert!(count > 50, "{count} trades");
    }
}
