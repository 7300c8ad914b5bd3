//! `/sim/*`: faults, rate and status, for tests and the demo. No exchange has these.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    channel::Channel,
    clock,
    faults::Order,
    hub::{Hub, Phase},
    schedule::MarketOrder,
    server::App,
    session::Session,
};

pub(crate) async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    Json(describe(&app.hub.lock())).into_response()
}

pub(crate) async fn faults(State(app): State<App>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    let order: Order = match serde_json::from_str(&body) {
        Ok(order) => order,
        Err(error) => return bad(&format!("no such fault: {error}")),
    };
    match app.hub.lock().trouble(&order, clock::now()) {
        Ok(connections) => Json(json!({"connections": connections})).into_response(),
        Err(problem) => bad(&problem),
    }
}

pub(crate) async fn markets(State(app): State<App>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    let order: MarketOrder = match serde_json::from_str(&body) {
        Ok(order) => order,
        Err(error) => return bad(&format!("no such order: {error}")),
    };
    match app.hub.lock().order_market(&order, clock::now()) {
        Ok(()) => Json(json!({})).into_response(),
        Err(problem) => bad(&problem),
    }
}

/// The books each connection follows, by its number.
pub(crate) async fn subscribed(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    let mut hub = app.hub.lock();
    let Hub { sessions, markets, .. } = &mut *hub;
    let of = |session: &mut Session| -> Value {
        let books = session.on(Channel::BOOK).map(|books| &books.markets);
        let tickers = books.into_iter().flatten();
        tickers.map(|index| json!(&*markets.at(*index).naming.ticker)).collect()
    };
    let all: Map<String, Value> =
        sessions.iter_mut().map(|(index, session)| (index.to_string(), of(session))).collect();
    Json(all).into_response()
}

#[derive(Deserialize)]
struct Rate {
    deltas_per_sec: f64,
}

pub(crate) async fn rate(State(app): State<App>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    match serde_json::from_str::<Rate>(&body) {
        Ok(Rate { deltas_per_sec }) if (0.0..=1e7).contains(&deltas_per_sec) => {
            match app.hub.lock().source.set_rate(deltas_per_sec) {
                Ok(()) => Json(json!({"deltas_per_sec": deltas_per_sec})).into_response(),
                Err(problem) => bad(problem),
            }
        }
        Ok(_) => bad("deltas_per_sec must lie between 0 and 10000000"),
        Err(error) => bad(&error.to_string()),
    }
}

pub(crate) async fn pause(State(app): State<App>, headers: HeaderMap) -> Response {
    set_paused(&app, &headers, true)
}

pub(crate) async fn resume(State(app): State<App>, headers: HeaderMap) -> Response {
    set_paused(&app, &headers, false)
}

fn set_paused(app: &App, headers: &HeaderMap, is_paused: bool) -> Response {
    if let Some(refusal) = refusal(app, headers) {
        return refusal;
    }
    let mut hub = app.hub.lock();
    hub.is_paused = is_paused;
    Json(describe(&hub)).into_response()
}

/// Answers totals once the truth log is with the operating system.
pub(crate) async fn flush(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&app, &headers) {
        return refusal;
    }
    let (flushed, totals) = {
        let mut hub = app.hub.lock();
        (hub.truth.flush(), json!(hub.totals))
    };
    match flushed.await {
        Ok(()) => Json(totals).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"msg": "truth log is broken"})))
            .into_response(),
    }
}

fn describe(hub: &Hub) -> Value {
    let mut status = json!(hub.totals);
    let connections: Vec<Value> = hub.sessions.values().map(connection).collect();
    status["markets"] = json!(hub.markets.len());
    status["era"] = json!(hub.era);
    status["paused"] = json!(hub.is_paused);
    status["maintenance"] = json!(matches!(hub.phase, Phase::Maintenance { .. }));
    status["replay_remaining"] = json!(hub.source.remaining());
    status["connections"] = json!(connections);
    status["faults"] = json!(hub.faults);
    status
}

fn connection(session: &Session) -> Value {
    let counts = &session.counts;
    let open = session.subscriptions.iter().flatten();
    let subscriptions: Vec<Value> = open
        .map(|subscription| {
            json!({"sid": subscription.sid, "seq": subscription.seq,
                   "all": subscription.all, "markets": subscription.markets.len()})
        })
        .collect();
    json!({
        "index": session.index,
        "user_agent": session.peer.agent,
        "key_id": session.peer.key_id,
        "frames_sent": counts.frames_sent,
        "subscriptions": subscriptions,
        "queued_bytes": session.queued_bytes(),
        "dropped": counts.dropped,
        "repeated": counts.repeated,
        "corrupted": counts.corrupted,
        "reordered": counts.reordered,
        "overflows": counts.overflows,
    })
}

fn refusal(app: &App, headers: &HeaderMap) -> Option<Response> {
    let wanted = app.admin_token.as_deref()?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let is_right = given.and_then(|given| given.strip_prefix("Bearer ")) == Some(wanted);
    (!is_right).then(|| {
        (StatusCode::UNAUTHORIZED, Json(json!({"msg": "the admin token is missing or wrong"})))
            .into_response()
    })
}

fn bad(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"msg": problem}))).into_response()
}
