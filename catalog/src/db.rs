//! The one place that knows that there are two engines: arguments in, rows out, transactions.
//!
//! Columns are 64-bit integers and texts only, so that both engines mean the same by them.

use std::path::PathBuf;

use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite, Transaction};

use crate::damage;
use crate::error::CatalogError;
use crate::sql::Statement;

/// A value to bind.
#[derive(Clone)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
}

/// Connections to an engine.
#[derive(Clone)]
pub(crate) enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction; undone unless committed.
pub(crate) enum Tx {
    /// And the file's path.
    Sqlite(Transaction<'static, Sqlite>, PathBuf),
    Postgres(Transaction<'static, Postgres>),
}

/// A row of integers and texts.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<&str>> for Arg {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

/// The values of a statement, in the order of `$1`, `$2`, ...
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

macro_rules! bound {
    ($text:expr, $args:expr) => {{
        let mut query = sqlx::query($text);
        for arg in $args {
            query = match arg {
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Db {
    /// Runs a statement; how many rows it touched.
    pub(crate) async fn execute(
        &self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<u64, CatalogError> {
        let done = match self {
            Self::Sqlite(pool) => bound!(statement.sqlite(), args)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(pool) => bound!(statement.postgres(), args)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
        };
        done.map_err(|source| self.failed(statement.name(), source))
    }

    /// All rows of a query.
    pub(crate) async fn all(
        &self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, CatalogError> {
        let rows = match self {
            Self::Sqlite(pool) => bound!(statement.sqlite(), args)
                .fetch_all(pool)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Self::Postgres(pool) => bound!(statement.postgres(), args)
                .fetch_all(pool)
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        };
        rows.map_err(|source| self.failed(statement.name(), source))
    }

    /// The row of a query, if there is one.
    pub(crate) async fn one(
        &self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, CatalogError> {
        Ok(self.all(statement, args).await?.into_iter().next())
    }

    pub(crate) async fn begin(&self) -> Result<Tx, CatalogError> {
        let begun = match self {
            // A reader that turns writer may find the file changed under it: begin as a writer.
            Self::Sqlite(pool) => {
                let path = pool.connect_options().get_filename().to_owned();
                pool.begin_with("BEGIN IMMEDIATE").await.map(|tx| Tx::Sqlite(tx, path))
            }
            Self::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
        };
        begun.map_err(|source| self.failed("begin", source))
    }

    fn failed(&self, statement: &'static str, source: sqlx::Error) -> CatalogError {
        match self {
            Self::Sqlite(pool) => {
                damage::named(pool.connect_options().get_filename(), source, statement)
            }
            Self::Postgres(_) => CatalogError::Statement { statement, source },
        }
    }
}

impl Tx {
    /// Runs a statement that may return a row.
    pub(crate) async fn one(
        &mut self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, CatalogError> {
        let row = match self {
            Self::Sqlite(tx, path) => {
                let row = bound!(statement.sqlite(), args).fetch_optional(&mut **tx).await;
                return row
                    .map(|row| row.map(Row::Sqlite))
                    .map_err(|source| damage::named(path, source, statement.name()));
            }
            Self::Postgres(tx) => bound!(statement.postgres(), args)
                .fetch_optional(&mut **tx)
                .await
                .map(|row| row.map(Row::Postgres)),
        };
        row.map_err(|source| CatalogError::Statement { statement: statement.name(), source })
    }

    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        match self {
            Self::Sqlite(tx, path) => {
                tx.commit().await.map_err(|source| damage::named(&path, source, "commit"))
            }
            Self::Postgres(tx) => tx
                .commit()
                .await
                .map_err(|source| CatalogError::Statement { statement: "commit", source }),
        }
    }
}

macro_rules! column {
    ($row:expr, $at:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($at),
            Row::Postgres(row) => row.try_get($at),
        }
        .map_err(|source| CatalogError::Statement { statement: "read a column", source })
    };
}

impl Row {
    pub(crate) fn int(&self, at: usize) -> Result<i64, CatalogError> {
        column!(self, at)
    }

    pub(crate) fn maybe_int(&self, at: usize) -> Result<Option<i64>, CatalogError> {
        column!(self, at)
    }

    pub(crate) fn text(&self, at: usize) -> Result<String, CatalogError> {
        column!(self, at)
    }

    pub(crate) fn maybe_text(&self, at: usize) -> Result<Option<String>, CatalogError> {
        column!(self, at)
    }
}
