//! The gatherer's HTTP surface: /health and /ready for machines and people, /admin for the operator.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use service::{http::is_bearer, redacted::Secret};

use crate::{
    health::{Verdict, Vitals},
    poll::{self, PollError, Poller},
};

/// What the handlers need.
pub(crate) struct Surface {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) admin_token: Option<Secret>,
    pub(crate) poller: Poller,
}

/// All routes but /metrics, which has an address of its own.
pub(crate) fn router(surface: Surface) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/admin/poll-market", post(poll_market))
        .with_state(Arc::new(surface))
}

async fn health(State(surface): State<Arc<Surface>>) -> Response {
    let health = surface.vitals.look();
    let code = match health.status {
        Verdict::Ok | Verdict::Degraded => StatusCode::OK,
        Verdict::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(health)).into_response()
}

async fn ready(State(surface): State<Arc<Surface>>) -> Response {
    if surface.vitals.is_ready() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

#[derive(Deserialize)]
struct Ticker {
    ticker: String,
}

async fn poll_market(
    State(surface): State<Arc<Surface>>,
    headers: HeaderMap,
    Query(Ticker { ticker }): Query<Ticker>,
) -> Response {
    if let Err((code, error)) = admitted(surface.admin_token.as_ref(), &headers) {
        return (code, Json(json!({ "error": error }))).into_response();
    }
    match surface.poller.poll(&ticker).await {
        Ok(polled) => Json(polled).into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &PollError) -> Response {
    let code = match error {
        PollError::BadTicker => StatusCode::BAD_REQUEST,
        PollError::Unknown => StatusCode::NOT_FOUND,
        PollError::Rest(_) | PollError::Book(_) | PollError::TooLong(_) => StatusCode::BAD_GATEWAY,
        PollError::NotKept => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(json!({ "error": poll::with_causes(error) }))).into_response()
}

/// Why a caller is not let in.
type Refusal = (StatusCode, &'static str);

/// Lets in who shows the token; compared in constant time.
fn admitted(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(token) = token else {
        return Err((StatusCode::NOT_FOUND, "/admin is off: ADMIN_TOKEN is not set"));
    };
    if is_bearer(headers, token) {
        return Ok(());
    }
    Err((StatusCode::UNAUTHORIZED, "send the header Authorization: Bearer ADMIN_TOKEN"))
}
