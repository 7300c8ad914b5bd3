//! One struct a table, field for field its columns, for the official `clickhouse` crate.
//!
//! Checked by that crate against the table's real columns at every insert (validation stays on).

mod book;
mod flow;
mod ledger;
mod values;

pub use book::{FLAG_DISPUTED, LatestLevel, OrderbookEvent, OrderbookSnapshot, RawOrderbookEvent};
pub use flow::{MarketLifecycle, RawFrame, Ticker, Trade};
pub use ledger::{AppliedMigration, Gap, LaneMinute, SinkCursor};
pub use values::{
    EventType, GapState, Origin, Price, Side, Size, TakerSide, Text, UnixMicros, UnixMillis,
    UnixSeconds,
};

/// A row that knows its table.
pub trait Table: clickhouse::Row {
    /// Name of the table, without a database.
    const TABLE: &'static str;
}

macro_rules! tables {
    ($($row:ty => $table:literal),* $(,)?) => {
        $(impl Table for $row {
            const TABLE: &'static str = $table;
        })*
    };
}

tables! {
    OrderbookEvent => "orderbook_events",
    RawOrderbookEvent => "orderbook_events",
    LatestLevel => "latest_levels",
    OrderbookSnapshot => "orderbook_snapshots",
    Trade => "trades",
    Ticker => "tickers",
    MarketLifecycle => "market_lifecycle",
    RawFrame => "raw_frames",
    Gap => "gaps",
    LaneMinute => "lane_minutes",
    SinkCursor => "sink_cursor",
    AppliedMigration => "schema_migrations",
}
