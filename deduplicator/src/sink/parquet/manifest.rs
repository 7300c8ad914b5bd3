//! The archive's manifest, in the catalog: what every file holds, and how far the archive is.

use std::path::Path;

use anyhow::Context as _;
use spool::Position;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

use super::part::Finished;

/// Positions are of the journal named beside them: another journal's mean nothing here.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS archive_manifest (
    journal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    path TEXT NOT NULL PRIMARY KEY,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    from_incarnation INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_incarnation INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    min_ts_ms INTEGER NOT NULL,
    max_ts_ms INTEGER NOT NULL
) STRICT";

const INSERT: &str = "INSERT INTO archive_manifest (journal, dataset, path, rows, bytes, sha256, \
    from_incarnation, from_offset, to_incarnation, to_offset, min_ts_ms, max_ts_ms) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The manifest of one journal.
pub(super) struct Manifest {
    pool: SqlitePool,
    journal: String,
}

impl Manifest {
    pub(super) async fn open(catalog: &Path, journal: Uuid) -> anyhow::Result<Self> {
        let failed = || format!("cannot open the catalog {} (CATALOG_URL)", catalog.display());
        let options = SqliteConnectOptions::new()
            .filename(catalog)
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .with_context(failed)?;
        sqlx::query(CREATE).execute(&pool).await.with_context(failed)?;
        Ok(Self { pool, journal: journal.to_string() })
    }

    /// Where the next chunk begins; `None` if nothing was listed.
    pub(super) async fn cursor(&self) -> anyhow::Result<Option<Position>> {
        let row = sqlx::query(
            "SELECT to_incarnation, to_offset FROM archive_manifest WHERE journal = ? \
             ORDER BY to_incarnation DESC, to_offset DESC LIMIT 1",
        )
        .bind(&self.journal)
        .fetch_optional(&self.pool)
        .await
        .context("cannot read the archive's manifest")?;
        let Some(row) = row else { return Ok(None) };
        let incarnation = u32::try_from(row.try_get::<i64, _>(0)?)?;
        let offset = u64::try_from(row.try_get::<i64, _>(1)?)?;
        Ok(Some(Position { incarnation, offset }))
    }

    /// Whether a file of this name is listed, of whichever journal.
    pub(super) async fn has(&self, path: &str) -> anyhow::Result<bool> {
        let row = sqlx::query("SELECT 1 FROM archive_manifest WHERE path = ?")
            .bind(path)
            .fetch_optional(&self.pool)
            .await
            .context("cannot read the archive's manifest")?;
        Ok(row.is_some())
    }

    /// Files, rows and bytes of all that is listed.
    pub(super) async fn totals(&self) -> anyhow::Result<(u64, u64, u64)> {
        let row = sqlx::query(
            "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM archive_manifest",
        )
        .fetch_one(&self.pool)
        .await
        .context("cannot read the archive's manifest")?;
        let number = |at| anyhow::Ok(u64::try_from(row.try_get::<i64, _>(at)?)?);
        Ok((number(0)?, number(1)?, number(2)?))
    }

    /// Lists a chunk's files, all or none.
    pub(super) async fn list(
        &self,
        files: &[Finished],
        from: Position,
        to: Position,
    ) -> anyhow::Result<()> {
        let failed = "cannot write the archive's manifest";
        let mut transaction = self.pool.begin().await.context(failed)?;
        for file in files {
            sqlx::query(INSERT)
                .bind(&self.journal)
                .bind(file.dataset)
                .bind(&file.path)
                .bind(i64::try_from(file.rows)?)
                .bind(i64::try_from(file.bytes)?)
                .bind(&file.sha256)
                .bind(i64::from(from.incarnation))
                .bind(i64::try_from(from.offset)?)
                .bind(i64::from(to.incarnation))
                .bind(i64::try_from(to.offset)?)
                .bind(file.min_ts_ms)
                .bind(file.max_ts_ms)
                .execute(&mut *transaction)
                .await
                .context(failed)?;
        }
        transaction.commit().await.context(failed)
    }
}
