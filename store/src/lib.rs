//! A log, followed into ClickHouse: batches whose borders are log positions, fixed before the
//! first send, so that a batch sent again is the same batch.
//!
//! What a record means and which rows it makes is the caller's ([`Rows`]); which server answers (a
//! real one or `clickhouse-dev`) is nobody's business.

mod batch;
mod behind;
mod connect;
mod error;
mod exported;
mod follow;
mod identity;
mod pieces;
mod retry;

#[doc(hidden)]
pub use batch::{Borders, Intent, Reading};
pub use behind::Behind;
pub use connect::{Store, StoreConfig};
pub use error::{Category, StoreError};
pub use exported::METRICS;
pub use follow::{FollowConfig, Progress, Rows, follow};
