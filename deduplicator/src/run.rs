//! The life of the program: recover, bind, start the parts, wait, stop them in order.
//!
//! Only the source is told to stop: ingests end, their queue closes, the pipeline drains and leaves
//! a checkpoint, then the sinks store what the journal holds, then the HTTP surfaces close.

use std::time::Duration;

use service::clock::Clock;
use service::{http, lifecycle, metrics, ports, sd_notify};
use tokio_util::sync::CancellationToken;

use crate::assembly::{self, Stops};
use crate::config::Config;
use crate::engine::Engine;
use crate::health;
use crate::share;

/// Everything stored and closed within this, or the exit is a failure.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Runs until `stop`, or until a part fails.
///
/// # Errors
/// When the start or a part fails, or the stop takes too long.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let clock = Clock::start();
    announce(&config);
    let http = http::bind(config.http_addr, "HTTP_ADDR").await?;
    let scrape = http::bind(config.metrics_addr, "METRICS_ADDR").await?;
    let addresses = serde_json::json!({
        "http": http.local_addr()?.to_string(), "metrics": scrape.local_addr()?.to_string(),
    });
    let recorder = metrics::install().ok();
    let lists = [metrics::METRICS, store::METRICS, crate::exported::METRICS];
    metrics::describe(&lists, env!("CARGO_PKG_VERSION"));
    share::claim(&config.data_dir, config.merge.share)?;
    let engine = Engine::start(&config).await?;
    let stops = Stops::default();
    let mut assembled = assembly::assemble(&config, engine.store(), clock, &stops).await?;
    let router = health::router(assembled.surface, config.admin_token.clone());
    assembled.parts.start("http", http::serve(http, router, stops.surfaces.clone()));
    if let Some(recorder) = recorder {
        let (stopping, data_dir) = (stops.surfaces.clone(), config.data_dir.clone());
        assembled
            .parts
            .start("metrics upkeep", metrics::upkeep(recorder.clone(), data_dir, stopping));
        let router = metrics::router(recorder);
        assembled.parts.start("metrics", http::serve(scrape, router, stops.surfaces.clone()));
    }
    if let Some(path) = &config.port_file {
        ports::write(path, &addresses)?;
    }
    let systemd = sd_notify::Notifier::from_environment();
    assembled.parts.start("watchdog", systemd.clone().watchdog(stops.surfaces.clone()));
    systemd.ready();
    tracing::info!(component = "program", event = "started", %addresses, "the deduplicator works");
    let cause = tokio::select! {
        () = stop => Ok(()),
        ended = assembled.parts.first_end() => ended
            .and_then(|()| Err(anyhow::anyhow!("a part of the program ended by itself"))),
    };
    let since_ns = clock.mono_ns();
    lifecycle::shutdown_requested(&cause);
    systemd.stopping();
    stops.ingest.cancel();
    if cause.is_err() {
        // The chain of ends may be broken: everybody is told.
        stops.sinks.cancel();
        stops.surfaces.cancel();
    }
    let drained = assembled.parts.drain(DRAIN_MAX).await;
    engine.stop().await;
    let outcome = cause.and(drained);
    lifecycle::shutdown_complete(&outcome, clock.mono_ns() - since_ns);
    outcome
}

/// The configuration on one line, without secrets.
fn announce(config: &Config) {
    tracing::info!(
        component = "program",
        event = "startup_config",
        version = env!("CARGO_PKG_VERSION"),
        gatherers = ?config.gatherers,
        market_share = %config.merge.share,
        data_dir = %config.data_dir.display(),
        clickhouse = ?config.clickhouse,
        archive = ?config.archive,
        catalog = %config.catalog,
        rest = ?config.rest,
        audit_every = ?config.audit_every,
        batch_rows = config.batch_rows,
        flush_every = ?config.flush_every,
        checkpoint_every = ?config.checkpoint_every,
        hole_wait = ?config.merge.hole_wait,
        "starting"
    );
}

/// Cancels a token when the last of its holders has ended.
pub(crate) struct Relay(std::sync::Arc<tokio_util::sync::DropGuard>);

impl Relay {
    pub(crate) fn to(token: &CancellationToken) -> Self {
        Self(std::sync::Arc::new(token.clone().drop_guard()))
    }

    /// The part, which keeps the token uncancelled until it has ended, well or badly.
    pub(crate) fn held_by(
        &self,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let held = std::sync::Arc::clone(&self.0);
        async move {
            let ended = part.await;
            drop(held);
            ended
        }
    }
}
