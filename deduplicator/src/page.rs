//! The status page: three files that stand in the program, and the JSON that they ask for once a second.
//!
//! Nothing on it comes from another host, and the browser is told to load nothing that does.

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::health::{Surface, body, judge};

/// Ours alone, and nothing written into the page itself: a market's name can never become a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`, its two files, and `/status.json`.
pub(crate) fn router() -> Router<Surface> {
    let file =
        |kind: &'static str, text: &'static str| get(move || std::future::ready(asset(kind, text)));
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/charts.js", file("text/javascript; charset=utf-8", include_str!("page/charts.js")))
        .route("/status.json", get(status))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        // Asked again each time: after an upgrade nobody sees the old page with the new figures.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

/// What `/health` says and what only a watching person wants. Always 200: the page must be able to show "down".
async fn status(State(surface): State<Surface>) -> Json<Value> {
    let status = surface.status.borrow().clone();
    let (word, reasons) = judge(&status);
    let mut all = body(&status, word, &reasons);
    all["now_ms"] = json!(status.wall_ns / 1_000_000);
    all["busiest"] = json!(status.activity.busiest);
    all["holes"] = json!(status.activity.holes);
    all["history"] = json!({ "events_per_second": status.history.events_per_second });
    Json(all)
}
