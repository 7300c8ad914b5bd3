//! The seeded source of events: which market acts next, and when markets are born and closed.
//!
//! It counts actions, not seconds, so that a seed gives the same events at any speed. A "second"
//! of the agenda is as many actions as the configured rate makes in one.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::{
    actions::Action,
    catalogue::Catalogue,
    event::Event,
    grid::Structure,
    lifecycle,
    market::{Market, Markets, Status},
    ranks,
};

/// Deltas an action makes, on average: from rates in deltas to actions.
const DELTAS_PER_ACTION: f64 = 1.6;

#[derive(Debug)]
enum Task {
    Turn,
    Activate(usize),
    Reactivate(usize),
    Empty(usize),
    Determine(usize),
    Settle(usize),
}

#[derive(Debug)]
pub(crate) struct Generator {
    rng: ChaCha8Rng,
    catalogue: Catalogue,
    /// Market by rank of activity; a new market takes the rank of one that closed.
    ranks: Vec<usize>,
    /// Running sums of the weights of the ranks.
    weights: Vec<u64>,
    agenda: BTreeMap<u64, Vec<Task>>,
    actions: u64,
    second: u64,
    turn_every: u64,
    turns: u64,
    burst: Vec<usize>,
}

impl Generator {
    /// Fills `markets` with `count` trading markets; the events tell of their birth.
    pub(crate) fn new(
        settings: &crate::config::Generated,
        markets: &mut Markets,
        now_ms: i64,
        out: &mut Vec<Event>,
    ) -> Self {
        let second = ((settings.rate / DELTAS_PER_ACTION) as u64).max(1);
        let turn_every = (settings.lifecycle_every_s * second as f64) as u64;
        let mut generator = Self {
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
            catalogue: Catalogue::new(settings.seed),
            ranks: Vec::new(),
            weights: ranks::weights(settings.markets),
            agenda: BTreeMap::new(),
            actions: 0,
            second,
            turn_every,
            turns: 0,
            burst: Vec::new(),
        };
        while generator.ranks.len() < settings.markets {
            for naming in generator.catalogue.next_event() {
                if generator.ranks.len() == settings.markets {
                    break;
                }
                let index = generator.establish(markets, naming, now_ms, out);
                generator.ranks.push(index);
            }
        }
        if turn_every > 0 {
            generator.plan(turn_every, Task::Turn);
        }
        generator
    }

    /// One action of one market, and whatever the agenda has for this moment.
    pub(crate) fn step(&mut self, markets: &mut Markets, ts_ms: i64, out: &mut Vec<Event>) {
        self.actions += 1;
        while let Some(due) = self.agenda.first_entry().filter(|first| *first.key() <= self.actions)
        {
            for task in due.remove() {
                self.carry_out(&task, markets, ts_ms, out);
            }
        }
        let Some(index) = self.next_market(markets) else { return };
        self.on(markets, index, ts_ms, out).any();
    }

    /// Orders that do not survive maintenance leave; clocks fall.
    pub(crate) fn new_era(&mut self, markets: &mut Markets) {
        for (_, market) in markets.iter_mut().filter(|(_, market)| market.clock > 0) {
            market.clock = self.rng.random_range(1..=market.clock.div_ceil(3));
            let levels: Vec<_> = market.book.levels().collect();
            for (side, price, size) in levels {
                if self.rng.random_bool(0.2) {
                    market.book.apply(side, price, -size);
                }
            }
        }
    }

    /// A market made by command: it trades while it is active.
    pub(crate) fn adopt(&mut self, market: usize, share: f64) {
        self.ranks.push(market);
        self.weights.push(self.weights.last().copied().unwrap_or(0));
        self.weigh(&[market], share);
    }

    /// Gives these markets `share` of all activity, evenly; the others keep their proportions.
    pub(crate) fn weigh(&mut self, markets: &[usize], share: f64) {
        let mut each = ranks::each(&self.weights);
        let is_of = |rank: usize| markets.contains(&self.ranks[rank]);
        let others: u64 =
            each.iter().enumerate().filter(|(rank, _)| !is_of(*rank)).map(|(_, one)| one).sum();
        let all = others.max(1) as f64 * share / (1.0 - share);
        let mine = (all / markets.len().max(1) as f64).ceil() as u64;
        for (rank, weight) in each.iter_mut().enumerate() {
            if is_of(rank) {
                *weight = mine;
            }
        }
        self.weights = ranks::sums(&each);
    }

