//! Where the catalog is, as typed in `CATALOG_URL`; shown without password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// A catalog's place.
#[derive(Clone)]
pub struct CatalogUrl(pub(crate) Target);

#[derive(Clone)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl CatalogUrl {
    /// An SQLite file; made if missing.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Target::Sqlite(path.into()))
    }

    /// The SQLite file; `None` for a server.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Target::Sqlite(path) => Some(path),
            Target::Postgres(_) => None,
        }
    }
}

impl FromStr for CatalogUrl {
    type Err = String;

    /// `sqlite:PATH` or `postgres://user:password@host/database`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("sqlite: needs a path, as in sqlite:data/catalog.sqlite".to_owned())
            } else {
                Ok(Self::sqlite(path))
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The library's message may repeat the URL, and with it the password.
            let options = text.parse::<PgConnectOptions>().map_err(|_| {
                "not a PostgreSQL address such as postgres://user:password@host/database".to_owned()
            })?;
            return Ok(Self(Target::Postgres(Box::new(options))));
        }
        Err("neither sqlite:PATH nor postgres://user:password@host/database".to_owned())
    }
}

impl fmt::Display for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Target::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_shown_without_its_password() {
        let shown = |text: &str| text.parse::<CatalogUrl>().map(|url| format!("{url} {url:?}"));
        assert_eq!(shown("sqlite:a/b.sqlite").unwrap(), "sqlite:a/b.sqlite sqlite:a/b.sqlite");
        assert_eq!(shown("sqlite:///abs").unwrap(), "sqlite:/abs sqlite:/abs");
        let shown_there = shown("postgres://me:hunter2@db:5433/kalshi").unwrap();
        assert_eq!(shown_there, "postgres://db:5433/kalshi postgres://db:5433/kalshi");
        for wrong in ["", "sqlite:", "mysql://x", "postgres://me:hunter2@db:port/x"] {
            let told = wrong.parse::<CatalogUrl>().unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
