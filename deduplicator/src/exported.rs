//! Every metric that the deduplicator promises to export, beside those of its process (`service`) and of its
//! ClickHouse sink (`store`). docs/metrics.md is made of these lists, and a test compares them with a running program.

use service::metrics::Metric;

/// The deduplicator's own metrics.
pub const METRICS: &[Metric] = &[
    // Gatherers.
    Metric::gauge("dedup_gatherers_configured", "Gatherers in GATHERERS: the N of the duplicate ratio."),
    Metric::gauge("dedup_gatherers_connected", "Gatherers whose stream stands."),
    Metric::gauge("dedup_gatherer_health", "Whether the stream of a gatherer stands: 1 or 0.").by("gatherer", &[]),
    Metric::gauge("dedup_sync_lag_seconds", "Everything that a gatherer received before this long ago is handled.")
        .by("gatherer", &[]),
    Metric::gauge("dedup_backlog_bytes", "What a gatherer has written and we have not handled.").by("gatherer", &[]),
    Metric::gauge("dedup_last_frame_age_seconds", "Since a gatherer received its newest frame.").by("gatherer", &[]),
    Metric::gauge(
        "dedup_clock_skew_seconds",
        "Our clock minus a gatherer's at the receipt of what it had just stamped, the least of the last minute: the \
         fastest way plus what our clock is ahead. Below zero: the gatherer's clock is ahead of ours.",
    )
    .by("gatherer", &[]),
    Metric::counter("dedup_stream_connects_total", "Streams begun.").by("gatherer", &[]),
    Metric::counter("dedup_stream_ends_total", "Streams and dials that ended.").by("gatherer", &[]),
    Metric::counter(
        "dedup_resumed_elsewhere_total",
        "Streams that began elsewhere than where the last one ended: the gatherer lost or trimmed what came between.",
    )
    .by("gatherer", &[]),
    Metric::counter("dedup_refreshes_shed_total", "Requests for fresh snapshots that could not be sent; asked again.")
        .by("gatherer", &[]),
    Metric::counter("dedup_bad_captures_total", "Records of a stream that are no capture record of ours.")
        .by("gatherer", &[]),
    // The accounts of frames: counted in the merge's state, so they go on after a restart.
    Metric::counter("dedup_frames_total", "Frames handed over. Survives restarts, as all counts of frames do.")
        .by("gatherer", &[]),
    Metric::counter("dedup_first_arrivals_total", "Frames that made an event.").by("gatherer", &[]),
    Metric::counter("dedup_copies_total", "Frames that said what an event says.").by("gatherer", &[]),
    Metric::counter("dedup_unverified_total", "Copies of events no longer remembered: not compared.").by("gatherer", &[]),
    Metric::counter("dedup_snapshots_total", "Snapshots that placed or verified a lane.").by("gatherer", &[]),
    Metric::counter("dedup_repeats_total", "Frames whose seq had been seen on their lane.").by("gatherer", &[]),
    Metric::counter("dedup_uncovered_total", "Frames on lanes that had lost frames.").by("gatherer", &[]),
    Metric::counter("dedup_late_total", "Frames about what was already decided.").by("gatherer", &[]),
    Metric::counter("dedup_divergences_total", "Frames that contradicted the record.").by("gatherer", &[]),
    Metric::counter("dedup_quarantined_frames_total", "Frames on quarantined lanes.").by("gatherer", &[]),
    Metric::counter("dedup_breaks_total", "Times a subscription lost frames: jumps of its seq, and errors with which the exchange ended it.").by("gatherer", &[]),
    Metric::counter("dedup_undecodable_total", "Frames that could not be decoded.").by("gatherer", &[]),
    Metric::counter("dedup_unknown_fields_total", "Fields of frames that we do not know.").by("gatherer", &[]),
    Metric::counter("dedup_without_clock_total", "Order-book frames without `clock`.").by("gatherer", &[]),
    Metric::gauge("dedup_lanes_live", "Lanes in sequence.").by("gatherer", &[]),
    Metric::gauge("dedup_lanes_broken", "Lanes that lost frames and are not whole again.").by("gatherer", &[]),
    Metric::gauge("dedup_markets_covered", "Markets whose head a gatherer covers.").by("gatherer", &[]),
    Metric::gauge("dedup_markets_quarantined", "Markets in which a gatherer is quarantined.").by("gatherer", &[]),
    Metric::gauge(
        "dedup_duplicate_ratio",
        "Of the frames of the last five minutes that carry an event, the part that another lane had brought before. \
         (N-1)/N when N gatherers bring everything.",
    ),
    // The record: counted in the merge's state.
    Metric::counter("dedup_canonical_events_total", "Order-book events of the record. Survives restarts.").surviving(),
    Metric::counter("dedup_trades_total", "Trades of the record. Survives restarts.").surviving(),
    Metric::counter("dedup_tickers_total", "Tickers of the record. Survives restarts.").surviving(),
    Metric::counter("dedup_lifecycle_total", "Lifecycle messages of the record. Survives restarts.").surviving(),
    Metric::counter("dedup_disputed_total", "Events that two lanes tell differently, marked. Survives restarts.").surviving(),
    Metric::counter("dedup_holes_total", "Holes recorded. Survives restarts.").surviving(),
    Metric::counter("dedup_holes_by_cause_total", "Holes recorded since the start, by cause.").by("cause", HOLE_CAUSES),
    Metric::counter("dedup_alarms_total", "What the merge wants a person to look at, by kind.").by("kind", ALARM_KINDS),
    Metric::gauge("dedup_markets", "Markets ever seen."),
    Metric::gauge("dedup_markets_waiting", "Markets that wait for a decision: start, hole or dispute."),
    Metric::gauge("dedup_markets_uncovered", "Markets that nobody covers, though the record should go on; after 30 s it says so (a hole without end)."),
    Metric::gauge("dedup_pending_frames", "Frames that wait in them."),
    Metric::gauge("dedup_remembered_events", "Events remembered for comparison."),
    // The audit of the record.
    Metric::counter("audit_compared_total", "Books compared with another source, by which.").by("kind", AUDIT_KINDS),
    Metric::counter("audit_differences_total", "Books that differed from it.").by("kind", AUDIT_KINDS),
    Metric::counter("audit_unanswered_total", "Lanes asked for a book to compare that did not show it in a minute."),
    Metric::counter("catalog_errors_total", "Failures of the catalog or of REST_URL; tried again."),
    Metric::counter("catalog_notes_shed_total", "Sessions, gatherers and names that the catalog was too slow to take."),
    // The journal.
    Metric::gauge("dedup_journal_bytes", "Bytes of the journal on disk."),
    Metric::gauge("dedup_journal_unsynced_bytes", "Bytes of the journal that are written and not yet fsynced."),
    Metric::gauge("dedup_checkpoint_bytes", "Size of the newest checkpoint."),
    Metric::gauge("dedup_checkpoint_age_seconds", "Since the newest checkpoint was stored; since the start if none was."),
    Metric::gauge("dedup_frame_to_journal_seconds", "From a gatherer's socket to the fsynced journal, of the last minute.")
        .by("quantile", &["p50", "p99", "max"]),
    Metric::gauge("dedup_frame_to_row_seconds", "From a gatherer's socket to a stored row, of the last minute.")
        .by("quantile", &["p50", "p99"]),
    // The archive; absent with PARQUET_DIR=none.
    Metric::counter("parquet_files_total", "Files listed in the manifest since the start.").by("dataset", &[]),
    Metric::counter("parquet_rows_total", "Rows in them.").by("dataset", &[]),
    Metric::counter("parquet_bytes_total", "Bytes of them.").by("dataset", &[]),
    Metric::counter("parquet_errors_total", "Failures of disk, bucket or catalog; the files are made again."),
    Metric::gauge("parquet_open_bytes", "Bytes in files that are not yet closed."),
    Metric::gauge(
        "parquet_archive_age_seconds",
        "How long the oldest journalled event has waited to be in a listed file; up to a day when little happens, for a \
         file is closed when it is full or its day ends.",
    ),
    Metric::gauge("parquet_retry_age_seconds", "How long the archive has been failing; 0: it is not."),
];

const AUDIT_KINDS: &[&str] = &["get_snapshot", "rest", "latest_levels", "events"];

const HOLE_CAUSES: &[&str] = &[
    "all_lanes_broken",
    "all_sessions_closed",
    "gatherer_silent",
    "no_covering_lane",
    "divergence",
    "memory_bound",
    "maintenance",
    "left",
];

const ALARM_KINDS: &[&str] =
    &["lane_diverged", "snapshot_diverged", "disputed", "healed", "clock_fell", "memory_bound"];
