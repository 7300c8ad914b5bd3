//! What `/health` says, as JSON; `/status.json` says more.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use spool::Position;

use super::judge::Word;
use crate::status::{ArchiveStatus, ClickHouseStatus, Status};

/// The whole body.
pub(crate) fn body(status: &Status, word: Word, reasons: &[String]) -> Value {
    json!({
        "status": word.as_str(),
        "reasons": reasons,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": status.uptime_seconds,
        "gatherers": gatherers(status),
        "canonical": canonical(status),
        "journal": journal(status),
        "clickhouse": status.clickhouse.as_ref().map(clickhouse),
        "parquet": status.parquet.as_ref().map(parquet),
        "audit": status.audit,
        "latency": {
            "frame_to_journal_ms": status.frame_to_journal,
            "frame_to_row_ms": status.frame_to_row,
        },
    })
}

fn text(position: Option<Position>) -> Option<String> {
    position.map(|position| position.to_string())
}

fn canonical(status: &Status) -> Value {
    let canonical = &status.totals.canonical;
    json!({
        "events": canonical.events, "events_per_second": status.events_per_second,
        "events_last_5m": status.events_last_5m, "frames_last_5m": status.frames_last_5m,
        "deltas": canonical.deltas, "snapshots": canonical.snapshots,
        "uncovered": canonical.uncovered, "told_uncovered": canonical.told_uncovered,
        "holes": canonical.holes, "holes_last_hour": status.holes_last_hour,
        "markets": canonical.markets, "trades": canonical.trades,
        "tickers": canonical.tickers, "lifecycle": canonical.lifecycle,
        "disputed": canonical.disputed, "alarms": canonical.alarms,
        "waiting": canonical.waiting, "pending": canonical.pending,
        "duplicate_ratio": status.duplicate_ratio,
        "duplicate_ratio_expected": expected_ratio(status.gatherers.len()),
    })
}

/// What the ratio is when all of `gatherers` bring everything.
fn expected_ratio(gatherers: usize) -> f64 {
    gatherers.saturating_sub(1) as f64 / gatherers.max(1) as f64
}

fn journal(status: &Status) -> Value {
    json!({
        "written": text(status.journal_written), "durable": text(status.journal_durable),
        "bytes_on_disk": status.journal_bytes, "unsynced_bytes": status.journal_unsynced_bytes,
        "checkpoint": status.checkpoint, "checkpoint_age_seconds": status.checkpoint_age_seconds,
        "pipeline_silent_seconds": status.pipeline_silent_seconds,
    })
}

fn clickhouse(status: &ClickHouseStatus) -> Value {
    json!({
        "reachable": status.reachable,
        "cursor": text(status.cursor),
        "lag_bytes": status.lag_bytes,
        "lag_seconds": status.lag_seconds,
        "rows_total": status.rows_total,
        "rows_ingested_last_5m": status.rows_last_5m,
        "last_insert_seconds": status.last_insert_seconds,
        "retrying_seconds": status.retrying_seconds,
        "last_error": status.last_error,
    })
}

fn parquet(status: &ArchiveStatus) -> Value {
    let shown = &status.shown;
    json!({
        "bytes": shown.bytes, "open_bytes": shown.open_bytes, "files": shown.files,
        "rows": shown.rows, "cursor": text(shown.cursor), "age_seconds": status.age_seconds,
        "retrying_seconds": status.retrying_seconds,
    })
}

fn gatherers(status: &Status) -> BTreeMap<&str, Value> {
    status
        .gatherers
        .iter()
        .zip(&status.totals.gatherers)
        .map(|(stream, totals)| {
            let value = json!({
                "connected": stream.connected,
                "lag_seconds": stream.lag_seconds,
                "last_frame_ms_ago": stream.last_frame_ms_ago,
                "backlog_bytes": stream.backlog_bytes,
                "clock_skew_seconds": stream.skew_seconds,
                "behind_first": stream.behind_first,
                "frames": totals.frames,
                "frames_per_second": stream.frames_per_second,
                "first_arrivals": totals.first_arrivals,
                "copies": totals.copies,
                "breaks": totals.breaks,
                "uncovered": totals.uncovered,
                "late": totals.late,
                "divergences": totals.divergences,
                "undecodable": totals.undecodable,
                "unknown_fields": totals.unknown_fields,
                "without_clock": totals.without_clock,
                "lanes_live": totals.lanes_live,
                "lanes_broken": totals.lanes_broken,
                "markets_covered": totals.markets_covered,
                "quarantined": totals.markets_quarantined,
            });
            (stream.name.as_str(), value)
        })
        .collect()
}
