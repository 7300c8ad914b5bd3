//! Rows about order books.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::values::{EventType, Origin, Price, Side, Size, Text, UnixMicros, UnixMillis};

/// Bit of [`OrderbookEvent::flags`]: gatherers disagreed and no majority settled it.
pub const FLAG_DISPUTED: u8 = 1;

/// `orderbook_events` of the canonical database.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct OrderbookEvent {
    /// Column `type`: snapshot (one row a level) or delta.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Canonical stream: one per market.
    pub sid: u32,
    /// Canonical number, from 1, without holes.
    pub seq: u64,
    /// The exchange's id of the market.
    #[serde(with = "clickhouse::serde::uuid")]
    pub market_id: Uuid,
    /// The exchange's name of the market.
    pub market_ticker: Text,
    /// Bids or asks.
    pub side: Side,
    /// Yes-leg price on both sides; 0 in the row of an empty snapshot.
    pub price: Price,
    /// What rests (snapshot) or its signed change (delta).
    pub qty: Size,
    /// Exchange time; of a snapshot, the market's last delta before it, else the receipt.
    pub ts: UnixMillis,
    /// First receipt by any gatherer.
    pub ingest_ts: UnixMicros,
    /// Stretch between two drops of the exchange clock.
    pub era: u16,
    /// Exchange clock.
    pub clock: u64,
    /// Place among the market's deltas of this clock, from 0.
    pub clock_ord: u16,
    /// Who received it first.
    pub gatherer: Text,
    /// Connection of that gatherer.
    pub session: u64,
    /// Raw sid there.
    pub source_sid: u32,
    /// Raw seq there.
    pub source_seq: u64,
    /// How it came.
    pub origin: Origin,
    /// See [`FLAG_DISPUTED`].
    pub flags: u8,
}

/// `orderbook_events` of a gatherer's database: as seen on one connection.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct RawOrderbookEvent {
    /// Column `type`: snapshot (one row a level) or delta.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Raw sid.
    pub sid: u32,
    /// Raw seq, shared by all markets of the sid.
    pub seq: u64,
    /// The exchange's id of the market.
    #[serde(with = "clickhouse::serde::uuid")]
    pub market_id: Uuid,
    /// The exchange's name of the market.
    pub market_ticker: Text,
    /// Bids or asks.
    pub side: Side,
    /// Yes-leg price on both sides; 0 in the row of an empty snapshot.
    pub price: Price,
    /// What rests (snapshot) or its signed change (delta).
    pub qty: Size,
    /// Exchange time; of a snapshot, the receipt.
    pub ts: UnixMillis,
    /// Receipt at the socket.
    pub ingest_ts: UnixMicros,
    /// Exchange clock; 0 where the frame had none.
    pub clock: u64,
    /// This gatherer.
    pub gatherer: Text,
    /// Connection.
    pub session: u64,
    /// How it came.
    pub origin: Origin,
}

/// `latest_levels`: the newest state of one level. `latest_book` has the same columns.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct LatestLevel {
    /// The exchange's id of the market.
    #[serde(with = "clickhouse::serde::uuid")]
    pub market_id: Uuid,
    /// The exchange's name of the market.
    pub market_ticker: Text,
    /// Bids or asks.
    pub side: Side,
    /// Yes-leg price.
    pub price: Price,
    /// What rests; 0 is a tombstone.
    pub size: Size,
    /// Exchange time of the change that left it so.
    pub ts: UnixMillis,
    /// First receipt of that change.
    pub ingest_ts: UnixMicros,
    /// Canonical seq of that change: the highest wins.
    pub seq: u64,
}

/// `orderbook_snapshots`: a whole book asked for apart from the feed.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct OrderbookSnapshot {
    /// Receipt of the answer.
    pub snapshot_ts: UnixMicros,
    /// `rest` or `get_snapshot`.
    pub source: Text,
    /// The market.
    pub ticker: Text,
    /// Exchange clock of the book; 0 over REST.
    pub clock: u64,
    /// Bids, ascending.
    pub yes_prices: Vec<Price>,
    /// What rests at each bid.
    pub yes_sizes: Vec<Size>,
    /// Asks in yes-leg prices, ascending.
    pub no_prices: Vec<Price>,
    /// What rests at each ask.
    pub no_sizes: Vec<Size>,
    /// Who asked.
    pub gatherer: Text,
}
