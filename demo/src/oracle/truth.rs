//! What really happened, as the simulator's truth log tells it, in memory.

use std::collections::BTreeMap;

use exchange::Side;
use uuid::Uuid;

use super::book::Book;

/// Everything the exchange did.
#[derive(Default, Debug)]
pub struct Truth {
    /// By ticker.
    pub markets: BTreeMap<String, MarketTruth>,
    /// By id.
    pub trades: BTreeMap<Uuid, TradeTruth>,
    /// In the order they were sent.
    pub tickers: Vec<TickerTruth>,
    /// `kind subject event_type` of each lifecycle message.
    pub lifecycle: Vec<String>,
}

/// One market's history.
#[derive(Default, Debug)]
pub struct MarketTruth {
    /// The exchange's id.
    pub id: Uuid,
    /// In the order they happened.
    pub events: Vec<TruthEvent>,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TruthEvent {
    /// A level changed.
    Delta(DeltaTruth),
    /// The exchange said, unasked, that the book is empty.
    Empty {
        /// Counted by the exchange's maintenances.
        era: u16,
        /// The market's clock then.
        clock: u64,
    },
    /// The book as it stands here: the start of a history, or of an era.
    Book {
        /// Counted by the exchange's maintenances.
        era: u16,
        /// The market's clock then.
        clock: u64,
        /// What rests.
        book: Box<Book>,
    },
}

/// One change of one level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeltaTruth {
    /// Counted by the exchange's maintenances.
    pub era: u16,
    /// Zero where the exchange gives none.
    pub clock: u64,
    /// Place among the deltas of this clock, from 0.
    pub ord: u16,
    /// The level's side.
    pub side: Side,
    /// 1/10,000 dollar.
    pub price: u16,
    /// 1/100 contract, signed.
    pub change: i64,
    /// Exchange time.
    pub ts_ms: i64,
}

/// One trade.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TradeTruth {
    /// The market's ticker.
    pub market: String,
    /// 1/10,000 dollar.
    pub yes_price: u16,
    /// 1/100 contract.
    pub count: i64,
    /// The outcome the taker bought.
    pub taker: Side,
    /// Exchange time.
    pub ts_ms: i64,
}

/// One ticker message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TickerTruth {
    /// The market's ticker.
    pub market: String,
    /// Exchange time.
    pub ts_ms: i64,
    /// Last price, best bid, best ask in 1/10,000 dollar.
    pub prices: [u16; 3],
    /// Bid size, ask size, last trade, volume, open interest in 1/100 contract.
    pub sizes: [i64; 5],
    /// Volume and open interest in whole dollars.
    pub dollars: [i64; 2],
}

impl TruthEvent {
    /// The era it happened in.
    pub fn era(&self) -> u16 {
        match self {
            Self::Delta(delta) => delta.era,
            Self::Empty { era, .. } | Self::Book { era, .. } => *era,
        }
    }

    /// The market's clock after it.
    pub fn clock(&self) -> u64 {
        match self {
            Self::Delta(delta) => delta.clock,
            Self::Empty { clock, .. } | Self::Book { clock, .. } => *clock,
        }
    }

    /// Changes `book` as the exchange's book changed.
    pub fn apply(&self, book: &mut Book) {
        match self {
            Self::Delta(delta) => book.apply((delta.side, delta.price), delta.change),
            Self::Empty { .. } => *book = Book::default(),
            Self::Book { book: whole, .. } => book.clone_from(whole),
        }
    }
}

impl MarketTruth {
    /// Whether the exchange gave clocks for this market.
    pub fn has_clocks(&self) -> bool {
        self.events.iter().any(|event| event.clock() > 0)
    }

    /// The book after everything.
    pub fn last_book(&self) -> Book {
        let mut book = Book::default();
        for event in &self.events {
            event.apply(&mut book);
        }
        book
    }
}
