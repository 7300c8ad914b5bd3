//! Binds and serves the programs' small HTTP surfaces.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listen::Limited;
use crate::redacted::Secret;

/// No request of ours has a body worth more.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Binds `addr`; the error names the flag that chose it.
///
/// # Errors
/// When the port is taken or the address is not this machine's.
pub async fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| {
        format!("cannot listen on {addr} ({flag}): choose another address or port")
    })
}

/// Whether a request shows the token: `Authorization: Bearer TOKEN`, compared in constant time.
pub fn is_bearer(headers: &HeaderMap, token: &Secret) -> bool {
    let offered = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    offered.and_then(|text| text.strip_prefix("Bearer ")).is_some_and(|text| token.matches(text))
}

/// Serves until `stopping` is cancelled; requests in flight are finished. Connections and bodies
/// are bounded.
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let router = router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    axum::serve(Limited::new(listener, "http"), router)
        .with_graceful_shutdown(async move { stopping.cancelled().await })
        .await
        .context("the HTTP server stopped")
}
