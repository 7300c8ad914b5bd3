//! One function per event: what is counted and what is logged.

pub(crate) mod markets;

use exchange::SessionEvent;
use metrics::{counter, gauge, histogram};
use service::logs::Limit;

use crate::health::{Health, Vitals};

/// A delta fits; of a snapshot the beginning is enough to know it.
const FRAME_CHARS_MAX: usize = 400;

/// A session was opened.
pub(crate) fn connection_up(index: usize, session: u64, markets: usize) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(1.0);
    counter!("ws_client_connects_total").increment(1);
    tracing::info!(
        component = "socket",
        event = "ws_connected",
        connection = index,
        session,
        markets,
        "connected"
    );
}

/// A session ended.
pub(crate) fn connection_down(index: usize, session: u64, reason: &str) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(0.0);
    counter!("ws_client_disconnects_total").increment(1);
    tracing::warn!(
        component = "socket",
        event = "ws_disconnected",
        connection = index,
        session,
        reason,
        "disconnected"
    );
}

/// A connection was given up.
pub(crate) fn connection_removed(index: usize) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(0.0);
    tracing::info!(
        component = "connections",
        event = "connection_removed",
        connection = index,
        "none of its markets is open"
    );
}

/// A connection is dialled.
pub(crate) fn connecting(index: usize, url: &url::Url) {
    tracing::info!(component = "socket", event = "ws_connecting", connection = index, %url, "dialling");
}

/// A dial failed.
pub(crate) fn dial_failed(index: usize, reason: &str, again_in: std::time::Duration) {
    counter!("ws_client_connect_failures_total").increment(1);
    tracing::warn!(
        component = "socket",
        event = "ws_error",
        connection = index,
        reason,
        again_in_ms = again_in.as_millis(),
        "cannot connect to the exchange"
    );
}

/// A text message was received.
pub(crate) fn frame_received(kind: &'static str) {
    counter!("ws_client_messages_received_total", "type" => kind).increment(1);
}

/// A frame that stands for a thousand: nobody reads them all.
pub(crate) fn frame_sampled(session: u64, kind: &'static str, text: &str) {
    let head: String = text.chars().take(FRAME_CHARS_MAX).collect();
    let bytes = text.len();
    tracing::debug!(
        component = "socket",
        event = "frame_sampled",
        session,
        kind,
        bytes,
        head,
        "one of many"
    );
}

/// A frame could not be decoded; it is kept all the same.
pub(crate) fn frame_undecodable(session: u64, reason: &str) {
    static LINES: Limit = Limit::per_minute(10);
    counter!("gatherer_frames_undecodable_total").increment(1);
    if let Some(held_back) = LINES.admit() {
        tracing::warn!(
            component = "socket",
            event = "frame_undecodable",
            session,
            reason,
            held_back,
            "kept as it came"
        );
    }
}

/// A frame held fields that we do not know.
pub(crate) fn unknown_fields(fields: u16) {
    counter!("gatherer_unknown_fields_total").increment(u64::from(fields));
}

/// Frames in hand were lost with their session.
pub(crate) fn frame_shed(reason: &'static str) {
    counter!("gatherer_frames_shed_total", "reason" => reason).increment(1);
}

/// The session machine told something.
pub(crate) fn session_event(session: u64, event: &SessionEvent) {
    let (kind, needs_a_look) = match event {
        SessionEvent::Subscribed { .. } => ("subscribed", false),
        SessionEvent::SnapshotSeen { .. } => ("snapshot_seen", false),
        SessionEvent::Broken { .. } => ("broken", true),
        SessionEvent::Healed { .. } => ("healed", false),
        SessionEvent::Repeat { .. } => ("repeat", true),
        SessionEvent::SubscriptionLost { .. } => ("subscription_lost", true),
        SessionEvent::CommandFailed { .. } => ("command_failed", true),
        SessionEvent::CommandUnanswered { .. } => ("command_unanswered", true),
        SessionEvent::UnknownSid { .. } => ("unknown_sid", true),
        SessionEvent::UnknownMarket { .. } => ("unknown_market", true),
        SessionEvent::MarketsRefused { .. } => ("markets_refused", true),
        SessionEvent::RefreshUnanswered { .. } => ("refresh_unanswered", true),
    };
    counter!("gatherer_session_events_total", "event" => kind).increment(1);
    static LINES: Limit = Limit::per_minute(60);
    if needs_a_look && let Some(held_back) = LINES.admit() {
        tracing::warn!(component = "session", event = "session_event", session, kind, held_back, detail = ?event, "session");
    } else {
        tracing::debug!(component = "session", event = "session_event", session, kind, detail = ?event, "session");
    }
}

/// The spool took no record.
pub(crate) fn spool_failed(reason: &str) {
    gauge!("gatherer_spool_failing").set(1.0);
    counter!("gatherer_spool_failures_total").increment(1);
    tracing::error!(
        component = "spool",
        event = "spool_failed",
        reason,
        "closing the sockets rather than lose silently"
    );
}

/// The spool takes records again.
pub(crate) fn spool_recovered() {
    gauge!("gatherer_spool_failing").set(0.0);
    tracing::info!(component = "spool", event = "spool_recovered", "the spool takes records again");
}

/// The spool was opened.
pub(crate) fn spool_opened(recovered: &spool::Recovered) {
    gauge!("gatherer_spool_failing").set(0.0);
    tracing::info!(component = "spool", event = "spool_opened", ?recovered, "spool");
}

