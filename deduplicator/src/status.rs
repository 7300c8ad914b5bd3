//! How the program stands: what the pipeline shows, and what health, metrics and the status page are made of.

use merge::Totals;
use proto::Position;

use crate::activity::{ActivityView, BehindFirst};
use crate::audit;
use crate::latency::Report;
use crate::skew::Skew;

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
    /// Our clock against its.
    pub(crate) skew: Skew,
}

/// What the pipeline shows of itself, four times a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct PipelineView {
    pub(crate) totals: Totals,
    /// By the merge's index.
    pub(crate) streams: Vec<StreamView>,
    /// Number of the newest checkpoint on disk.
    pub(crate) checkpoint: u64,
    pub(crate) activity: ActivityView,
    /// When this was shown: a pipeline that no longer shows itself is stuck.
    pub(crate) shown_mono_ns: u64,
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
    pub(crate) skew_seconds: Option<f64>,
    pub(crate) behind_first: BehindFirst,
}

/// The ClickHouse sink, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClickHouseStatus {
    pub(crate) reachable: bool,
    pub(crate) cursor: Option<spool::Position>,
    pub(crate) lag_bytes: u64,
    pub(crate) lag_seconds: f64,
    pub(crate) rows_total: u64,
    pub(crate) rows_last_5m: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) retrying_seconds: f64,
    /// Unix time; 0 for never.
    pub(crate) last_insert_seconds: f64,
}

/// The archive, as it shows itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ParquetStatus {
    /// Closed and listed, ever.
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// In files that are still open.
    pub(crate) open_bytes: u64,
    pub(crate) cursor: Option<spool::Position>,
    /// Failures since the start.
    pub(crate) failures: u64,
}

/// The archive, for people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ArchiveStatus {
    pub(crate) shown: ParquetStatus,
    /// How long the oldest journalled record has waited to be in a listed file.
    pub(crate) age_seconds: f64,
    pub(crate) retrying_seconds: f64,
}

/// Rates of the last minutes, the oldest first, one figure a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) events_per_second: Vec<u64>,
}

/// Everything that `/health`, `/metrics` and the page say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Whether the pipeline has shown itself; before, the totals are not known.
    pub(crate) is_shown: bool,
    pub(crate) totals: Totals,
    /// Those of the configuration, by the merge's index.
    pub(crate) gatherers: Vec<GathererStatus>,
    pub(crate) activity: ActivityView,
    pub(crate) history: History,
    /// Of the last five minutes.
    pub(crate) duplicate_ratio: f64,
    pub(crate) events_per_second: f64,
    pub(crate) events_last_5m: u64,
    pub(crate) frames_last_5m: u64,
    pub(crate) holes_last_hour: u64,
    pub(crate) journal_written: Option<spool::Position>,
    pub(crate) journal_durable: Option<spool::Position>,
    pub(crate) journal_bytes: u64,
    pub(crate) journal_unsynced_bytes: u64,
    pub(crate) checkpoint: u64,
    pub(crate) checkpoint_age_seconds: f64,
    pub(crate) clickhouse: Option<ClickHouseStatus>,
    pub(crate) parquet: Option<ArchiveStatus>,
    pub(crate) audit: audit::Report,
    pub(crate) frame_to_journal: Report,
    pub(crate) frame_to_row: Report,
    /// Since the pipeline last showed itself.
    pub(crate) pipeline_silent_seconds: f64,
    pub(crate) uptime_seconds: f64,
    pub(crate) wall_ns: i64,
}
