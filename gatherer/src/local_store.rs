//! This gatherer's own ClickHouse: starts the embedded engine where no server was named, and carries the spool into it.
//! Nothing here can hold up the sockets.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use clickhouse_dev::{ClickHouse, Options};
use service::{clock::Clock, redacted::Secret};
use spool::Log;
use store::{FollowConfig, Progress, Store, StoreConfig};
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, LocalStore},
    rows::GathererRows,
    telemetry,
};

/// How often the embedded engine is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The store, and the engine behind it if it is ours.
pub(crate) struct Local {
    pub(crate) store: Arc<Store>,
    engine: Option<ClickHouse>,
}

/// Prepares the store; starts the engine if one is to be embedded. `None`: there is to be none.
///
/// # Errors
/// When the engine does not start. A server that does not answer is no error: it is tried for ever.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Option<Local>> {
    match &config.local_store {
        LocalStore::Off => Ok(None),
        LocalStore::Server(server) => {
            let store = Arc::new(Store::new(server).context("CLICKHOUSE_URL")?);
            Ok(Some(Local { store, engine: None }))
        }
        LocalStore::Embedded { database } => {
            let options =
                Options { data: Some(config.data_dir.join("clickhouse")), ..Options::default() };
            let engine = finished(spawn_blocking(|| ClickHouse::start(options)).await)?
                .context("cannot start the embedded ClickHouse (CLICKHOUSE_URL is empty)")?;
            let store = Store::new(&StoreConfig {
                url: engine.url().to_owned(),
                user: engine.user().to_owned(),
                password: Secret::default(),
                database: database.clone(),
            })?;
            Ok(Some(Local { store: Arc::new(store), engine: Some(engine) }))
        }
    }
}

/// Follows the spool into the store until `finished_writing`, then stores the rest and ends the engine.
///
/// # Errors
/// When the spool is damaged, or the database belongs to a newer version.
pub(crate) async fn run(
    local: Local,
    log: Log,
    config: &Config,
    clock: Clock,
    progress: watch::Sender<Progress>,
    finished_writing: CancellationToken,
) -> anyhow::Result<()> {
    let follow = FollowConfig {
        name: "gatherer".to_owned(),
        dir: sink_dir(&config.data_dir),
        batch_rows: config.batch_rows,
        flush_every: config.batch_flush,
        role: schema::Role::Gatherer,
        clock,
    };
    let rows = GathererRows::new(&config.gatherer_id);
    let Local { store, mut engine } = local;
    let following = store::follow(&store, log, follow, rows, progress, finished_writing);
    let outcome = {
        let mut following = std::pin::pin!(following);
        loop {
            tokio::select! {
                outcome = &mut following => break outcome,
                () = sleep(LOOK_EVERY), if engine.is_some() => engine = looked_after(engine).await?,
            }
        }
    };
    if let Some(engine) = engine {
        finished(spawn_blocking(|| engine.stop()).await)?;
    }
    outcome
}

/// Starts the engine again if it has ended by itself.
async fn looked_after(engine: Option<ClickHouse>) -> anyhow::Result<Option<ClickHouse>> {
    let Some(mut engine) = engine else { return Ok(None) };
    let look = move || {
        if !matches!(engine.has_ended(), Ok(None)) {
            let outcome = match engine.restart() {
                Ok(()) => "running again".to_owned(),
                Err(error) => error.to_string(),
            };
            telemetry::engine_restarted(&outcome);
        }
        engine
    };
    finished(spawn_blocking(look).await).map(Some)
}

/// Cursors of the sink that lie beside the spool.
pub(crate) fn sink_dir(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("sink")
}

fn finished<T>(outcome: Result<T, JoinError>) -> anyhow::Result<T> {
    outcome.context("a thread of the embedded ClickHouse panicked")
}
