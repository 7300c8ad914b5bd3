//! Prometheus text on `GET /metrics`.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds, in seconds, for every histogram whose name ends in `_seconds`.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often histograms are folded together; unfolded samples cost memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Makes this process's recorder the one behind the `metrics` macros.
///
/// # Errors
/// When a recorder was installed before.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .context("metric buckets")?
        .install_recorder()
        .context("metrics were installed twice in one process")
}

/// Folds samples together until dropped; run it as a part.
///
/// # Errors
/// Never; the type is that of a part.
pub async fn upkeep(
    handle: PrometheusHandle,
    stopping: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
        handle.run_upkeep();
    }
    Ok(())
}

/// `GET /metrics`.
pub fn router(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(handle.render())))
}
