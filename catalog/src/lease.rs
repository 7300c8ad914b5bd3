//! Leases: who may do what only one may do, and until when.
//!
//! Times are the callers': their clocks must agree better than the length of a lease. The token
//! rises with every change of hands, so that a store can refuse who came late.

use crate::catalog::Catalog;
use crate::db::{Row, args};
use crate::error::{CatalogError, counted};
use crate::sql;

/// A lease as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Who has it, or had it last.
    pub holder: String,
    /// Until when, Unix ms; 0: given back.
    pub until_ms: i64,
    /// Rises with every change of hands.
    pub token: u64,
}

/// What became of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leased {
    /// It is ours until then.
    Ours(Lease),
    /// Another has it.
    Theirs(Lease),
}

impl Catalog {
    /// Takes or extends a lease up to `until_ms`, if it is `holder`'s, free, or over at `now_ms`.
    ///
    /// # Errors
    /// When the catalog fails; then it is not ours.
    pub async fn try_lease(
        &self,
        name: &str,
        holder: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Leased, CatalogError> {
        let taken = self.db.one(sql::TAKE_LEASE, args![name, holder, now_ms, until_ms]).await?;
        if let Some(row) = taken {
            return Ok(Leased::Ours(lease(&row)?));
        }
        let held = self.lease(name).await?;
        // A lease is never deleted.
        held.map(Leased::Theirs)
            .ok_or(CatalogError::Strange { what: "a lease", text: name.to_owned() })
    }

    /// A lease as it stands.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn lease(&self, name: &str) -> Result<Option<Lease>, CatalogError> {
        self.db.one(sql::LEASE, args![name]).await?.as_ref().map(lease).transpose()
    }

    /// Gives a lease back; `false`: it was not `holder`'s.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<bool, CatalogError> {
        Ok(self.db.execute(sql::RELEASE_LEASE, args![name, holder]).await? > 0)
    }
}

fn lease(row: &Row) -> Result<Lease, CatalogError> {
    let token = counted("token", row.int(2)?)?;
    Ok(Lease { holder: row.text(0)?, until_ms: row.int(1)?, token })
}
