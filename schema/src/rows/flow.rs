//! Rows about trades, tickers, lifecycle, and the frames themselves.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::values::{Price, Size, TakerSide, Text, UnixMicros, UnixMillis};

/// `trades`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Trade {
    /// The exchange's id, the same over WebSocket and REST.
    #[serde(with = "clickhouse::serde::uuid")]
    pub trade_id: Uuid,
    /// The market.
    pub market_ticker: Text,
    /// Yes leg.
    pub yes_price: Price,
    /// No leg.
    pub no_price: Price,
    /// Contracts.
    pub count: Size,
    /// Outcome the taker bought.
    pub taker_side: TakerSide,
    /// False where the exchange did not say.
    pub is_block_trade: bool,
    /// Exchange time.
    pub ts: UnixMillis,
    /// First receipt.
    pub ingest_ts: UnixMicros,
    /// Who received it first; empty if fetched over REST.
    pub gatherer: Text,
    /// Connection of that gatherer.
    pub session: u64,
    /// Raw sid there.
    pub source_sid: u32,
    /// Raw seq there.
    pub source_seq: u64,
    /// Fetched again over REST, not captured live.
    pub recovered: bool,
}

/// `tickers`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Ticker {
    /// The exchange's id of the market.
    #[serde(with = "clickhouse::serde::uuid")]
    pub market_id: Uuid,
    /// The market.
    pub market_ticker: Text,
    /// Last trade.
    pub price: Price,
    /// Best bid.
    pub yes_bid: Price,
    /// Best ask.
    pub yes_ask: Price,
    /// Contracts traded so far.
    pub volume: Size,
    /// Contracts open.
    pub open_interest: Size,
    /// Whole dollars traded so far.
    pub dollar_volume: i64,
    /// Whole dollars open.
    pub dollar_open_interest: i64,
    /// Contracts at the best bid.
    pub yes_bid_size: Size,
    /// Contracts at the best ask.
    pub yes_ask_size: Size,
    /// Contracts of the last trade.
    pub last_trade_size: Size,
    /// Exchange time.
    pub ts: UnixMillis,
    /// First receipt.
    pub ingest_ts: UnixMicros,
    /// Who received it first.
    pub gatherer: Text,
    /// Connection of that gatherer.
    pub session: u64,
    /// Raw sid there; tickers have no seq.
    pub source_sid: u32,
}

/// `market_lifecycle`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct MarketLifecycle {
    /// Message type.
    pub kind: Text,
    /// The market; empty if the message is about an event.
    pub market_ticker: Text,
    /// The event, where the message names it.
    pub event_ticker: Text,
    /// `created`, `determined`, ...; empty where there is none.
    pub event_type: Text,
    /// When the exchange sent it, else the receipt.
    pub ts: UnixMillis,
    /// The `msg` object, JSON.
    pub body: String,
    /// First receipt.
    pub ingest_ts: UnixMicros,
    /// Who received it first.
    pub gatherer: Text,
    /// Connection of that gatherer.
    pub session: u64,
    /// Raw sid there.
    pub source_sid: u32,
    /// Raw seq there.
    pub source_seq: u64,
}

/// `raw_frames` of a gatherer's database.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct RawFrame {
    /// Connection.
    pub session: u64,
    /// Incarnation of the spool.
    pub position_incarnation: u32,
    /// Place in that incarnation.
    pub position_offset: u64,
    /// Receipt at the socket.
    pub recv_ts: UnixMicros,
    /// The text message, byte for byte.
    pub frame: String,
}
