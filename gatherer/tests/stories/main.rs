//! Stories about the gatherer: the real program against the real simulated exchange, the real spool and, where it says so,
//! a real ClickHouse.

mod bad_starts;
mod capture;
mod clickhouse;
mod follow;
mod harness;
