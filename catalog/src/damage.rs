//! Whether an SQLite file is whole; what a person is told when it is not.

use std::path::Path;

use sqlx::sqlite::SqlitePool;

use crate::error::CatalogError;

/// SQLite's results for a file that is torn inside, and for one that is no database at all.
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

/// Reads the structure of the whole file: a damaged page is found at the start, not some day.
pub(crate) async fn look(pool: &SqlitePool) -> Result<(), CatalogError> {
    let path = pool.connect_options().get_filename().to_owned();
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(pool)
        .await
        .map_err(|source| named(&path, source, "check"))?;
    if found == "ok" { Ok(()) } else { Err(damaged(&path, &found)) }
}

/// A failure of SQLite by its name: damage, or that of the statement.
pub(crate) fn named(path: &Path, source: sqlx::Error, statement: &'static str) -> CatalogError {
    match said(&source) {
        Some(what) => damaged(path, &what),
        None => CatalogError::Statement { statement, source },
    }
}

/// What SQLite says about a damaged file; `None` for every other failure.
pub(crate) fn said(source: &sqlx::Error) -> Option<String> {
    let error = source.as_database_error()?;
    let code: i32 = error.code()?.parse().ok()?;
    matches!(code & 0xff, CORRUPT | NOT_A_DATABASE).then(|| error.message().to_owned())
}

pub(crate) fn damaged(path: &Path, what: &str) -> CatalogError {
    // Over several lines, and the first says nothing but that more follow.
    let what = what.lines().next_back().unwrap_or(what).to_owned();
    CatalogError::Damaged { path: path.to_owned(), what }
}
