//! Rows about the record itself: holes, accounts of frames, how far a sink is, migrations.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::values::{GapState, Text, UnixMillis, UnixSeconds};

/// `gaps`: the hole (`from_clock`, `to_clock`] of a market.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Gap {
    /// The market.
    pub market_ticker: Text,
    /// Era of both clocks.
    pub era: u16,
    /// Last clock that is whole.
    pub from_clock: u64,
    /// Clock of the snapshot that ends the hole.
    pub to_clock: u64,
    /// Exchange time of the last event before it.
    pub from_ts: UnixMillis,
    /// Exchange time, or receipt, of the snapshot after it.
    pub to_ts: UnixMillis,
    /// What was lost.
    pub cause: Text,
    /// Open, repaired or permanent.
    pub state: GapState,
    /// Who or what repaired it.
    pub repaired_by: Text,
    /// The highest version of (market, era, `from_clock`) stands.
    pub version: u64,
}

impl Gap {
    /// `to_clock` of a hole that has not ended: nobody covers the market since.
    pub const NO_END_CLOCK: u64 = u64::MAX;
    /// Its `to_ts`: the last moment that the column can hold.
    pub const NO_END_TS: UnixMillis = UnixMillis(10_413_791_999_999);
}

/// `lane_minutes`: what became of the frames of a gatherer, market and minute. Sum the rows.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct LaneMinute {
    /// Who received the frames; empty in the row of a hole, which is nobody's.
    pub gatherer: Text,
    /// The market; empty for frames that belong to none.
    pub market_ticker: Text,
    /// Minute of receipt, its start.
    pub minute: UnixSeconds,
    /// The deduplicator's checkpoint that closed these counts; in the row of a hole, the hole's seq.
    pub checkpoint: u64,
    /// Frames received: the sum of what follows up to `undecodable`.
    pub frames: u64,
    /// Frames that became events.
    pub first_arrivals: u64,
    /// Frames that said what another lane had brought before.
    pub copies: u64,
    /// Copies of events no longer remembered: not compared.
    pub unverified: u64,
    /// Snapshots that placed or verified a lane.
    pub snapshots: u64,
    /// Frames of a lane that had lost frames or had shown no snapshot of the market.
    pub uncovered: u64,
    /// Frames of what was decided or forgotten: a hole, an older era.
    pub late: u64,
    /// Frames that contradicted the canonical event.
    pub divergences: u64,
    /// Frames of a quarantined lane.
    pub quarantined: u64,
    /// Frames whose raw seq had been seen.
    pub repeats: u64,
    /// Frames without an event: acks, errors, unknown types.
    pub control: u64,
    /// Frames that could not be decoded.
    pub undecodable: u64,
    /// Jumps of the raw seq.
    pub breaks: u64,
    /// Holes recorded in this minute: 1 in rows without a gatherer, 0 in all others.
    pub holes: u64,
    /// Behind the first receipt, of copies, median.
    pub skew_p50_us: u64,
    /// Behind the first receipt, of copies, 99 in 100.
    pub skew_p99_us: u64,
    /// Behind the first receipt, of copies, most.
    pub skew_max_us: u64,
}

/// `sink_cursor`: how far a sink has stored its log.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SinkCursor {
    /// Name of the sink.
    pub sink: Text,
    /// Incarnation of the log.
    pub position_incarnation: u32,
    /// Everything of that incarnation below this is stored.
    pub position_offset: u64,
    /// When this was written.
    pub updated: UnixMillis,
}

/// `schema_migrations`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// Number of the migration.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Of its statements.
    pub checksum: String,
    /// When it was applied.
    pub applied_at: UnixMillis,
}
