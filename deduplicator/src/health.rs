//! What an operator sees: `/health`, `/ready`, and a canonical book.

mod body;
mod judge;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use service::http::is_bearer;
use service::redacted::Secret;
use tokio::sync::{mpsc, watch};

use crate::book::surface::{self, At, Past};
use crate::pipeline::Question;
use crate::status::Status;

pub(crate) use body::body;
pub(crate) use judge::{Word, judge};

/// What the HTTP surface looks at.
#[derive(Clone)]
pub(crate) struct Surface {
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) questions: mpsc::Sender<Question>,
    /// `None`: there is no ClickHouse.
    pub(crate) past: Option<Past>,
}

/// `/health`, `/ready`, `/book/{ticker}`.
pub(crate) fn router(surface: Surface, token: Secret) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route(
            "/book/{ticker}",
            get(
                move |state: State<Surface>,
                      path: Path<String>,
                      at: Query<At>,
                      headers: HeaderMap| async move {
                    if token.is_empty() || is_bearer(&headers, &token) {
                        book(state, path, at).await
                    } else {
                        (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response()
                    }
                },
            ),
        )
        .merge(crate::page::router())
        .with_state(surface)
}

async fn health(State(surface): State<Surface>) -> Response {
    let status = surface.status.borrow().clone();
    let (word, reasons) = judge(&status);
    let code = if word == Word::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(body(&status, word, &reasons))).into_response()
}

async fn ready(State(surface): State<Surface>) -> Response {
    if surface.status.borrow().gatherers.iter().any(|gatherer| gatherer.connected) {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no gatherer is connected\n").into_response()
    }
}

async fn book(
    State(shown): State<Surface>,
    Path(ticker): Path<String>,
    Query(at): Query<At>,
) -> Response {
    surface::answer((&shown.questions, &shown.status), shown.past.as_ref(), ticker, at).await
}
