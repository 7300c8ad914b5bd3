//! What the merge says: the canonical records, as they are journalled.
//!
//! Everything a later run needs to go on (`Merge::apply`) and everything a sink stores is in them.

use exchange::{Level, Price, Side, Size};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{input::GathererIndex, minutes::LaneMinute};

/// One canonical record, in the order in which the merge made them.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub enum Record {
    /// A gatherer was named; before anything that refers to it.
    Gatherer {
        /// Its number in every other record.
        index: GathererIndex,
        /// Its name, as configured.
        name: String,
    },
    /// A market was seen for the first time; before its first event.
    Market {
        /// The canonical sid: one stream per market, from 1.
        sid: u32,
        /// The exchange's stable id.
        market_id: Uuid,
        /// The exchange's ticker.
        ticker: String,
    },
    /// One change of one level.
    Delta(DeltaRecord),
    /// The whole book: at a market's start, after a hole, at a new era, when the exchange replaced
    /// the book, and now and then as a checkpoint.
    Snapshot(Box<SnapshotRecord>),
    /// A stretch that no lane covered. The snapshot that ends it follows.
    Hole(Box<HoleRecord>),
    /// A trade.
    Trade(Box<TradeRecord>),
    /// A market's summary.
    Ticker(Box<TickerRecord>),
    /// A lifecycle or fee message.
    Lifecycle(Box<LifecycleRecord>),
    /// The accounts of closed minutes; made by the pipeline from `Merge::close_minutes`.
    LaneMinutes(Box<LaneMinutesRecord>),
    /// Whole books that a gatherer asked for over REST; made by the pipeline, the merge has no part
    /// in them: a REST book has no clock.
    RestBooks(Box<RestBooksRecord>),
}

/// Where an event was first received.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Provenance {
    /// The gatherer.
    pub gatherer: GathererIndex,
    /// Its session.
    pub session: u64,
    /// The subscription on that session.
    pub sid: u32,
    /// The place in that subscription, 0 for unsequenced messages.
    pub seq: u64,
    /// The receipt, Unix ns on the gatherer's clock.
    pub wall_ns: i64,
}

/// A canonical delta. Its identity is (market, era, clock, ord); its number is (sid, seq).
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct DeltaRecord {
    /// The canonical sid.
    pub sid: u32,
    /// The canonical seq: no holes in it within a sid, starting at 1.
    pub seq: u64,
    /// The era of the clock.
    pub era: u16,
    /// The exchange's clock; for frames without one, `ts_ms` stands in.
    pub clock: u64,
    /// The place among the market's deltas of this clock, from 0.
    pub ord: u16,
    /// The side.
    pub side: Side,
    /// The level.
    pub price: Price,
    /// The signed change.
    pub delta: Size,
    /// What rests at the level after the change, so that a store of levels needs no book of its own.
    pub resting: Size,
    /// Matching-engine time, Unix ms; 0 when the frame had none.
    pub ts_ms: i64,
    /// The earliest receipt among the lanes that agreed when it was accepted.
    pub from: Provenance,
    /// Two lanes disagreed here and the third opinion was missing.
    pub disputed: bool,
}

/// Where a canonical snapshot comes from.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A snapshot that the exchange sent by itself: at subscription, or when it replaced the book.
    Live,
    /// The answer to a `get_snapshot` command.
    GetSnapshot,
    /// Our own book, repeated so that readers need not go far back.
    Checkpoint,
    /// A REST poll (never made here).
    Rest,
}

/// A canonical snapshot.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct SnapshotRecord {
    /// The canonical sid.
    pub sid: u32,
    /// The canonical seq; a snapshot takes one as a delta does.
    pub seq: u64,
    /// The era of the clock.
    pub era: u16,
    /// The newest change it includes.
    pub clock: u64,
    /// The last delta's time, else the receipt, Unix ms.
    pub ts_ms: i64,
    /// Where it comes from.
    pub origin: Origin,
    /// Bids, rising by price, sizes above zero.
    pub yes: Vec<Level>,
    /// Asks, rising by price, sizes above zero.
    pub no: Vec<Level>,
    /// Levels that our book held before and this does not.
    pub vanished: Vec<(Side, Price)>,
    /// The frame it was made from; for a checkpoint, the frame of the last event.
    pub from: Provenance,
}

/// Why a stretch is missing.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoleCause {
    /// The last covering lane lost frames.
    AllLanesBroken,
    /// The last covering lane's session ended.
    AllSessionsClosed,
    /// A covering lane may live, but its gatherer was not heard for `hole_wait`.
    GathererSilent,
    /// A covering lane lives and was heard, but did not deliver what another lane's snapshot shows.
    NoCoveringLane,
    /// What we held was refuted; the truth restarts with the snapshot.
    Divergence,
    /// Too much was waiting; decided early.
    MemoryBound,
    /// The exchange's clock restarted, and the book is not the one we held.
    Maintenance,
    /// Nobody was subscribed to the market: it had been left on purpose.
    Left,
    /// Takes a hole without end back: the market is covered again, and nothing was missing.
    CoveredAgain,
}

