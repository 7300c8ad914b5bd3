//! What the merge is told.

use exchange::Frame;
use serde::{Deserialize, Serialize};

/// A gatherer's number, given by `Merge::gatherer`.
#[derive(
    Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default,
)]
pub struct GathererIndex(pub u8);

/// One session of one gatherer.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source {
    /// The gatherer.
    pub gatherer: GathererIndex,
    /// Its session, rising over its life.
    pub session: u64,
}

/// One thing that happened. Inputs of one gatherer come in the order in which it received them;
/// `wall_ns` is its receipt on the gatherer's clock, Unix ns.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A connection was opened.
    SessionOpened {
        /// Which.
        source: Source,
        /// When.
        wall_ns: i64,
    },
    /// A connection ended.
    SessionClosed {
        /// Which.
        source: Source,
        /// When.
        wall_ns: i64,
    },
    /// A frame.
    Frame {
        /// Of which session.
        source: Source,
        /// Its receipt.
        wall_ns: i64,
        /// What it says.
        frame: &'a Frame<'a>,
    },
    /// A frame that could not be decoded: counted. The sequence of its sid breaks at the next
    /// frame of that sid, because this one's place is missing.
    BadFrame {
        /// Of which session.
        source: Source,
        /// Its receipt.
        wall_ns: i64,
    },
    /// What `GET /exchange/status` said.
    Status {
        /// Who asked.
        gatherer: GathererIndex,
        /// When.
        wall_ns: i64,
        /// Whether trading is open.
        trading_active: bool,
    },
    /// Everything this gatherer received before `wall_ns` has been handed over.
    Progress {
        /// Who.
        gatherer: GathererIndex,
        /// Up to when.
        wall_ns: i64,
    },
    /// Our stream to the gatherer stands.
    Connected {
        /// Which.
        gatherer: GathererIndex,
    },
    /// Our stream to the gatherer ended; its lanes do not vote until it is back.
    Disconnected {
        /// Which.
        gatherer: GathererIndex,
    },
}
