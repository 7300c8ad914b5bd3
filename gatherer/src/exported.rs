//! Every metric that the gatherer promises to export, beside those of its process (`service`) and of its ClickHouse
//! sink (`store`). docs/metrics.md is made of these lists, and a test compares them with a running program.

use service::metrics::Metric;

/// The gatherer's own metrics.
pub const METRICS: &[Metric] = &[
    // The exchange.
    Metric::gauge("ws_client_connected", "Whether a session is open on a connection: 1 or 0.")
        .by("connection", &[]),
    Metric::counter("ws_client_connects_total", "Sessions opened."),
    Metric::counter("ws_client_disconnects_total", "Sessions ended, for whatever reason."),
    Metric::counter("ws_client_connect_failures_total", "Dials that failed."),
    Metric::counter(
        "ws_client_messages_received_total",
        "Text messages received; `undecodable` were kept as they came.",
    )
    .by("type", FRAME_TYPES),
    Metric::gauge(
        "ws_client_last_frame_age_seconds",
        "Since the newest frame on any connection; since the start if there was none.",
    ),
    Metric::gauge("conn_manager_connections", "Connections that should be up."),
    Metric::gauge("conn_manager_connections_healthy", "Connections that are up."),
    Metric::gauge("gatherer_markets", "Markets subscribed to, over all connections."),
    Metric::gauge("gatherer_exchange_active", "Whether the exchange says it is active: 1 or 0."),
    Metric::gauge("gatherer_trading_active", "Whether the exchange says it trades: 1 or 0."),
    Metric::gauge(
        "gatherer_exchange_skew_seconds",
        "Our clock at receipt minus the exchange's time, the least of the last minute: the way of the fastest frame \
         plus what our clock is ahead. Below zero: our clock is behind. Missing while nothing comes.",
    ),
    // What frames say.
    Metric::counter("gatherer_frames_undecodable_total", "Frames that could not be decoded; kept."),
    Metric::counter("gatherer_unknown_fields_total", "Fields of frames that we do not know; kept."),
    Metric::counter(
        "gatherer_frames_shed_total",
        "Frames in hand that were lost with their session.",
    )
    .by("reason", &["spool"]),
    Metric::counter("gatherer_session_events_total", "What happened to subscriptions.")
        .by("event", SESSION_EVENTS),
    Metric::counter(
        "gatherer_refreshes_total",
        "Fresh snapshots that a deduplicator asked for, by what became of the request.",
    )
    .by("outcome", &["sent", "shed", "no such session"]),
    Metric::counter(
        "gatherer_rest_failures_total",
        "REST requests of a standing task that failed.",
    )
    .by("task", REST_TASKS),
    Metric::counter(
        "gatherer_rest_limited_total",
        "REST requests answered with 429; nothing is asked for a while then.",
    ),
    Metric::counter("gatherer_markets_polled_total", "Books polled over REST by an operator."),
    Metric::counter("gatherer_books_polled_total", "Books polled over REST in rounds."),
    // Which markets.
    Metric::gauge(
        "gatherer_markets_known",
        "Markets that are known, subscribed to or not yet or no more.",
    ),
    Metric::counter(
        "gatherer_markets_moved_total",
        "Markets that moved to another connection, or were to and did not arrive.",
    ),
    Metric::counter(
        "gatherer_news_shed_total",
        "Lifecycle news shed because they came too fast; a list was asked for instead.",
    ),
    // The spool.
    Metric::gauge("gatherer_spool_bytes", "Bytes of the spool on disk."),
    Metric::gauge(
        "gatherer_spool_quota_bytes",
        "SPOOL_QUOTA_BYTES: when the spool holds so much, capture stops.",
    ),
    Metric::gauge(
        "gatherer_spool_failing",
        "1 while the spool takes no frames and the sockets are closed.",
    ),
    Metric::counter("gatherer_spool_failures_total", "Times the spool stopped taking frames."),
    Metric::counter(
        "gatherer_spool_trimmed_bytes_total",
        "Bytes deleted from the spool: acked, stored and old.",
    ),
    Metric::counter("gatherer_spool_trim_failures_total", "Deletions that failed; tried again."),
    // Deduplicators.
    Metric::gauge("gatherer_streams", "Deduplicators that follow now."),
    Metric::counter("gatherer_streams_opened_total", "Streams begun."),
    Metric::counter("gatherer_streams_closed_total", "Streams ended."),
    Metric::counter("gatherer_stream_records_total", "Records sent."),
    Metric::counter("gatherer_stream_bytes_total", "Bytes of records sent."),
    Metric::histogram(
        "gatherer_stream_batch_seconds",
        "Time to make a batch of records ready to send.",
    ),
    Metric::gauge(
        "gatherer_spool_unacked_bytes",
        "Bytes that some known deduplicator has not acked.",
    ),
    Metric::gauge(
        "gatherer_spool_unacked_age_seconds",
        "How long the oldest record has waited for its ack; 0: everything is acked.",
    ),
    // The local store.
    Metric::counter(
        "gatherer_clickhouse_restarts_total",
        "Times the embedded ClickHouse ended and was started again.",
    ),
];

const FRAME_TYPES: &[&str] = &[
    "orderbook_snapshot",
    "orderbook_delta",
    "trade",
    "ticker",
    "lifecycle",
    "subscribed",
    "unsubscribed",
    "ok",
    "error",
    "unknown",
    "undecodable",
];

const SESSION_EVENTS: &[&str] = &[
    "subscribed",
    "snapshot_seen",
    "broken",
    "healed",
    "repeat",
    "subscription_lost",
    "command_failed",
    "command_unanswered",
    "unknown_sid",
    "unknown_market",
    "markets_refused",
    "refresh_unanswered",
];

const REST_TASKS: &[&str] = &["account_limits", "exchange_status", "markets", "orderbooks"];
