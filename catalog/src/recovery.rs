//! The audit of repairs: what was done about holes, by whom, with what outcome.

use crate::catalog::Catalog;
use crate::db::{Row, args};
use crate::error::{CatalogError, counted, stored};
use crate::sql;

/// Something that was done, or tried.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// When, Unix ms.
    pub at_ms: i64,
    /// Who: a person or a program.
    pub actor: String,
    /// What: `poll`, `trades`, ...
    pub action: String,
    /// In which market; `None`: in many.
    pub market_ticker: Option<String>,
    /// From when, Unix ms.
    pub from_ms: Option<i64>,
    /// To when, Unix ms.
    pub to_ms: Option<i64>,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// `ok`, or what went wrong.
    pub outcome: String,
    /// Rows that were written.
    pub rows_written: u64,
    /// More about it, JSON.
    pub detail: String,
}

/// An entry of the audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Its number, rising.
    pub id: u64,
    /// What it says.
    pub action: Action,
}

/// Which entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryFilter {
    /// Of this market.
    pub market_ticker: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Since then, Unix ms.
    pub since_ms: i64,
    /// With a lower number: the next page.
    pub before_id: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

impl Default for RecoveryFilter {
    fn default() -> Self {
        Self { market_ticker: None, action: None, since_ms: 0, before_id: None, limit: 1_000 }
    }
}

impl Catalog {
    /// Writes an entry; its number.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn record_recovery(&self, action: &Action) -> Result<u64, CatalogError> {
        let values = args![
            action.at_ms,
            &*action.actor,
            &*action.action,
            action.market_ticker.as_deref(),
            action.from_ms,
            action.to_ms,
            i64::from(action.dry_run),
            &*action.outcome,
            stored("rows_written", action.rows_written)?,
            &*action.detail,
        ];
        let row = self.db.one(sql::RECORD_RECOVERY, values).await?;
        counted("id", row.map_or(Ok(0), |row| row.int(0))?)
    }

    /// Entries, newest first.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn recoveries(&self, filter: &RecoveryFilter) -> Result<Vec<Recovery>, CatalogError> {
        let before = filter.before_id.map_or(Ok(i64::MAX), |id| stored("id", id))?;
        let values = args![
            filter.market_ticker.as_deref(),
            filter.action.as_deref(),
            filter.since_ms,
            before,
            i64::from(filter.limit),
        ];
        self.db.all(sql::RECOVERIES, values).await?.iter().map(recovery).collect()
    }
}

fn recovery(row: &Row) -> Result<Recovery, CatalogError> {
    let action = Action {
        at_ms: row.int(1)?,
        actor: row.text(2)?,
        action: row.text(3)?,
        market_ticker: row.maybe_text(4)?,
        from_ms: row.maybe_int(5)?,
        to_ms: row.maybe_int(6)?,
        dry_run: row.int(7)? != 0,
        outcome: row.text(8)?,
        rows_written: counted("rows_written", row.int(9)?)?,
        detail: row.text(10)?,
    };
    Ok(Recovery { id: counted("id", row.int(0)?)?, action })
}
