//! What is told about the program while it works: one function an event, past tense.

use merge::{Alarm, Totals};
use proto::Position;

use crate::status::Status;

pub(crate) fn stream_began(gatherer: &str, version: &str, from: Position) {
    tracing::info!(event = "stream_began", gatherer, version, %from, "following a gatherer");
}

pub(crate) fn stream_ended(gatherer: &str, why: &str) {
    metrics::counter!("dedup_stream_ends_total", "gatherer" => gatherer.to_owned()).increment(1);
    tracing::warn!(event = "stream_ended", gatherer, why, "not following a gatherer");
}

pub(crate) fn resumed_elsewhere(gatherer: &str, wanted: Position, from: Position) {
    metrics::counter!("dedup_resumed_elsewhere_total", "gatherer" => gatherer.to_owned())
        .increment(1);
    tracing::warn!(
        event = "resumed_elsewhere", gatherer, %wanted, %from,
        "a gatherer no longer has what comes next; the other gatherers must cover it"
    );
}

pub(crate) fn refresh_shed(gatherer: &str) {
    metrics::counter!("dedup_refreshes_shed_total", "gatherer" => gatherer.to_owned()).increment(1);
}

pub(crate) fn record_refused(gatherer: &str, error: &str) {
    metrics::counter!("dedup_bad_captures_total", "gatherer" => gatherer.to_owned()).increment(1);
    tracing::error!(event = "bad_capture", gatherer, error, "a capture record was refused");
}

pub(crate) fn alarm_raised(alarm: &Alarm, gatherer: &str) {
    let kind = alarm.kind.as_str();
    metrics::counter!("dedup_alarms_total", "kind" => kind).increment(1);
    tracing::warn!(
        event = "merge_alarm", kind, gatherer, market = %alarm.market_ticker, clock = alarm.clock,
        session = alarm.source.map(|source| source.session), "the merge needs a person's eye"
    );
}

pub(crate) fn checkpoint_stored(number: u64, bytes: usize) {
    metrics::gauge!("dedup_checkpoint_bytes").set(bytes as f64);
    tracing::debug!(event = "checkpoint_stored", number, bytes, "checkpoint stored");
}

pub(crate) fn checkpoint_waits(error: &anyhow::Error) {
    tracing::error!(
        component = "pipeline",
        event = "checkpoint_waits",
        error = format!("{error:#}"),
        "the checkpoint waits for room on the disk"
    );
}

pub(crate) fn journal_trimmed(segments: u64, bytes: u64) {
    tracing::debug!(event = "journal_trimmed", segments, bytes, "journal trimmed");
}

pub(crate) fn parquet_file_listed(dataset: &'static str, path: &str, rows: u64, bytes: u64) {
    metrics::counter!("parquet_files_total", "dataset" => dataset).increment(1);
    metrics::counter!("parquet_rows_total", "dataset" => dataset).increment(rows);
    metrics::counter!("parquet_bytes_total", "dataset" => dataset).increment(bytes);
    tracing::info!(event = "parquet_listed", dataset, path, rows, bytes, "archive file complete");
}

/// Sets every gauge from the state as it is now.
pub(crate) fn gauges(status: &Status) {
    for gatherer in &status.gatherers {
        let name = || gatherer.name.clone();
        metrics::gauge!("dedup_gatherer_health", "gatherer" => name())
            .set(f64::from(u8::from(gatherer.connected)));
        metrics::gauge!("dedup_sync_lag_seconds", "gatherer" => name()).set(gatherer.lag_seconds);
        metrics::gauge!("dedup_backlog_bytes", "gatherer" => name())
            .set(gatherer.backlog_bytes as f64);
    }
    metrics::gauge!("dedup_duplicate_ratio").set(status.duplicate_ratio);
    metrics::gauge!("dedup_journal_bytes").set(status.journal_bytes as f64);
    for (quantile, ms) in [
        ("p50", status.frame_to_journal.recent.p50),
        ("p99", status.frame_to_journal.recent.p99),
        ("max", status.frame_to_journal.recent.max),
    ] {
        metrics::gauge!("dedup_frame_to_journal_seconds", "quantile" => quantile).set(ms / 1e3);
    }
    for (quantile, ms) in
        [("p50", status.frame_to_row.recent.p50), ("p99", status.frame_to_row.recent.p99)]
    {
        metrics::gauge!("dedup_frame_to_row_seconds", "quantile" => quantile).set(ms / 1e3);
    }
    if let Some(clickhouse) = &status.clickhouse {
        metrics::gauge!("writer_lag_bytes").set(clickhouse.lag_bytes as f64);
    }
    counters(&status.totals);
}

/// Counts are the merge's own and survive restarts with its state.
fn counters(totals: &Totals) {
    let canonical = &totals.canonical;
    for (name, value) in [
        ("dedup_canonical_events_total", canonical.events),
        ("dedup_holes_total", canonical.holes),
        ("dedup_disputed_total", canonical.disputed),
        ("dedup_trades_total", canonical.trades),
        ("dedup_tickers_total", canonical.tickers),
        ("dedup_lifecycle_total", canonical.lifecycle),
    ] {
        metrics::counter!(name).absolute(value);
    }
    metrics::gauge!("dedup_pending_frames").set(canonical.pending as f64);
    for gatherer in &totals.gatherers {
        for (name, value) in [
            ("dedup_frames_total", gatherer.frames),
            ("dedup_first_arrivals_total", gatherer.first_arrivals),
            ("dedup_copies_total", gatherer.copies),
            ("dedup_uncovered_total", gatherer.uncovered),
            ("dedup_late_total", gatherer.late),
            ("dedup_divergences_total", gatherer.divergences),
            ("dedup_breaks_total", gatherer.breaks),
            ("dedup_undecodable_total", gatherer.undecodable),
            ("dedup_without_clock_total", gatherer.without_clock),
            ("dedup_unknown_fields_total", gatherer.unknown_fields),
        ] {
            metrics::counter!(name, "gatherer" => gatherer.name.clone()).absolute(value);
        }
    }
}
