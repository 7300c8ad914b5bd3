//! What an operator sees: `/health`, `/ready`, and a canonical book.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::http::is_bearer;
use service::redacted::Secret;
use tokio::sync::{mpsc, oneshot, watch};

use crate::pipeline::Question;
use crate::status::{ClickHouseStatus, Status};

/// A gatherer further behind than this is not healthy.
const LAG_SECONDS_MAX: f64 = 30.0;
/// A store that fails for longer than this is not healthy.
const RETRY_SECONDS_MAX: f64 = 15.0;
/// The pipeline answers within a batch or is stuck.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the HTTP surface looks at.
#[derive(Clone)]
pub(crate) struct Surface {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) questions: mpsc::Sender<Question>,
}

/// `/health`, `/ready`, `/book/{ticker}`.
pub(crate) fn router(surface: Surface, token: Secret) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route(
            "/book/{ticker}",
            get(move |state: State<Surface>, path: Path<String>, headers: HeaderMap| async move {
                if token.is_empty() || is_bearer(&headers, &token) {
                    book(state, path).await
                } else {
                    (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response()
                }
            }),
        )
        .with_state(surface)
}

async fn health(State(surface): State<Surface>) -> Response {
    let status = surface.status.borrow().clone();
    let (word, reasons) = judge(&status);
    let code = if word == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(body(&status, word, &reasons))).into_response()
}

async fn ready(State(surface): State<Surface>) -> Response {
    if surface.status.borrow().gatherers.iter().any(|gatherer| gatherer.connected) {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no gatherer is connected\n").into_response()
    }
}

async fn book(State(surface): State<Surface>, Path(ticker): Path<String>) -> Response {
    let (answer, answered) = oneshot::channel();
    let question = Question { ticker, answer };
    let asked = async {
        surface.questions.send(question).await.ok()?;
        answered.await.ok()
    };
    match tokio::time::timeout(ANSWER_MAX, asked).await {
        Ok(Some(Some(book))) => Json(book).into_response(),
        Ok(Some(None)) => (StatusCode::NOT_FOUND, "no such market\n").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the pipeline does not answer\n").into_response(),
    }
}

/// One word, and why it is not `ok`.
fn judge(status: &Status) -> (&'static str, Vec<String>) {
    let mut reasons = Vec::new();
    for gatherer in &status.gatherers {
        let name = &gatherer.name;
        if !gatherer.connected {
            reasons.push(format!("gatherer {name} is not connected"));
        } else if gatherer.lag_seconds > LAG_SECONDS_MAX {
            reasons.push(format!("gatherer {name} is {:.0} s behind", gatherer.lag_seconds));
        }
    }
    for gatherer in &status.totals.gatherers {
        if gatherer.markets_quarantined > 0 {
            let markets = gatherer.markets_quarantined;
            reasons.push(format!("gatherer {} is quarantined in {markets} markets", gatherer.name));
        }
    }
    if let Some(clickhouse) = &status.clickhouse
        && clickhouse.retrying_seconds > RETRY_SECONDS_MAX
    {
        let error = clickhouse.last_error.as_deref().unwrap_or_default();
        reasons.push(format!("ClickHouse takes no rows: {error}"));
    }
    let down = !status.gatherers.iter().any(|gatherer| gatherer.connected);
    match (down, reasons.is_empty()) {
        (true, _) => ("down", reasons),
        (false, false) => ("degraded", reasons),
        (false, true) => ("ok", reasons),
    }
}

fn body(status: &Status, word: &str, reasons: &[String]) -> Value {
    let canonical = &status.totals.canonical;
    let text = |position: Option<spool::Position>| position.map(|position| position.to_string());
    json!({
        "status": word,
        "reasons": reasons,
        "version": env!("CARGO_PKG_VERSION"),
        "gatherers": gatherers(status),
        "canonical": {
            "events": canonical.events, "events_per_second": status.events_per_second,
            "deltas": canonical.deltas, "snapshots": canonical.snapshots,
            "holes": canonical.holes, "holes_last_hour": status.holes_last_hour,
            "markets": canonical.markets, "trades": canonical.trades,
            "tickers": canonical.tickers, "lifecycle": canonical.lifecycle,
            "disputed": canonical.disputed, "alarms": canonical.alarms,
            "pending": canonical.pending, "duplicate_ratio": status.duplicate_ratio,
        },
        "journal": {
            "written": text(status.journal_written), "durable": text(status.journal_durable),
            "bytes_on_disk": status.journal_bytes, "checkpoint": status.checkpoint,
        },
        "clickhouse": status.clickhouse.as_ref().map(clickhouse),
        "parquet": status.parquet.map(|parquet| json!({
            "bytes": parquet.bytes, "open_bytes": parquet.open_bytes, "files": parquet.files,
            "rows": parquet.rows, "cursor": text(parquet.cursor),
        })),
        "latency": {
            "frame_to_journal_ms": status.frame_to_journal,
            "frame_to_row_ms": status.frame_to_row,
        },
        "uptime_seconds": status.uptime_seconds,
    })
}

fn clickhouse(status: &ClickHouseStatus) -> Value {
    json!({
        "reachable": status.reachable,
        "cursor": status.cursor.map(|cursor| cursor.to_string()),
        "lag_bytes": status.lag_bytes,
        "rows_total": status.rows_total,
        "rows_last_5m": status.rows_last_5m,
        "last_error": status.last_error,
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
                "frames": totals.frames,
                "frames_per_second": stream.frames_per_second,
                "first_arrivals": totals.first_arrivals,
                "copies": totals.copies,
                "breaks": totals.breaks,
                "uncovered": totals.uncovered,
                "late": totals.late,
                "divergences": totals.divergences,
                "undecodable": totals.undecodable,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::GathererStatus;

    fn status(connected: &[bool]) -> Status {
        let gatherers = connected
            .iter()
            .map(|connected| GathererStatus { connected: *connected, ..Default::default() })
            .collect();
        Status { gatherers, ..Status::default() }
    }

    #[test]
    fn one_gatherer_lost_degrades_and_all_lost_is_down() {
        for (connected, word) in
            [(&[true, true][..], "ok"), (&[true, false], "degraded"), (&[false, false], "down")]
        {
            assert_eq!(judge(&status(connected)).0, word);
        }
    }
}
