//! Stories about the gatherer: the real program against the real simulated exchange, the real spool and, where it says so,
//! a real ClickHouse.

mod bad_starts;
mod balance;
mod capture;
mod clickhouse;
mod follow;
mod harness;
mod markets;
mod polls;
mod scale;
mod tls;
mod truth;
