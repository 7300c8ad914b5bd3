//! The catalog: what is known beside the events. Metadata of markets, events and series with their
//! history, gatherers and their sessions, the archive's manifest, the audit of repairs, leases.
//!
//! SQLite or PostgreSQL, by the URL; the API is the same and no SQL leaves this crate. Statements
//! stand in `sql`, and every one of them is run on both engines by the tests. Absent: what a
//! market's metadata means, and any clock: times are arguments, Unix milliseconds.

mod catalog;
mod damage;
mod db;
mod error;
mod fleet;
mod lease;
mod manifest;
mod metadata;
mod recovery;
mod sql;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod url;

pub use catalog::Catalog;
pub use error::CatalogError;
pub use fleet::{Gatherer, MarketId, Session};
pub use lease::{Lease, Leased};
pub use manifest::{ArchivedFile, JournalSpan, ManifestTotals, Place};
pub use metadata::{
    Changes, EventMeta, Kind, Market, MarketFilter, MarketMeta, SeriesMeta, Stored, Version,
};
pub use recovery::{Action, Recovery, RecoveryFilter};
pub use url::CatalogUrl;

#[cfg(test)]
mod tests;