/// A prefix of the spool was deleted.
pub(crate) fn spool_trimmed(report: &spool::TrimReport) {
    counter!("gatherer_spool_trimmed_bytes_total").increment(report.bytes);
    tracing::info!(
        component = "spool", event = "spool_trimmed",
        segments = report.segments,
        bytes = report.bytes,
        oldest = %report.oldest,
        "spool"
    );
}

/// Trimming failed; it is tried again.
pub(crate) fn spool_trim_failed(error: &anyhow::Error) {
    counter!("gatherer_spool_trim_failures_total").increment(1);
    tracing::warn!(
        component = "spool",
        event = "spool_trim_failed",
        error = format!("{error:#}"),
        "spool"
    );
}

pub(crate) fn acks_not_stored(error: &anyhow::Error) {
    tracing::warn!(
        component = "spool",
        event = "acks_not_stored",
        error = format!("{error:#}"),
        "what deduplicators have is not on disk yet"
    );
}

/// The gauges of a second.
pub(crate) fn sampled(health: &Health, vitals: &Vitals) {
    let seconds = |ms: u64| ms as f64 / 1e3;
    let healthy = health.connections.iter().filter(|connection| connection.connected).count();
    let silent_ms = health.last_frame_ms_ago().unwrap_or(health.uptime_seconds * 1_000);
    gauge!("health_status").set(f64::from(health.status as u8));
    gauge!("conn_manager_connections").set(health.connections.len() as f64);
    gauge!("conn_manager_connections_healthy").set(healthy as f64);
    gauge!("ws_client_last_frame_age_seconds").set(seconds(silent_ms));
    gauge!("gatherer_markets").set(health.markets as f64);
    gauge!("gatherer_spool_bytes").set(health.spool.bytes_on_disk as f64);
    gauge!("gatherer_spool_quota_bytes").set(vitals.quota_bytes as f64);
    gauge!("gatherer_spool_unacked_bytes").set(health.spool.unacked_bytes as f64);
    gauge!("gatherer_spool_unacked_age_seconds").set(health.spool.unacked_seconds);
    if let Some(skew_ns) = vitals.board.exchange_skew_ns() {
        gauge!("gatherer_exchange_skew_seconds").set(skew_ns as f64 / 1e9);
    }
    if let Some(store) = &health.clickhouse {
        gauge!("writer_lag_bytes").set(store.lag_bytes as f64);
        gauge!("writer_lag_seconds").set(store.lag_seconds);
        gauge!("writer_retry_age_seconds").set(store.retrying_seconds);
        gauge!("writer_last_insert_timestamp_seconds").set(store.last_insert_seconds);
    }
}

/// A deduplicator follows.
pub(crate) fn stream_opened(deduplicator: &str, from: spool::Position) {
    counter!("gatherer_streams_opened_total").increment(1);
    tracing::info!(component = "uplink", event = "stream_opened", deduplicator, %from, "a deduplicator follows");
}

/// A deduplicator's stream ended.
pub(crate) fn stream_closed(deduplicator: &str, reason: &str) {
    counter!("gatherer_streams_closed_total").increment(1);
    tracing::info!(
        component = "uplink",
        event = "stream_closed",
        deduplicator,
        reason,
        "a deduplicator left"
    );
}

/// How many streams there are.
pub(crate) fn streams(open: usize) {
    gauge!("gatherer_streams").set(open as f64);
}

/// A batch was handed to a stream.
pub(crate) fn batch_sent(records: u32, bytes: usize, took: std::time::Duration) {
    counter!("gatherer_stream_records_total").increment(u64::from(records));
    counter!("gatherer_stream_bytes_total").increment(bytes as u64);
    histogram!("gatherer_stream_batch_seconds").record(took.as_secs_f64());
}

/// A deduplicator asked for fresh snapshots.
pub(crate) fn refresh_asked(session: u64, outcome: &'static str) {
    counter!("gatherer_refreshes_total", "outcome" => outcome).increment(1);
    tracing::info!(
        component = "uplink",
        event = "refresh_asked",
        session,
        outcome,
        "fresh snapshots"
    );
}

/// The exchange's status changed.
pub(crate) fn exchange_status(exchange_active: bool, trading_active: bool) {
    gauge!("gatherer_exchange_active").set(f64::from(u8::from(exchange_active)));
    gauge!("gatherer_trading_active").set(f64::from(u8::from(trading_active)));
    tracing::info!(
        component = "exchange",
        event = "exchange_status",
        exchange_active,
        trading_active,
        "exchange"
    );
}

/// A REST request of a standing task failed; it is repeated.
pub(crate) fn rest_failed(task: &'static str, error: &anyhow::Error) {
    counter!("gatherer_rest_failures_total", "task" => task).increment(1);
    tracing::warn!(
        component = "rest",
        event = "rest_failed",
        task,
        error = format!("{error:#}"),
        "asked again later"
    );
}

/// A book was polled by an operator.
pub(crate) fn market_polled(ticker: &str, levels: usize) {
    counter!("gatherer_markets_polled_total").increment(1);
    tracing::info!(
        component = "poll",
        event = "market_polled",
        ticker,
        levels,
        "order book over REST"
    );
}

/// The embedded ClickHouse ended by itself and was started again.
pub(crate) fn engine_restarted(outcome: &str) {
    counter!("gatherer_clickhouse_restarts_total").increment(1);
    tracing::warn!(
        component = "clickhouse",
        event = "clickhouse_restarted",
        outcome,
        "the embedded ClickHouse had ended"
    );
}

/// Nothing open matches what was asked for.
pub(crate) fn no_markets(choice: &crate::choice::Choice) {
    tracing::warn!(component = "markets", event = "no_markets", asked = %choice, "no open market matches MARKET_TICKERS");
}