/// A stretch of a market that no lane covered: the clocks in (`from_clock`, `to_clock`].
///
/// With cause `Maintenance`, `to_clock` equals `from_clock`, and the hole is everything after it in
/// the era `era`, and in the next era everything up to the snapshot that follows.
///
/// A hole without end (`to_clock` is [`HoleRecord::NO_END`]) says that nobody covers the market since; no snapshot follows.
/// A later hole of the same `from_clock` takes its place, or one of cause `CoveredAgain` takes it back.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct HoleRecord {
    /// The canonical sid.
    pub sid: u32,
    /// The canonical seq of the snapshot that ends the hole.
    pub seq: u64,
    /// The era of both clocks.
    pub era: u16,
    /// The last clock we hold. `ts_ms` stands in for frames without clock.
    pub from_clock: u64,
    /// The clock of the snapshot that ends it.
    pub to_clock: u64,
    /// Whether `from_clock`'s own deltas are known to be complete; when not, the last of them may
    /// be missing too (the covering lane ended inside the group).
    pub from_whole: bool,
    /// The last event's time, Unix ms.
    pub from_ts_ms: i64,
    /// The receipt of the snapshot that ends it, Unix ms.
    pub to_ts_ms: i64,
    /// Why.
    pub cause: HoleCause,
}

/// A canonical trade, known by its `trade_id`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct TradeRecord {
    /// The identity, on every connection and in REST.
    pub trade_id: Uuid,
    /// The market's ticker.
    pub market_ticker: String,
    /// Price of the yes leg.
    pub yes_price: Price,
    /// Price of the no leg.
    pub no_price: Price,
    /// Contracts.
    pub count: Size,
    /// The outcome the taker bought.
    pub taker: Side,
    /// Whether it was a block trade; absent on old frames.
    pub is_block_trade: Option<bool>,
    /// Matching-engine time, Unix ms.
    pub ts_ms: i64,
    /// The first receipt.
    pub from: Provenance,
}

/// A canonical ticker, known by (market, `ts_ms`, content).
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct TickerRecord {
    /// The market's ticker.
    pub market_ticker: String,
    /// The market's stable id.
    pub market_id: Uuid,
    /// Last traded price.
    pub price: Price,
    /// Best bid.
    pub yes_bid: Price,
    /// Best ask.
    pub yes_ask: Price,
    /// Contracts at the best bid.
    pub yes_bid_size: Size,
    /// Contracts at the best ask.
    pub yes_ask_size: Size,
    /// Contracts of the last trade.
    pub last_trade_size: Size,
    /// Contracts traded so far.
    pub volume: Size,
    /// Contracts open.
    pub open_interest: Size,
    /// Whole dollars traded so far.
    pub dollar_volume: i64,
    /// Whole dollars open.
    pub dollar_open_interest: i64,
    /// Matching-engine time, Unix ms.
    pub ts_ms: i64,
    /// The first receipt.
    pub from: Provenance,
}

/// A canonical lifecycle or fee message, known by its content.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct LifecycleRecord {
    /// The frame's `type`.
    pub kind: String,
    /// The market, when it is about one.
    pub market_ticker: Option<String>,
    /// The event, when it is about one.
    pub event_ticker: Option<String>,
    /// `created`, `activated`, `settled`, ...
    pub event_type: Option<String>,
    /// Unix seconds.
    pub open_ts: Option<i64>,
    /// Unix seconds.
    pub close_ts: Option<i64>,
    /// The `msg` object as it came.
    pub msg: String,
    /// The first receipt.
    pub from: Provenance,
}

/// Closed minutes of the lanes' accounts.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct LaneMinutesRecord {
    /// The checkpoint with which the rows were taken: after a crash the same number may come again
    /// with the rows made again; the later one stands.
    pub checkpoint: u64,
    /// The rows; several rows of one (gatherer, market, minute) add up.
    pub rows: Vec<LaneMinute>,
}

/// Whole books asked for over REST, on the yes-leg scale.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct RestBooksRecord {
    /// Who asked.
    pub gatherer: GathererIndex,
    /// When the answer came, Unix ns on the gatherer's clock.
    pub wall_ns: i64,
    /// By ticker, both sides rising by price.
    pub books: Vec<(String, Vec<Level>, Vec<Level>)>,
}

impl Origin {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::GetSnapshot => "get_snapshot",
            Self::Checkpoint => "checkpoint",
            Self::Rest => "rest",
        }
    }
}

impl HoleCause {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllLanesBroken => "all_lanes_broken",
            Self::AllSessionsClosed => "all_sessions_closed",
            Self::GathererSilent => "gatherer_silent",
            Self::NoCoveringLane => "no_covering_lane",
            Self::Divergence => "divergence",
            Self::MemoryBound => "memory_bound",
            Self::Maintenance => "maintenance",
            Self::Left => "left",
            Self::CoveredAgain => "covered_again",
        }
    }
}

impl HoleRecord {
    /// The `to_clock` of a hole that has not ended.
    pub const NO_END: u64 = u64::MAX;

    /// Whether nobody covers the market since.
    pub fn has_no_end(&self) -> bool {
        self.to_clock == Self::NO_END
    }

    /// Whether it takes a hole without end back.
    pub fn takes_back(&self) -> bool {
        self.cause == HoleCause::CoveredAgain
    }
}
