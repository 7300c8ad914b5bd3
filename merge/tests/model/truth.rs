//! What really happened in one market, and the exchange that knows it.

use std::collections::BTreeMap;

use exchange::{Delta, Frame, Level, Message, Price, Side, Size, Snapshot, Trade};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

pub(crate) const TICKERS: [&str; 4] = ["KXA-1", "KXB-2", "KXC-3", "KXD-4"];

pub(crate) type Levels = BTreeMap<(bool, u16), i64>;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum What {
    Delta { no: bool, price: u16, delta: i64 },
    Emptied,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Event {
    pub era: usize,
    pub clock: u64,
    /// Place among the deltas of the clock.
    pub k: u16,
    pub ts_ms: i64,
    pub what: What,
}

/// A market: `states[i]` is the book after `events[..i]`.
pub(crate) struct Truth {
    pub index: usize,
    pub events: Vec<Event>,
    pub states: Vec<Levels>,
    pub era: usize,
    pub clock: u64,
    /// Per era: its first state and the clock it starts with.
    pub eras: Vec<(usize, u64)>,
    clockless: bool,
}

impl Truth {
    pub(crate) fn new(index: usize, clockless: bool, rng: &mut ChaCha8Rng) -> Self {
        let clock = rng.random_range(1_000..2_000);
        let mut book = Levels::new();
        for _ in 0..rng.random_range(0..6) {
            book.insert((rng.random(), rng.random_range(1..20) * 100), rng.random_range(1..5_000));
        }
        Self {
            index,
            events: Vec::new(),
            states: vec![book],
            era: 0,
            clock,
            eras: vec![(0, clock)],
            clockless,
        }
    }

    pub(crate) fn now(&self) -> usize {
        self.events.len()
    }

    /// The clock that a snapshot of this state shows.
    pub(crate) fn clock_of(&self, era: usize, state: usize) -> u64 {
        let (first, clock) = self.eras[era];
        if state == first { clock } else { self.events[state - 1].clock }
    }

    /// One action: a range of new events, all of one clock. Closing is a range of its own.
    pub(crate) fn act(
        &mut self,
        closes: bool,
        ts_ms: i64,
        rng: &mut ChaCha8Rng,
    ) -> std::ops::Range<usize> {
        let first = self.now();
        let book = &self.states[first];
        // Without clock nothing tells of a book that was empty before.
        let tells = !book.is_empty() || !self.clockless;
        if closes && tells && rng.random_bool(0.04) {
            let moved = rng.random_range(u64::from(book.is_empty())..3);
            self.clock += moved;
            let k = if moved == 0 { u16::MAX } else { 0 };
            self.push(k, ts_ms, What::Emptied);
            return first..self.now();
        }
        self.clock += rng.random_range(1..5);
        let size = if rng.random_bool(0.5) { 1 } else { rng.random_range(2..6) };
        for k in 0..size {
            let book = &self.states[self.now()];
            let taken = (k == 0 && !book.is_empty() && rng.random_bool(0.5)).then(|| {
                let at = rng.random_range(0..book.len());
                book.iter().nth(at).map(|(place, size)| (*place, *size)).expect("within")
            });
            let what = match taken {
                Some(((no, price), size)) => {
                    let part = if rng.random_bool(0.5) { size } else { rng.random_range(1..=size) };
                    What::Delta { no, price, delta: -part }
                }
                None => What::Delta {
                    no: rng.random(),
                    price: rng.random_range(1..20) * 100,
                    delta: rng.random_range(1..5_000),
                },
            };
            self.push(k, ts_ms, what);
        }
        first..self.now()
    }

    fn push(&mut self, k: u16, ts_ms: i64, what: What) {
        let mut book = self.states[self.now()].clone();
        match what {
            What::Delta { no, price, delta } => {
                let size = book.entry((no, price)).or_default();
                *size += delta;
                if *size == 0 {
                    book.remove(&(no, price));
                }
            }
            What::Emptied => book.clear(),
        }
        self.events.push(Event { era: self.era, clock: self.clock, k, ts_ms, what });
        self.states.push(book);
    }

    pub(crate) fn new_era(&mut self, rng: &mut ChaCha8Rng) {
        self.era += 1;
        self.clock = rng.random_range(0..20);
        self.eras.push((self.now(), self.clock));
    }

    /// The message of one event.
    pub(crate) fn message(&self, at: usize) -> Message<'static> {
        let event = self.events[at];
        match event.what {
            What::Emptied => self.snapshot(event.era, at + 1),
            What::Delta { no, price, delta } => Message::Delta(Delta {
                market_ticker: TICKERS[self.index],
                market_id: self.id(),
                clock: (!self.clockless).then_some(event.clock),
                side: side(no),
                price: Price::from_units(price).expect("small"),
                delta: Size::from_units(delta),
                ts_ms: Some(event.ts_ms),
            }),
        }
    }

    pub(crate) fn snapshot(&self, era: usize, state: usize) -> Message<'static> {
        Message::Snapshot(Snapshot {
            market_ticker: TICKERS[self.index],
            market_id: self.id(),
            clock: (!self.clockless).then(|| self.clock_of(era, state)),
            yes: levels(&self.states[state], false),
            no: levels(&self.states[state], true),
        })
    }

    fn id(&self) -> Uuid {
        Uuid::from_u128(self.index as u128 + 1)
    }
}

pub(crate) fn levels(book: &Levels, wanted: bool) -> Vec<Level> {
    book.iter()
        .filter(|((no, _), _)| *no == wanted)
        .map(|((_, price), size)| Level {
            price: Price::from_units(*price).expect("small"),
            size: Size::from_units(*size),
        })
        .collect()
}

pub(crate) fn side(no: bool) -> Side {
    if no { Side::No } else { Side::Yes }
}

pub(crate) fn frame(
    sid: u32,
    seq: Option<u64>,
    id: Option<u64>,
    message: Message<'static>,
) -> Frame<'static> {
    Frame { sid: Some(sid), seq, id, sending_ts_ms: None, unknown_fields: 0, message }
}

pub(crate) fn trade(market: usize, trade_id: Uuid, ts_ms: i64) -> Message<'static> {
    Message::Trade(Trade {
        trade_id,
        market_ticker: TICKERS[market],
        yes_price: Price::from_units(4_000).expect("small"),
        no_price: Price::from_units(6_000).expect("small"),
        count: Size::from_units(100),
        taker: Side::Yes,
        is_block_trade: None,
        ts_ms,
    })
}
