//! Opening the catalog: connections, and tables brought to this program's version.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::damage;
use crate::db::Db;
use crate::error::CatalogError;
use crate::url::{CatalogUrl, Target};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a writer waits for another process's transaction.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// How long a connection is waited for.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Of one program to PostgreSQL; a fleet must fit its default of a hundred.
const CONNECTIONS_MAX: u32 = 4;
/// Two programs that make the same SQLite file at once: the second finds the tables there.
const MIGRATE_TRIES: u32 = 3;

/// An open catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) db: Db,
}

impl Catalog {
    /// Connects, and makes or brings forward the tables.
    ///
    /// # Errors
    /// When it cannot be reached, is damaged, or belongs to a newer version of the program.
    pub async fn open(url: &CatalogUrl) -> Result<Self, CatalogError> {
        let open = |source| CatalogError::Open { at: url.to_string(), source };
        let migrate = |source| CatalogError::Migrate { at: url.to_string(), source };
        let db = match &url.0 {
            Target::Sqlite(path) => {
                let pool = sqlite(path).await.map_err(|source| match damage::said(&source) {
                    Some(what) => damage::damaged(path, &what),
                    None => open(source),
                })?;
                damage::look(&pool).await?;
                let mut tries = 1;
                while let Err(error) = SQLITE.run(&pool).await {
                    if tries == MIGRATE_TRIES {
                        return Err(migrate(error));
                    }
                    tries += 1;
                }
                Db::Sqlite(pool)
            }
            Target::Postgres(options) => {
                let pool = postgres(options).await.map_err(open)?;
                POSTGRES.run(&pool).await.map_err(migrate)?;
                Db::Postgres(pool)
            }
        };
        Ok(Self { db })
    }

    /// Closes all connections; what is under way ends first.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

async fn sqlite(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Readers of other processes do not stop a writer; a commit is on disk all the same.
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_MAX);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await
}

async fn postgres(options: &PgConnectOptions) -> Result<PgPool, sqlx::Error> {
    let options = options.clone().application_name("kalshi-capture");
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT_MAX)
        .connect_with(options)
        .await
}
