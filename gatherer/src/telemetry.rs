//! One function per event: what is counted and what is logged.

use exchange::SessionEvent;
use metrics::{counter, gauge, histogram};

/// A session was opened.
pub(crate) fn connection_up(index: usize, session: u64, markets: usize) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(1.0);
    counter!("gatherer_sessions_opened_total").increment(1);
    tracing::info!(event = "session_opened", connection = index, session, markets, "connected");
}

/// A session ended.
pub(crate) fn connection_down(index: usize, session: u64, reason: &str) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(0.0);
    counter!("gatherer_sessions_closed_total").increment(1);
    tracing::warn!(event = "session_closed", connection = index, session, reason, "disconnected");
}

/// A connection was given up.
pub(crate) fn connection_removed(index: usize) {
    gauge!("ws_client_connected", "connection" => index.to_string()).set(0.0);
    tracing::info!(event = "connection_removed", connection = index, "none of its markets is open");
}

/// A dial failed.
pub(crate) fn dial_failed(index: usize, reason: &str, again_in: std::time::Duration) {
    counter!("gatherer_dials_failed_total").increment(1);
    tracing::warn!(
        event = "dial_failed",
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

/// A frame could not be decoded; it is kept all the same.
pub(crate) fn frame_undecodable(session: u64, reason: &str) {
    counter!("gatherer_frames_undecodable_total").increment(1);
    tracing::warn!(event = "frame_undecodable", session, reason, "kept as it came");
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
    if needs_a_look {
        tracing::warn!(event = "session_event", session, kind, detail = ?event, "session");
    } else {
        tracing::debug!(event = "session_event", session, kind, detail = ?event, "session");
    }
}

/// The spool took no record.
pub(crate) fn spool_failed(reason: &str) {
    gauge!("gatherer_spool_failing").set(1.0);
    counter!("gatherer_spool_failures_total").increment(1);
    tracing::error!(
        event = "spool_failed",
        reason,
        "closing the sockets rather than lose silently"
    );
}

/// The spool takes records again.
pub(crate) fn spool_recovered() {
    gauge!("gatherer_spool_failing").set(0.0);
    tracing::info!(event = "spool_recovered", "the spool takes records again");
}

/// The spool was opened.
pub(crate) fn spool_opened(recovered: &spool::Recovered) {
    gauge!("gatherer_spool_failing").set(0.0);
    tracing::info!(event = "spool_opened", ?recovered, "spool");
}

/// A prefix of the spool was deleted.
pub(crate) fn spool_trimmed(report: &spool::TrimReport) {
    counter!("gatherer_spool_trimmed_bytes_total").increment(report.bytes);
    tracing::info!(
        event = "spool_trimmed",
        segments = report.segments,
        bytes = report.bytes,
        oldest = %report.oldest,
        "spool"
    );
}

/// Trimming failed; it is tried again.
pub(crate) fn spool_trim_failed(error: &anyhow::Error) {
    counter!("gatherer_spool_trim_failures_total").increment(1);
    tracing::warn!(event = "spool_trim_failed", error = format!("{error:#}"), "spool");
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
pub(crate) fn sampled(connections: usize, healthy: usize, spool_bytes: u64, unacked_bytes: u64) {
    gauge!("conn_manager_connections").set(connections as f64);
    gauge!("conn_manager_connections_healthy").set(healthy as f64);
    gauge!("gatherer_spool_bytes").set(spool_bytes as f64);
    gauge!("gatherer_spool_unacked_bytes").set(unacked_bytes as f64);
}

/// A deduplicator follows.
pub(crate) fn stream_opened(deduplicator: &str, from: spool::Position) {
    counter!("gatherer_streams_opened_total").increment(1);
    tracing::info!(event = "stream_opened", deduplicator, %from, "a deduplicator follows");
}

/// A deduplicator's stream ended.
pub(crate) fn stream_closed(deduplicator: &str, reason: &str) {
    counter!("gatherer_streams_closed_total").increment(1);
    tracing::info!(event = "stream_closed", deduplicator, reason, "a deduplicator left");
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
    tracing::info!(event = "refresh_asked", session, outcome, "fresh snapshots");
}

/// The exchange's status changed.
pub(crate) fn exchange_status(exchange_active: bool, trading_active: bool) {
    gauge!("gatherer_exchange_active").set(f64::from(u8::from(exchange_active)));
    gauge!("gatherer_trading_active").set(f64::from(u8::from(trading_active)));
    tracing::info!(event = "exchange_status", exchange_active, trading_active, "exchange");
}

/// A REST request of a standing task failed; it is repeated.
pub(crate) fn rest_failed(task: &'static str, error: &anyhow::Error) {
    counter!("gatherer_rest_failures_total", "task" => task).increment(1);
    tracing::warn!(event = "rest_failed", task, error = format!("{error:#}"), "asked again later");
}

/// A book was polled by an operator.
pub(crate) fn market_polled(ticker: &str, levels: usize) {
    counter!("gatherer_markets_polled_total").increment(1);
    tracing::info!(event = "market_polled", ticker, levels, "order book over REST");
}

/// The embedded ClickHouse ended by itself and was started again.
pub(crate) fn engine_restarted(outcome: &str) {
    counter!("gatherer_clickhouse_restarts_total").increment(1);
    tracing::warn!(event = "clickhouse_restarted", outcome, "the embedded ClickHouse had ended");
}

/// Nothing open matches what was asked for.
pub(crate) fn no_markets(choice: &crate::choice::Choice) {
    tracing::warn!(event = "no_markets", asked = %choice, "no open market matches MARKET_TICKERS");
}
