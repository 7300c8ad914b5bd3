//! The meaning of one frame: types only. `frame` makes them from bytes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::units::{Price, Side, Size};

/// One decoded WebSocket text message: its envelope and its meaning. Borrows from the frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame<'a> {
    /// The subscription, numbered by the connection; absent on replies that belong to none.
    pub sid: Option<u32>,
    /// The place in the sid's sequence; absent on unsequenced messages.
    pub seq: Option<u64>,
    /// The command this answers.
    pub id: Option<u64>,
    /// When the exchange queued this on this connection, Unix ms. Never an identity.
    pub sending_ts_ms: Option<i64>,
    /// How many fields, in envelope and `msg`, we do not know.
    pub unknown_fields: u16,
    /// What it says.
    pub message: Message<'a>,
}

/// What a frame says.
#[derive(Clone, PartialEq, Debug)]
pub enum Message<'a> {
    /// The whole book of a market.
    Snapshot(Snapshot<'a>),
    /// One change of one level.
    Delta(Delta<'a>),
    /// A trade.
    Trade(Trade<'a>),
    /// A market's summary.
    Ticker(Box<Ticker<'a>>),
    /// `market_lifecycle_v2`, `multivariate_market_lifecycle`, `event_lifecycle`, `event_fee_update`.
    Lifecycle(Lifecycle<'a>),
    /// A channel was subscribed; the sid is in `msg`, repeated here.
    Subscribed {
        /// The channel's name.
        channel: &'a str,
        /// Its sid on this connection.
        sid: u32,
    },
    /// A sid ended at our wish.
    Unsubscribed,
    /// A command was carried out.
    Ok(OkReply),
    /// A command failed, or a subscription died (codes 10 and 25).
    Error(ErrorReply),
    /// A type we do not know, or one of a private channel: kept and counted.
    Unknown {
        /// The `type` field.
        kind: &'a str,
    },
}

/// One resting level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Level {
    /// The level's price.
    pub price: Price,
    /// What rests there; greater than zero.
    pub size: Size,
}

/// The levels of one side, in the order of the frame.
pub type BookSide = Vec<Level>;

/// `orderbook_snapshot`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot<'a> {
    /// The market's ticker.
    pub market_ticker: &'a str,
    /// The market's stable id.
    pub market_id: Uuid,
    /// The newest change this includes, 0 if the market has none; absent before October 2026.
    pub clock: Option<u64>,
    /// Bids.
    pub yes: BookSide,
    /// Asks (yes-leg scale under `use_yes_price`).
    pub no: BookSide,
}

/// `orderbook_delta`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delta<'a> {
    /// The market's ticker.
    pub market_ticker: &'a str,
    /// The market's stable id.
    pub market_id: Uuid,
    /// The exchange's clock of this market, at least 1; absent before October 2026.
    pub clock: Option<u64>,
    /// The level.
    pub side: Side,
    /// The level's price.
    pub price: Price,
    /// The signed change of what rests there.
    pub delta: Size,
    /// Matching-engine time, Unix ms (from `ts_ms`, else from `ts`); absent on very old frames.
    pub ts_ms: Option<i64>,
}

/// `trade`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trade<'a> {
    /// The identity, the same on every connection and in REST.
    pub trade_id: Uuid,
    /// The market's ticker.
    pub market_ticker: &'a str,
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
}

/// `ticker`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticker<'a> {
    /// The market's ticker.
    pub market_ticker: &'a str,
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
}

/// A lifecycle or fee message; `msg` is kept whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lifecycle<'a> {
    /// The frame's `type`.
    pub kind: &'a str,
    /// The market, when it is about one.
    pub market_ticker: Option<&'a str>,
    /// The event, when it is about one.
    pub event_ticker: Option<&'a str>,
    /// `created`, `activated`, `settled`, ...; absent on event messages.
    pub event_type: Option<&'a str>,
    /// `open_ts`, Unix seconds.
    pub open_ts: Option<i64>,
    /// `close_ts`, Unix seconds.
    pub close_ts: Option<i64>,
    /// The `msg` object as it came.
    pub msg: &'a str,
}

/// An `ok` reply.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OkReply {
    /// The full market list after the update, when the exchange sent it.
    pub market_tickers: Option<Vec<String>>,
    /// `(channel, sid)` of a `list_subscriptions` reply.
    pub subscriptions: Option<Vec<(String, u32)>>,
}

/// An `error` reply. The codes are in `command::error_code`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorReply {
    /// The exchange's code.
    pub code: u32,
    /// The exchange's text.
    pub msg: String,
    /// The markets it is about, if it says so.
    pub market_tickers: Vec<String>,
}

/// A channel we capture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    /// `orderbook_delta`
    OrderbookDelta,
    /// `trade`
    Trade,
    /// `ticker`
    Ticker,
    /// `market_lifecycle_v2`
    MarketLifecycle,
    /// `multivariate_market_lifecycle`
    MultivariateLifecycle,
}

impl Snapshot<'_> {
    /// Turns no-leg prices into yes-leg ones: for books that came without `use_yes_price`, as every
    /// REST book does. Calling it twice undoes it.
    pub fn to_yes_leg(&mut self) {
        for level in &mut self.no {
            level.price = level.price.complement();
        }
    }
}

impl Channel {
    /// Every channel we capture.
    pub const ALL: [Self; 5] = [
        Self::OrderbookDelta,
        Self::Trade,
        Self::Ticker,
        Self::MarketLifecycle,
        Self::MultivariateLifecycle,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderbookDelta => "orderbook_delta",
            Self::Trade => "trade",
            Self::Ticker => "ticker",
            Self::MarketLifecycle => "market_lifecycle_v2",
            Self::MultivariateLifecycle => "multivariate_market_lifecycle",
        }
    }

    /// The channel of this name, if we capture it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}
