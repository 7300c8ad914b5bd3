//! Captures the feed on one machine: socket, stamp, decode, spool; from there local ClickHouse and gRPC.
//!
//! What is captured is on its way to the disk before anyone else sees it. The sockets wait for the spool only.

mod acks;
mod args;
mod balance;
mod board;
mod budget;
mod choice;
mod config;
mod connections;
mod decode_again;
mod dial;
mod discovery;
mod exported;
mod following;
mod health;
mod housekeeping;
mod http;
mod intake;
mod keep;
mod link;
mod local_store;
mod markets;
mod meter;
mod parse;
mod poll;
mod program;
mod remembered;
mod rest;
mod rounds;
mod rows;
mod sampler;
mod socket;
mod spread;
mod start;
mod status;
mod telemetry;
mod tls;
mod trim;
mod universe;
mod upkeep;
mod uplink;

pub use args::Args;
pub use choice::Choice;
pub use config::{Config, Listen, LocalStore, Venue};
pub use exported::METRICS;
pub use program::{main_with, run};
pub use rounds::Slot;
pub use upkeep::Upkeep;