    fn on<'a>(
        &'a mut self,
        markets: &'a mut Markets,
        index: usize,
        ts_ms: i64,
        out: &'a mut Vec<Event>,
    ) -> Action<'a> {
        Action { index, market: markets.at_mut(index), rng: &mut self.rng, ts_ms, out }
    }

    fn next_market(&mut self, markets: &Markets) -> Option<usize> {
        if let Some(index) = self.burst.pop() {
            return Some(index);
        }
        let total = self.weights.last().copied().filter(|total| *total > 0)?;
        for _ in 0..16 {
            let drawn = self.rng.random_range(0..total);
            let rank = self.weights.partition_point(|sum| *sum <= drawn);
            let index = self.ranks[rank];
            if markets.at(index).status != Status::Active {
                continue;
            }
            if self.rng.random_bool(0.004) {
                self.start_burst(markets, index);
            }
            return Some(index);
        }
        None
    }

    /// News about an event: its markets, and the busy ones, all move within microseconds.
    fn start_burst(&mut self, markets: &Markets, index: usize) {
        let event = &markets.at(index).naming.event_ticker;
        let touched: Vec<usize> = self
            .ranks
            .iter()
            .enumerate()
            .filter(|(rank, other)| {
                markets.at(**other).status == Status::Active
                    && (*rank < 3 || markets.at(**other).naming.event_ticker == *event)
            })
            .map(|(_, other)| *other)
            .collect();
        for _ in 0..self.rng.random_range(10..60) {
            self.burst.push(touched[self.rng.random_range(0..touched.len())]);
        }
    }

    fn plan(&mut self, seconds_in_actions: u64, task: Task) {
        self.agenda.entry(self.actions + seconds_in_actions).or_default().push(task);
    }

    fn carry_out(&mut self, task: &Task, markets: &mut Markets, ts_ms: i64, out: &mut Vec<Event>) {
        match *task {
            Task::Turn => {
                self.plan(self.turn_every, Task::Turn);
                self.turn(markets, ts_ms, out);
            }
            Task::Activate(index) => {
                markets.at_mut(index).status = Status::Active;
                out.push(lifecycle::of_market(markets.at(index), "activated", &json!({}), ts_ms));
                let levels = self.rng.random_range(3..8);
                for _ in 0..levels {
                    self.on(markets, index, ts_ms, out).any();
                }
            }
            Task::Reactivate(index) => {
                markets.at_mut(index).status = Status::Active;
                let fields = json!({"is_deactivated": false});
                out.push(lifecycle::of_market(markets.at(index), "activated", &fields, ts_ms));
            }
            Task::Empty(index) => {
                let mut action = self.on(markets, index, ts_ms, out);
                action.begin();
                action.market.book.clear();
                let clock = action.market.wire_clock();
                out.push(Event::Emptied { market: index, clock, ts_ms });
            }
            Task::Determine(index) => self.determine(markets.at_mut(index), ts_ms, out),
            Task::Settle(index) => {
                let market = markets.at_mut(index);
                market.status = Status::Finalized;
                market.settled_ts = Some(ts_ms / 1000);
                let fields = json!({"settled_ts": ts_ms / 1000});
                out.push(lifecycle::of_market(market, "settled", &fields, ts_ms));
            }
        }
    }

    /// What the exchange's staff does now and then, one thing a turn, in rotation.
    fn turn(&mut self, markets: &mut Markets, ts_ms: i64, out: &mut Vec<Event>) {
        self.turns += 1;
        let rank = self.rng.random_range(self.ranks.len() / 4..self.ranks.len());
        let index = self.ranks[rank];
        if markets.at(index).status != Status::Active {
            return;
        }
        match self.turns % 6 {
            1 => self.replace(markets, rank, ts_ms, out),
            2 => {
                let market = markets.at_mut(index);
                market.close_ts += 3600;
                let fields = json!({"close_ts": market.close_ts});
                out.push(lifecycle::of_market(market, "close_date_updated", &fields, ts_ms));
            }
            3 => {
                let fields = json!({"additional_metadata": lifecycle::metadata(markets.at(index))});
                let market = markets.at(index);
                out.push(lifecycle::of_market(market, "metadata_updated", &fields, ts_ms));
            }
            4 => refine(markets.at_mut(index), ts_ms, out),
            5 => {
                markets.at_mut(index).status = Status::Inactive;
                let fields = json!({"is_deactivated": true});
                out.push(lifecycle::of_market(markets.at(index), "deactivated", &fields, ts_ms));
                self.plan(3 * self.second, Task::Reactivate(index));
            }
            _ => out.push(lifecycle::fee_update(markets.at(index), ts_ms)),
        }
    }

    /// One market closes (nothing announces it) and a new event takes its place.
    fn replace(&mut self, markets: &mut Markets, rank: usize, ts_ms: i64, out: &mut Vec<Event>) {
        let closing = self.ranks[rank];
        self.burst.retain(|index| *index != closing);
        if self.rng.random_bool(0.7) {
            self.on(markets, closing, ts_ms, out).drain();
        }
        let market = markets.at_mut(closing);
        market.status = Status::Closed;
        market.close_ts = ts_ms / 1000;
        let wait = self.rng.random_range(self.second / 2..=self.second * 5);
        self.plan(wait, Task::Empty(closing));
        self.plan(wait + 3 * self.second, Task::Determine(closing));
        self.plan(wait + 8 * self.second, Task::Settle(closing));
        for (place, naming) in self.catalogue.next_event().into_iter().enumerate() {
            let mut market = Market::new(naming, self.structure(), ts_ms);
            market.open_ts = ts_ms / 1000 + 2;
            out.extend((place == 0).then(|| lifecycle::of_event(&market, ts_ms)));
            out.push(lifecycle::created(&market, ts_ms));
            let index = markets.add(market);
            out.push(Event::Born { market: index });
            if place == 0 {
                self.ranks[rank] = index;
                self.plan(2 * self.second, Task::Activate(index));
            }
        }
    }

    fn determine(&mut self, market: &mut Market, ts_ms: i64, out: &mut Vec<Event>) {
        market.status = Status::Determined;
        market.result = if self.rng.random_bool(0.5) { "yes" } else { "no" };
        let value = if market.result == "yes" { "1.0000" } else { "0.0000" };
        let fields = json!({
            "result": market.result, "settlement_value": value, "determination_ts": ts_ms / 1000,
        });
        out.push(lifecycle::of_market(market, "determined", &fields, ts_ms));
    }

    fn structure(&mut self) -> Structure {
        match self.rng.random_range(0..10) {
            0..6 => Structure::Linear,
            6..8 => Structure::Deci,
            _ => Structure::TaperedDeci,
        }
    }

    /// A market that has been trading before we look.
    fn establish(
        &mut self,
        markets: &mut Markets,
        naming: crate::market::Naming,
        now_ms: i64,
        out: &mut Vec<Event>,
    ) -> usize {
        let mut market = Market::new(naming, self.structure(), now_ms);
        market.status = Status::Active;
        market.created_ms = now_ms - 86_400_000;
        market.open_ts = now_ms / 1000 - 43_200;
        let places = market.structure.grid().len();
        market.fair = self.rng.random_range(places / 10..places * 9 / 10).clamp(3, places - 4);
        market.clock = self.rng.random_range(1_000..5_000_000);
        let index = markets.add(market);
        let levels = self.rng.random_range(4..45);
        self.on(markets, index, now_ms, out).stock(levels);
        out.push(Event::Born { market: index });
        index
    }
}

/// Cents become tenths of cents: every price that was allowed still is.
fn refine(market: &mut Market, ts_ms: i64, out: &mut Vec<Event>) {
    let fair = market.price_at(market.fair);
    market.structure = Structure::Deci;
    market.fair = market.place_of(fair);
    if market.naming.is_multivariate() {
        return;
    }
    let fields = json!({
        "price_level_structure": market.structure.name(),
        "price_ranges": market.structure.ranges_json(),
    });
    out.push(lifecycle::of_market(market, "price_level_structure_updated", &fields, ts_ms));
}

#[cfg(test)]
mod tests;
