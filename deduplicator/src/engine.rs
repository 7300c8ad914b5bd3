//! The canonical ClickHouse: a server that somebody runs, or an engine of our own in `DATA_DIR`.

use anyhow::Context as _;
use service::redacted::Secret;
use store::{Store, StoreConfig};

use crate::config::{ClickHouse, Config};

/// What answers, and how to reach it.
pub(crate) struct Engine {
    own: Option<clickhouse_dev::ClickHouse>,
    store: Option<Store>,
}

impl Engine {
    /// Starts what is to be started. A server that does not answer is no error here: the journal
    /// holds what it will get.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        match &config.clickhouse {
            ClickHouse::Off => Ok(Self { own: None, store: None }),
            ClickHouse::Server(server) => Ok(Self { own: None, store: Some(Store::new(server)?) }),
            ClickHouse::Embedded { database } => {
                let data = Some(config.data_dir.join("clickhouse"));
                let options = clickhouse_dev::Options { data, ..Default::default() };
                let own =
                    tokio::task::spawn_blocking(move || clickhouse_dev::ClickHouse::start(options))
                        .await?
                        .context("cannot start the embedded ClickHouse")?;
                let store = Store::new(&StoreConfig {
                    url: own.url().to_owned(),
                    user: own.user().to_owned(),
                    password: Secret::default(),
                    database: database.clone(),
                })?;
                tracing::info!(
                    component = "clickhouse",
                    event = "clickhouse_started",
                    url = own.url(),
                    "embedded engine"
                );
                Ok(Self { own: Some(own), store: Some(store) })
            }
        }
    }

    pub(crate) fn store(&self) -> Option<Store> {
        self.store.clone()
    }

    pub(crate) async fn stop(self) {
        if let Some(own) = self.own {
            // It is a process of its own: a panic of the waiting thread leaves nothing to do here.
            drop(tokio::task::spawn_blocking(move || own.stop()).await);
        }
    }
}
