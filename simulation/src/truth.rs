//! What really happened in one market, and the frames in which the exchange tells it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Side (no?) and price in 1/10,000 dollar, to size in 1/100 contract.
pub(crate) type Levels = BTreeMap<(bool, u16), i64>;

/// One change.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Event {
    pub(crate) clock: u64,
    /// Place among the changes of the clock.
    pub(crate) k: u16,
    pub(crate) ts_ms: i64,
    pub(crate) no: bool,
    pub(crate) price: u16,
    pub(crate) delta: i64,
}

/// A market: `states[i]` is the book after `events[..i]`.
pub(crate) struct Truth {
    index: usize,
    first_clock: u64,
    clock: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) states: Vec<Levels>,
}

impl Truth {
    pub(crate) fn new(index: usize, rng: &mut ChaCha8Rng) -> Self {
        let clock = rng.random_range(1_000..2_000);
        let mut book = Levels::new();
        for _ in 0..rng.random_range(0..6) {
            book.insert((rng.random(), rng.random_range(1..20) * 100), rng.random_range(1..5_000));
        }
        Self { index, first_clock: clock, clock, events: Vec::new(), states: vec![book] }
    }

    pub(crate) fn ticker(&self) -> String {
        format!("KXSIM-{}", self.index)
    }

    pub(crate) fn now(&self) -> usize {
        self.events.len()
    }

    /// The clock that a snapshot of this state shows.
    pub(crate) fn clock_of(&self, state: usize) -> u64 {
        if state == 0 { self.first_clock } else { self.events[state - 1].clock }
    }

    /// One action: a group of changes of one clock, each of another level, so that no part of it
    /// leaves the book as it was.
    pub(crate) fn act(&mut self, ts_ms: i64, rng: &mut ChaCha8Rng) -> Range<usize> {
        let first = self.now();
        self.clock += rng.random_range(1..5);
        let size = if rng.random_bool(0.5) { 1 } else { rng.random_range(2..5) };
        let mut used: Vec<(bool, u16)> = Vec::new();
        for _ in 0..size {
            let mut book = self.states[self.now()].clone();
            let place = (rng.random(), rng.random_range(1..20) * 100);
            if used.contains(&place) {
                continue;
            }
            used.push(place);
            let held = book.get(&place).copied().unwrap_or(0);
            let delta = match held {
                0 => rng.random_range(1..5_000),
                held if rng.random_bool(0.5) => -held,
                held => -rng.random_range(1..=held),
            };
            *book.entry(place).or_default() += delta;
            book.retain(|_, size| *size != 0);
            let k = (used.len() - 1) as u16;
            let (no, price) = place;
            self.events.push(Event { clock: self.clock, k, ts_ms, no, price, delta });
            self.states.push(book);
        }
        first..self.now()
    }

    /// The frame of one event, in the exchange's own form.
    pub(crate) fn delta_frame(&self, at: usize, seq: u64) -> String {
        let event = self.events[at];
        format!(
            r#"{{"type":"orderbook_delta","sid":1,"seq":{seq},"msg":{{"market_ticker":"{}","market_id":"{}","clock":{},"price_dollars":"{}","delta_fp":"{}","side":"{}","ts_ms":{}}}}}"#,
            self.ticker(),
            self.id(),
            event.clock,
            dollars(event.price),
            contracts(event.delta),
            if event.no { "no" } else { "yes" },
            event.ts_ms,
        )
    }

    /// A snapshot of a state; `id`: the command that it answers.
    pub(crate) fn snapshot_frame(&self, state: usize, seq: u64, id: Option<u64>) -> String {
        let side = |wanted: bool| {
            let mut list = String::new();
            for ((_, price), size) in self.states[state].iter().filter(|((no, _), _)| *no == wanted)
            {
                let comma = if list.is_empty() { "" } else { "," };
                let (price, size) = (dollars(*price), contracts(*size));
                write!(list, r#"{comma}["{price}","{size}"]"#).expect("a string takes everything");
            }
            list
        };
        let id = id.map_or(String::new(), |id| format!(r#""id":{id},"#));
        format!(
            r#"{{"type":"orderbook_snapshot",{id}"sid":1,"seq":{seq},"msg":{{"market_ticker":"{}","market_id":"{}","clock":{},"yes_dollars_fp":[{}],"no_dollars_fp":[{}]}}}}"#,
            self.ticker(),
            self.id(),
            self.clock_of(state),
            side(false),
            side(true),
        )
    }

    fn id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.index + 1)
    }
}

fn dollars(price: u16) -> String {
    format!("{}.{:04}", price / 10_000, price % 10_000)
}

fn contracts(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", size.abs() / 100, size.abs() % 100)
}
