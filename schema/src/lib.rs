//! What is stored in ClickHouse: tables, columns, migrations, and the rows that go into them.
//!
//! No connection is made here: statements are handed out and the caller runs them on a client that
//! has chosen its database. `README.md` says why each engine, order, codec and partition was taken.

mod migrations;
pub mod rows;

pub use migrations::{
    APPLIED_MIGRATIONS, CREATE_MIGRATIONS_TABLE, Migration, Role, SINK_CURSOR, SchemaError, due,
    migrations,
};
