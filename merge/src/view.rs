//! What can be looked at from outside, without touching the decisions.

use exchange::{Level, Side};
use uuid::Uuid;

use crate::input::GathererIndex;

/// One market as it stands.
#[derive(Clone, Debug)]
pub struct MarketView<'a> {
    /// The canonical sid.
    pub sid: u32,
    /// The exchange's ticker.
    pub ticker: &'a str,
    /// The exchange's stable id.
    pub market_id: Uuid,
    /// The era of the head.
    pub era: u16,
    /// The clock of the head; `None` before the market's start.
    pub clock: Option<u64>,
    /// The last event's time, Unix ms.
    pub ts_ms: i64,
    /// The canonical seq of the last event, 0 before the first.
    pub seq: u64,
    /// The book, `levels(side)` reads it.
    pub(crate) yes: Vec<Level>,
    pub(crate) no: Vec<Level>,
    /// Gatherers that have a lane covering the head.
    pub covering: Vec<GathererIndex>,
    /// Whether something waits for a decision.
    pub waiting: bool,
}

impl MarketView<'_> {
    /// One side of the book, rising by price, sizes above zero.
    pub fn levels(&self, side: Side) -> &[Level] {
        match side {
            Side::Yes => &self.yes,
            Side::No => &self.no,
        }
    }
}
