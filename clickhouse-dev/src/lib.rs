//! A ClickHouse for one machine: the embedded engine behind ClickHouse's own HTTP interface.
//!
//! The engine is a process of its own. It is this very executable, started again with a hidden first
//! argument: a constructor that runs before `main` (see `engine`) sees it and takes over, so that any
//! binary that links this crate can host the engine, a test binary too, without a line of code for it.
//! Where the embedded library cannot run, a `clickhouse` binary on the PATH is started instead.
//! Nothing is decided here about what is stored.

mod cli;
mod clock;
mod config;
mod engine;
mod error;
mod fetch;
mod http;
mod launch;
mod options;
mod process;
mod unpack;

pub use cli::main_with;
pub use engine::run_engine_if_asked;
pub use error::StartError;
pub use options::{EngineKind, Options};
pub use process::ClickHouse;
