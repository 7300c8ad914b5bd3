//! Every gauge and every count of the merge, set from the status of this second.

use merge::{CanonicalTotals, GathererTotals};

use crate::health::{self, Word};
use crate::status::{GathererStatus, Status};

/// Sets everything from the state as it is now.
pub(crate) fn gauges(status: &Status) {
    program(status);
    status.gatherers.iter().for_each(stream);
    status.totals.gatherers.iter().for_each(gatherer);
    if status.is_shown {
        canonical(&status.totals.canonical);
    }
    latency(status);
    stores(status);
}

fn gauge(name: &'static str, value: f64) {
    metrics::gauge!(name).set(value);
}

fn program(status: &Status) {
    let connected = status.gatherers.iter().filter(|gatherer| gatherer.connected).count();
    let word = match health::judge(status).0 {
        Word::Ok => 0.0,
        Word::Degraded => 1.0,
        Word::Down => 2.0,
    };
    gauge("health_status", word);
    gauge("dedup_gatherers_configured", status.gatherers.len() as f64);
    gauge("dedup_gatherers_connected", connected as f64);
    gauge("dedup_duplicate_ratio", status.duplicate_ratio);
    gauge("dedup_journal_bytes", status.journal_bytes as f64);
    gauge("dedup_journal_unsynced_bytes", status.journal_unsynced_bytes as f64);
    gauge("dedup_checkpoint_age_seconds", status.checkpoint_age_seconds);
}

fn stream(gatherer: &GathererStatus) {
    let set = |name: &'static str, value: f64| {
        metrics::gauge!(name, "gatherer" => gatherer.name.clone()).set(value);
    };
    set("dedup_gatherer_health", f64::from(u8::from(gatherer.connected)));
    set("dedup_sync_lag_seconds", gatherer.lag_seconds);
    set("dedup_backlog_bytes", gatherer.backlog_bytes as f64);
    if let Some(ms) = gatherer.last_frame_ms_ago {
        set("dedup_last_frame_age_seconds", ms as f64 / 1e3);
    }
    if let Some(seconds) = gatherer.skew_seconds {
        set("dedup_clock_skew_seconds", seconds);
    }
}

/// Counts are the merge's own and survive restarts with its state.
fn gatherer(totals: &GathererTotals) {
    for (name, value) in [
        ("dedup_frames_total", totals.frames),
        ("dedup_first_arrivals_total", totals.first_arrivals),
        ("dedup_copies_total", totals.copies),
        ("dedup_unverified_total", totals.unverified),
        ("dedup_snapshots_total", totals.snapshots),
        ("dedup_repeats_total", totals.repeats),
        ("dedup_uncovered_total", totals.uncovered),
        ("dedup_late_total", totals.late),
        ("dedup_divergences_total", totals.divergences),
        ("dedup_quarantined_frames_total", totals.quarantined),
        ("dedup_breaks_total", totals.breaks),
        ("dedup_undecodable_total", totals.undecodable),
        ("dedup_unknown_fields_total", totals.unknown_fields),
        ("dedup_without_clock_total", totals.without_clock),
    ] {
        metrics::counter!(name, "gatherer" => totals.name.clone()).absolute(value);
    }
    for (name, value) in [
        ("dedup_lanes_live", totals.lanes_live),
        ("dedup_lanes_broken", totals.lanes_broken),
        ("dedup_markets_covered", totals.markets_covered),
        ("dedup_markets_quarantined", totals.markets_quarantined),
    ] {
        metrics::gauge!(name, "gatherer" => totals.name.clone()).set(value as f64);
    }
    // What may never happen to a gatherer stands at 0 from the start: `increase()` needs the step.
    for name in [
        "dedup_stream_connects_total",
        "dedup_stream_ends_total",
        "dedup_resumed_elsewhere_total",
        "dedup_refreshes_shed_total",
        "dedup_bad_captures_total",
    ] {
        metrics::counter!(name, "gatherer" => totals.name.clone()).increment(0);
    }
}

fn canonical(totals: &CanonicalTotals) {
    for (name, value) in [
        ("dedup_canonical_events_total", totals.events),
        ("dedup_holes_total", totals.holes),
        ("dedup_disputed_total", totals.disputed),
        ("dedup_trades_total", totals.trades),
        ("dedup_tickers_total", totals.tickers),
        ("dedup_lifecycle_total", totals.lifecycle),
    ] {
        metrics::counter!(name).absolute(value);
    }
    gauge("dedup_markets", totals.markets as f64);
    gauge("dedup_markets_waiting", totals.waiting as f64);
    gauge("dedup_markets_uncovered", totals.uncovered as f64);
    gauge("dedup_pending_frames", totals.pending as f64);
    gauge("dedup_remembered_events", totals.remembered as f64);
}

fn latency(status: &Status) {
    let (journal, row) = (&status.frame_to_journal.recent, &status.frame_to_row.recent);
    for (name, quantile, ms) in [
        ("dedup_frame_to_journal_seconds", "p50", journal.p50),
        ("dedup_frame_to_journal_seconds", "p99", journal.p99),
        ("dedup_frame_to_journal_seconds", "max", journal.max),
        ("dedup_frame_to_row_seconds", "p50", row.p50),
        ("dedup_frame_to_row_seconds", "p99", row.p99),
    ] {
        metrics::gauge!(name, "quantile" => quantile).set(ms / 1e3);
    }
}

fn stores(status: &Status) {
    if let Some(clickhouse) = &status.clickhouse {
        gauge("writer_lag_bytes", clickhouse.lag_bytes as f64);
        gauge("writer_lag_seconds", clickhouse.lag_seconds);
        gauge("writer_retry_age_seconds", clickhouse.retrying_seconds);
        gauge("writer_last_insert_timestamp_seconds", clickhouse.last_insert_seconds);
    }
    if let Some(parquet) = &status.parquet {
        gauge("parquet_open_bytes", parquet.shown.open_bytes as f64);
        gauge("parquet_archive_age_seconds", parquet.age_seconds);
        gauge("parquet_retry_age_seconds", parquet.retrying_seconds);
    }
}
