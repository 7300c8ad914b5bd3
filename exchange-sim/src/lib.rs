//! A simulated Kalshi that misbehaves on request and keeps a truth log.
//!
//! It is written from the protocol alone and shares no code with the programs it tests. One port
//! serves WebSocket (`/trade-api/ws/v2`), REST (`/trade-api/v2/…`) and the faults (`/sim/…`).
//!
//! `generator` and `replay` make events; `hub` holds markets and connections and is the only
//! thing under the lock; `publish`, `execute` and `trouble` are what it does; `connection` moves
//! bytes. Nothing but `clock` reads the time, and the generator depends on its seed alone.

mod actions;
mod admin;
mod audience;
mod auth;
mod bench;
mod book;
mod catalogue;
mod channel;
mod clock;
mod commands;
mod config;
mod connection;
mod decimal;
mod event;
mod execute;
mod faults;
mod frames;
mod generator;
mod grid;
mod handshake;
mod hub;
mod lifecycle;
mod limits;
mod line;
mod listener;
mod market;
mod market_json;
mod program;
mod publish;
mod query;
mod ranks;
mod recording;
mod replay;
mod rest;
mod rest_trades;
mod schedule;
mod server;
mod session;
mod source;
mod tls;
mod trouble;
mod truth;
mod wire;

pub use config::{Args, Config};
pub use program::main_with;
pub use server::run;
