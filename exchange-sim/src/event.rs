//! What happens at the exchange, before it is written down for anybody.

use uuid::Uuid;

use crate::{book::Side, frames::Figures};

/// One event; `market` is a place in [`crate::market::Markets`].
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A market came to exist; its book is what the market holds now.
    Born {
        market: usize,
    },
    Delta(Delta),
    Trade(Trade),
    /// The whole book was replaced outside of maintenance (recordings only).
    Replaced {
        market: usize,
        clock: Option<u64>,
        levels: Vec<(Side, u16, i64)>,
    },
    /// The market closed: its book is nothing from here. Sent twice.
    Emptied {
        market: usize,
        clock: Option<u64>,
        ts_ms: i64,
    },
    /// A ticker of a recording; a generated one is made when it is due.
    Ticker {
        market: usize,
        ts_ms: i64,
        figures: Figures,
        body: Vec<u8>,
    },
    Lifecycle(Lifecycle),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) market: usize,
    pub(crate) clock: Option<u64>,
    /// Place among the market's deltas with that clock (or that `ts_ms`), from 0.
    pub(crate) k: u32,
    pub(crate) side: Side,
    pub(crate) price: u16,
    pub(crate) delta: i64,
    pub(crate) ts_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    pub(crate) market: usize,
    pub(crate) id: Uuid,
    pub(crate) yes_price: u16,
    pub(crate) count: i64,
    pub(crate) taker: Side,
    pub(crate) ts_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifecycle {
    /// The message's `type`.
    pub(crate) kind: &'static str,
    /// Market ticker, or event ticker for the event messages.
    pub(crate) subject: String,
    pub(crate) event_type: String,
    /// Which of the two channels carry it.
    pub(crate) audience: Audience,
    pub(crate) body: Vec<u8>,
    pub(crate) ts_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Ordinary,
    Multivariate,
}
