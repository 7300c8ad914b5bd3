//! What is told about the program while it works: one function an event, past tense.

mod gauges;

use std::collections::BTreeMap;
use std::path::Path;

use merge::{Alarm, HoleRecord};
use proto::Position;
use service::logs::Limit;

use crate::health;
use crate::status::Status;

pub(crate) use gauges::gauges;

pub(crate) fn stream_began(gatherer: &str, version: &str, from: Position) {
    metrics::counter!("dedup_stream_connects_total", "gatherer" => gatherer.to_owned())
        .increment(1);
    tracing::info!(component = "ingest", event = "stream_began", gatherer, version, %from, "following a gatherer");
}

pub(crate) fn stream_ended(gatherer: &str, why: &str) {
    metrics::counter!("dedup_stream_ends_total", "gatherer" => gatherer.to_owned()).increment(1);
    tracing::warn!(
        component = "ingest",
        event = "stream_ended",
        gatherer,
        why,
        "not following a gatherer"
    );
}

pub(crate) fn resumed_elsewhere(gatherer: &str, wanted: Position, from: Position) {
    metrics::counter!("dedup_resumed_elsewhere_total", "gatherer" => gatherer.to_owned())
        .increment(1);
    tracing::warn!(
        component = "ingest", event = "resumed_elsewhere", gatherer, %wanted, %from,
        "a gatherer no longer has what comes next; the other gatherers must cover it"
    );
}

pub(crate) fn refresh_shed(gatherer: &str) {
    metrics::counter!("dedup_refreshes_shed_total", "gatherer" => gatherer.to_owned()).increment(1);
}

pub(crate) fn record_refused(gatherer: &str, error: &str) {
    metrics::counter!("dedup_bad_captures_total", "gatherer" => gatherer.to_owned()).increment(1);
    static LINES: Limit = Limit::per_minute(10);
    if let Some(held_back) = LINES.admit() {
        tracing::error!(
            component = "pipeline",
            event = "bad_capture",
            gatherer,
            error,
            held_back,
            "a capture record was refused"
        );
    }
}

pub(crate) fn alarm_raised(alarm: &Alarm, gatherer: &str) {
    let kind = alarm.kind.as_str();
    metrics::counter!("dedup_alarms_total", "kind" => kind).increment(1);
    static LINES: Limit = Limit::per_minute(60);
    if let Some(held_back) = LINES.admit() {
        tracing::warn!(
            component = "merge", event = "merge_alarm", kind, gatherer,
            market = %alarm.market_ticker, clock = alarm.clock, held_back,
            session = alarm.source.map(|source| source.session), "the merge needs a person's eye"
        );
    }
}

pub(crate) fn checkpoint_stored(number: u64, bytes: u64) {
    metrics::gauge!("dedup_checkpoint_bytes").set(bytes as f64);
    tracing::debug!(
        component = "pipeline",
        event = "checkpoint_stored",
        number,
        bytes,
        "checkpoint stored"
    );
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
    tracing::debug!(
        component = "journal",
        event = "journal_trimmed",
        segments,
        bytes,
        "journal trimmed"
    );
}

pub(crate) fn parquet_file_listed(dataset: &'static str, path: &str, rows: u64, bytes: u64) {
    metrics::counter!("parquet_files_total", "dataset" => dataset).increment(1);
    metrics::counter!("parquet_rows_total", "dataset" => dataset).increment(rows);
    metrics::counter!("parquet_bytes_total", "dataset" => dataset).increment(bytes);
    tracing::info!(
        component = "archive",
        event = "parquet_listed",
        dataset,
        path,
        rows,
        bytes,
        "archive file complete"
    );
}

/// There is a journal, and the catalog that belongs to it is gone.
pub(crate) fn catalog_missing(file: &Path) {
    tracing::warn!(
        component = "catalog",
        event = "catalog_missing",
        file = %file.display(),
        "made anew: the manifest of older archive files, sessions and repairs are not in it; see \
         runbooks/catalog-damaged.md"
    );
}

pub(crate) fn chunk_left_to_the_next_start() {
    tracing::info!(
        component = "archive",
        event = "parquet_chunk_left",
        "ClickHouse does not hold the open chunk yet: the next start makes it again from the journal"
    );
}

/// Holes were recorded; thousands at once when every feed was lost, so one line for all of them.
pub(crate) fn holes_recorded(holes: &[HoleRecord], first: &str) {
    let mut causes: BTreeMap<&'static str, u64> = BTreeMap::new();
    for hole in holes {
        *causes.entry(hole.cause.as_str()).or_default() += 1;
    }
    for (cause, count) in &causes {
        metrics::counter!("dedup_holes_by_cause_total", "cause" => *cause).increment(*count);
    }
    let causes: Vec<String> =
        causes.iter().map(|(cause, count)| format!("{cause}:{count}")).collect();
    let (from_ms, to_ms) = (holes[0].from_ts_ms, holes[0].to_ts_ms);
    tracing::warn!(
        component = "merge",
        event = "holes_recorded",
        holes = holes.len(),
        causes = causes.join(" "),
        market = first,
        from_ms,
        to_ms,
        "no gatherer covered these stretches; table gaps has each"
    );
}

/// One line a minute that says whether data flows.
pub(crate) fn heartbeat(status: &Status) {
    let (word, reasons) = health::judge(status);
    let canonical = &status.totals.canonical;
    let lag = status.gatherers.iter().map(|gatherer| gatherer.lag_seconds).fold(0.0, f64::max);
    let backlog: u64 = status.gatherers.iter().map(|gatherer| gatherer.backlog_bytes).sum();
    tracing::info!(
        component = "program",
        event = "heartbeat",
        status = word.as_str(),
        reasons = reasons.join("; "),
        uptime_seconds = status.uptime_seconds as u64,
        gatherers = status.gatherers.len(),
        connected = connected(status),
        lag_seconds = lag,
        backlog_bytes = backlog,
        events_total = canonical.events,
        events_per_second = status.events_per_second,
        events_last_5m = status.events_last_5m,
        frames_last_5m = status.frames_last_5m,
        duplicate_ratio = status.duplicate_ratio,
        holes_last_hour = status.holes_last_hour,
        pending_frames = canonical.pending,
        journal_bytes = status.journal_bytes,
        checkpoint = status.checkpoint,
        frame_to_journal_p99_ms = status.frame_to_journal.recent.p99,
        clickhouse_lag_seconds = status.clickhouse.as_ref().map(|it| it.lag_seconds),
        clickhouse_rows_last_5m = status.clickhouse.as_ref().map(|it| it.rows_last_5m),
        parquet_files = status.parquet.map(|it| it.shown.files),
        "still here"
    );
}

fn connected(status: &Status) -> usize {
    status.gatherers.iter().filter(|gatherer| gatherer.connected).count()
}
