//! The WebSocket handshake: who is let in, and what the others are told.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{clock, connection::Upgraded, hub::Phase, query::Query, server::App, session::Peer};

pub(crate) const PATH: &str = "/trade-api/ws/v2";

pub(crate) async fn open(State(app): State<App>, mut request: Request) -> Response {
    let now = clock::now();
    if let Some(refusal) = refusal(&app) {
        return refusal;
    }
    let key_id = match app.keys.check(request.headers(), ("GET", PATH), now.wall_ms) {
        Ok(key_id) => key_id,
        Err(why) => return (StatusCode::UNAUTHORIZED, Json(why.body())).into_response(),
    };
    let Some(accept) = accept_key(request.headers()) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"msg": "not a WebSocket handshake"})))
            .into_response();
    };
    let Some(upgrade) = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>() else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    let peer = Peer { key_id, agent: agent(&request) };
    if app.upgraded.send(Upgraded { upgrade, peer }).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty());
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Ordered refusals, maintenance, and the end of the program.
fn refusal(app: &App) -> Option<Response> {
    let hub = app.hub.lock();
    if let Some((status, _)) = hub.refusing {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let body = crate::auth::Unauthorized::UnknownKey.body();
        return Some(if status == StatusCode::UNAUTHORIZED {
            (status, Json(body)).into_response()
        } else {
            status.into_response()
        });
    }
    let closed = hub.stopping || matches!(hub.phase, Phase::Maintenance { .. });
    closed.then(|| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

fn accept_key(headers: &HeaderMap) -> Option<String> {
    let has = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return None;
    }
    Some(derive_accept_key(headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes()))
}

/// How the client calls itself: `?agent=` in the query, or its `User-Agent`.
fn agent(request: &Request) -> String {
    let query = Query::parse(request.uri().query());
    let header = || request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    query.one("agent").or_else(header).unwrap_or_default().to_owned()
}
