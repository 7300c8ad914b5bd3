//! One ClickHouse database: how it is reached, brought to the right schema, and written to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use service::redacted::Secret;

use crate::error::StoreError;
use crate::pieces::Pieces;

/// How long the server may take to accept a chunk of an insert.
const SEND_MAX: Duration = Duration::from_secs(15);
/// How long the server may take to confirm an insert; afterwards its fate is unknown and it is
/// sent again under the same token.
const CONFIRM_MAX: Duration = Duration::from_secs(60);
/// ClickHouse closes an idle connection after three seconds; we let go before.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Where the database is.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `http://host:port` or `https://...`.
    pub url: String,
    /// User; `default` unless set otherwise.
    pub user: String,
    /// Its password; may be empty.
    pub password: Secret,
    /// Database; made if missing.
    pub database: String,
}

/// A database that batches are written to. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    server: Client,
    database: String,
    url: String,
    /// How the batch in hand is cut; `None`: every insert is sent whole.
    pieces: Option<Arc<Pieces>>,
}

impl Store {
    /// Prepares connections; nothing is sent yet.
    ///
    /// # Errors
    /// When the URL cannot be used or the root certificates cannot be read.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        if !(config.url.starts_with("http://") || config.url.starts_with("https://")) {
            return Err(StoreError::BadUrl { url: without_user(&config.url) });
        }
        let server = client()?
            .with_url(&config.url)
            .with_user(&config.user)
            .with_password(config.password.expose())
            // A server since 26.2 would otherwise confirm before it has stored.
            .with_setting("async_insert", "0");
        let client = server.clone().with_database(&config.database);
        let url = without_user(&config.url);
        Ok(Self { client, server, database: config.database.clone(), url, pieces: None })
    }

    /// The same database, for inserts that are cut as `pieces` says.
    pub(crate) fn cut_by(&self, pieces: Arc<Pieces>) -> Self {
        Self { pieces: Some(pieces), ..self.clone() }
    }

    /// The client on this database, for queries.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's address, without user or password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.run(&self.server, "SELECT 1", "ping").await
    }

    /// Makes the database and brings it to the newest schema; does nothing where nothing is due.
    ///
    /// # Errors
    /// When a statement fails, or the database belongs to a newer version of the program.
    pub async fn migrate(&self, role: schema::Role) -> Result<(), StoreError> {
        let create = format!("CREATE DATABASE IF NOT EXISTS `{}`", self.database.replace('`', ""));
        self.run(&self.server, &create, "create database").await?;
        self.run(&self.client, schema::CREATE_MIGRATIONS_TABLE, "create schema_migrations").await?;
        let applied: Vec<(u32, String)> = self
            .client
            .query(schema::APPLIED_MIGRATIONS)
            .fetch_all()
            .await
            .map_err(|source| StoreError::statement("read schema_migrations", source))?;
        let applied: BTreeMap<u32, String> = applied.into_iter().collect();
        for migration in schema::due(role, &applied)? {
            self.apply(migration).await?;
        }
        Ok(())
    }

    async fn apply(&self, migration: &schema::Migration) -> Result<(), StoreError> {
        let doing = format!("migration {} ({})", migration.number, migration.name);
        for statement in &migration.statements {
            self.run(&self.client, statement, &doing).await?;
        }
        self.client
            .query(
                "INSERT INTO schema_migrations (number, name, checksum, applied_at) \
                 VALUES (?, ?, ?, now64(3))",
            )
            .bind(migration.number)
            .bind(migration.name)
            .bind(&migration.checksum)
            .execute()
            .await
            .map_err(|source| StoreError::statement(doing.clone(), source))?;
        tracing::info!(
            component = "store",
            event = "migration_applied",
            number = migration.number,
            migration.name
        );
        Ok(())
    }

    /// Writes `rows` as one block that the server stores once per `token`, however often it is
    /// sent. No rows: nothing is sent.
    ///
    /// # Errors
    /// When the server did not confirm. It may have stored the rows all the same: send the same rows
    /// again under the same token.
    pub async fn insert<T>(&self, table: &str, rows: &[T], token: &str) -> Result<(), StoreError>
    where
        T: clickhouse::RowOwned + clickhouse::RowWrite + Serialize,
    {
        if rows.is_empty() {
            return Ok(());
        }
        failpoint::hit("store.table-due");
        let Some(pieces) = &self.pieces else {
            return self.send(table, rows, &format!("{token}/{table}")).await;
        };
        while let Some(piece) = pieces.next(table, rows.len()) {
            let block = rows.get(piece.rows.clone()).unwrap_or_default();
            match self.send(table, block, &piece.token).await {
                Ok(()) => pieces.confirmed(&piece, rows.len()).map_err(StoreError::Pieces)?,
                Err(error) => {
                    if pieces.failed(&piece, error.category()).map_err(StoreError::Pieces)? {
                        tracing::info!(
                            component = "store",
                            event = "insert_halved",
                            table,
                            rows = block.len(),
                            "too much for the store's memory: half of it at a time"
                        );
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn send<T>(&self, table: &str, rows: &[T], token: &str) -> Result<(), StoreError>
    where
        T: clickhouse::RowOwned + clickhouse::RowWrite + Serialize,
    {
        let sent = self.send_block(table, rows, token).await;
        sent.map_err(|source| StoreError::statement(format!("insert into {table}"), source))
    }

    async fn send_block<T>(
        &self,
        table: &str,
        rows: &[T],
        token: &str,
    ) -> Result<(), clickhouse::error::Error>
    where
        T: clickhouse::RowOwned + clickhouse::RowWrite + Serialize,
    {
        let mut insert = self
            .client
            .insert::<T>(table)
            .await?
            .with_timeouts(Some(SEND_MAX), Some(CONFIRM_MAX))
            .with_setting("insert_deduplicate", "1")
            .with_setting("insert_deduplication_token", token);
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }

    async fn run(&self, client: &Client, sql: &str, doing: &str) -> Result<(), StoreError> {
        // Statements of the schema hold no parameters, but may hold question marks.
        client.query_raw(sql).execute().await.map_err(|source| StoreError::statement(doing, source))
    }
}

/// Small inserts stall 40 ms behind Nagle's algorithm, so it is off.
fn client() -> Result<Client, StoreError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(5)));
    tcp.enforce_http(false);
    let tls = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(StoreError::Roots)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let http = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_MAX).build(tls);
    Ok(Client::with_http_client(http))
}

/// The URL with `user:password@` taken out, for messages.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://{}", &url[at + 1..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        assert_eq!(without_user("http://me:secret@db:8123/"), "http://db:8123/");
        assert_eq!(without_user("http://db:8123"), "http://db:8123");
    }
}
