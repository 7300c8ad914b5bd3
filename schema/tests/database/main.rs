//! The migrations and the rows, on a real engine: our own, or the server at `CLICKHOUSE_URL`.

mod base;
mod keys;
mod rows;
mod sample;
