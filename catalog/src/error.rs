//! What can go wrong with the catalog.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the catalog did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It cannot be reached, or its file cannot be opened.
    #[error("cannot open the catalog {at} (CATALOG_URL)")]
    Open {
        /// Where, without password.
        at: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Its tables cannot be brought to this program's version.
    #[error("cannot bring the catalog {at} to this program's tables")]
    Migrate {
        /// Where, without password.
        at: String,
        /// Why; a newer catalog is named as a missing migration.
        source: MigrateError,
    },
    /// The SQLite file is not what was written to it.
    #[error(
        "the catalog {path} is damaged ({what}); the record is not in it: move the file aside, with \
         its -wal and -shm, and start again; see runbooks/catalog-damaged.md"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// A statement failed.
    #[error("the catalog cannot do {statement}")]
    Statement {
        /// The statement's name.
        statement: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// A number that the catalog's columns cannot hold, or that they should not hold.
    #[error("{what} {number} is out of range")]
    OutOfRange {
        /// What it counts.
        what: &'static str,
        /// The number.
        number: String,
    },
    /// A text that is not what its column holds.
    #[error("the catalog holds {text:?} as {what}")]
    Strange {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
    },
}

impl CatalogError {
    /// Whether the same may succeed later.
    pub fn is_transient(&self) -> bool {
        let (Self::Open { source, .. } | Self::Statement { source, .. }) = self else {
            return false;
        };
        match source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => true,
            // SQLite: 5 busy, 6 locked. PostgreSQL: 08 connection, 40 serialisation, 53 resources,
            // 57 an operator's intervention.
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                matches!(&*code, "5" | "6" | "261" | "517")
                    || (code.len() == 5
                        && ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)))
            }),
            _ => false,
        }
    }
}

/// A count of ours as a column holds it.
pub(crate) fn stored(what: &'static str, number: u64) -> Result<i64, CatalogError> {
    i64::try_from(number).map_err(|_| CatalogError::OutOfRange { what, number: number.to_string() })
}

/// A column's number as a count of ours.
pub(crate) fn counted<T: TryFrom<i64>>(what: &'static str, number: i64) -> Result<T, CatalogError> {
    T::try_from(number).map_err(|_| CatalogError::OutOfRange { what, number: number.to_string() })
}
