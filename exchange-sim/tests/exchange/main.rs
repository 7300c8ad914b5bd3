//! The simulated exchange, seen by a real WebSocket client and by plain HTTP.

#![expect(clippy::unwrap_used, reason = "a test that meets None or Err has failed")]

mod client;
mod commands;
mod faults;
mod handshake;
mod markets;
mod program;
mod replay;
mod rest;
mod stream;
mod world;
