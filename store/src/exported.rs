//! The metrics of a ClickHouse sink; both programs have one.

use service::metrics::Metric;

/// What a followed store exports.
pub const METRICS: &[Metric] = &[
    Metric::counter("writer_inserts_total", "Batches that ClickHouse confirmed."),
    Metric::counter("writer_rows_total", "Rows in them."),
    Metric::counter(
        "writer_errors_total",
        "Attempts that failed, by category; the batch stays and is sent again.",
    )
    .by("type", CATEGORIES),
    Metric::histogram(
        "writer_flush_duration_seconds",
        "Time from the first attempt at a batch to its confirmation.",
    ),
    Metric::gauge("writer_lag_bytes", "Bytes of the log that are durable and not stored."),
    Metric::gauge(
        "writer_lag_seconds",
        "How long the oldest durable record has waited to be stored; 0: everything is stored.",
    ),
    Metric::gauge(
        "writer_retry_age_seconds",
        "How long the batch in hand has been failing; 0: it is not. Retries must end within the tables' window of \
         deduplication tokens.",
    ),
    Metric::gauge(
        "writer_last_insert_timestamp_seconds",
        "When the newest batch was confirmed, Unix time; 0: none yet.",
    ),
];

const CATEGORIES: &[&str] = &[
    "memory_limit",
    "connection_refused",
    "dns_resolution",
    "timeout",
    "too_many_parts",
    "constraint",
    "denied",
    "other",
];
