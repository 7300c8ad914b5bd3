//! One stored row of `orderbook_events`, from ClickHouse or Parquet alike, and rows put together to events.

use exchange::Side;

use super::book::LevelKey;

/// Column `type`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// One of the rows of a snapshot.
    Snapshot,
    /// One change.
    Delta,
}

/// Column `origin`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// The feed.
    Live,
    /// An answer to `get_snapshot`.
    GetSnapshot,
    /// The deduplicator's own repetition of the book.
    Checkpoint,
    /// REST.
    Rest,
}

/// What the oracle needs of one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRow {
    /// Canonical stream: one per market.
    pub sid: u32,
    /// Canonical number.
    pub seq: u64,
    /// Snapshot row or delta.
    pub kind: Kind,
    /// The level's side.
    pub side: Side,
    /// 1/10,000 dollar; 0 in the one row of an empty snapshot.
    pub price: u16,
    /// 1/100 contract.
    pub qty: i64,
    /// Exchange time.
    pub ts_ms: i64,
    /// Canonical era.
    pub era: u16,
    /// Exchange clock.
    pub clock: u64,
    /// Place among the deltas of the clock.
    pub ord: u16,
    /// How it came.
    pub origin: Origin,
}

impl EventRow {
    /// The order in which the oracle reads: the table's own.
    pub fn order(&self) -> (u32, u64, Side, u16) {
        (self.sid, self.seq, self.side, self.price)
    }

    fn level(&self) -> Option<(LevelKey, i64)> {
        (self.qty != 0).then_some(((self.side, self.price), self.qty))
    }
}

/// The rows of one (sid, seq).
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    rows: &'a [EventRow],
}

impl<'a> Item<'a> {
    /// Its first row: what all its rows have in common can be read here.
    pub(super) fn head(&self) -> &'a EventRow {
        &self.rows[0]
    }

    /// The levels of a snapshot.
    pub(super) fn levels(&self) -> impl Iterator<Item = (LevelKey, i64)> + 'a {
        self.rows.iter().filter_map(EventRow::level)
    }

    /// Rows that stand here more often than they may.
    pub(super) fn repeated(&self) -> usize {
        match self.head().kind {
            Kind::Delta => self.rows.len() - 1,
            Kind::Snapshot => self
                .rows
                .windows(2)
                .filter(|pair| (pair[0].side, pair[0].price) == (pair[1].side, pair[1].price))
                .count(),
        }
    }

    /// Whether its rows tell of one event: same kind, clock and era.
    pub(super) fn agrees(&self) -> bool {
        let head = self.head();
        self.rows
            .iter()
            .all(|row| (row.kind, row.clock, row.era) == (head.kind, head.clock, head.era))
    }
}

/// Splits rows in their order into events. The rows of one sid come together.
pub(super) fn items(rows: &[EventRow]) -> impl Iterator<Item = Item<'_>> {
    rows.chunk_by(|a, b| (a.sid, a.seq) == (b.sid, b.seq)).map(|rows| Item { rows })
}
