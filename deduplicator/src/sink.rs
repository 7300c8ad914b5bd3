//! What follows the journal: ClickHouse and the Parquet archive, each by its own cursor, and the
//! trimming of what both have.

pub(crate) mod clickhouse;
pub(crate) mod names;
pub(crate) mod parquet;
pub(crate) mod rows;
pub(crate) mod trim;
