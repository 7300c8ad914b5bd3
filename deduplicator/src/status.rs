//! How the program stands: what the pipeline shows, and what health and metrics are made of.

use merge::Totals;
use proto::Position;

use crate::latency::Report;

/// One gatherer's stream, as the pipeline sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamView {
    pub(crate) name: String,
    pub(crate) connected: bool,
    /// Everything before this has been handled.
    pub(crate) next: Option<Position>,
    /// What the gatherer said it had written.
    pub(crate) written: Option<Position>,
    /// Everything it received before this has been handled; 0: nothing yet.
    pub(crate) progress_wall_ns: i64,
    /// Receipt of its newest frame; 0: none yet.
    pub(crate) last_frame_wall_ns: i64,
}

/// What the pipeline shows of itself, four times a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct PipelineView {
    pub(crate) totals: Totals,
    /// By the merge's index.
    pub(crate) streams: Vec<StreamView>,
    /// Number of the newest checkpoint on disk.
    pub(crate) checkpoint: u64,
}

/// One gatherer, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct GathererStatus {
    pub(crate) name: String,
    pub(crate) connected: bool,
    pub(crate) lag_seconds: f64,
    pub(crate) last_frame_ms_ago: Option<i64>,
    pub(crate) backlog_bytes: u64,
    pub(crate) frames_per_second: f64,
}

/// The ClickHouse sink, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClickHouseStatus {
    pub(crate) reachable: bool,
    pub(crate) cursor: Option<spool::Position>,
    pub(crate) lag_bytes: u64,
    pub(crate) rows_total: u64,
    pub(crate) rows_last_5m: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) retrying_seconds: f64,
}

/// The archive, for people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ParquetStatus {
    /// Closed and listed, ever.
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// In files that are still open.
    pub(crate) open_bytes: u64,
    pub(crate) cursor: Option<spool::Position>,
}

/// Everything `/health` and `/metrics` say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) totals: Totals,
    /// Those of the configuration, by the merge's index.
    pub(crate) gatherers: Vec<GathererStatus>,
    pub(crate) duplicate_ratio: f64,
    pub(crate) events_per_second: f64,
    pub(crate) holes_last_hour: u64,
    pub(crate) journal_written: Option<spool::Position>,
    pub(crate) journal_durable: Option<spool::Position>,
    pub(crate) journal_bytes: u64,
    pub(crate) checkpoint: u64,
    pub(crate) clickhouse: Option<ClickHouseStatus>,
    pub(crate) parquet: Option<ParquetStatus>,
    pub(crate) frame_to_journal: Report,
    pub(crate) frame_to_row: Report,
    pub(crate) uptime_seconds: f64,
}
