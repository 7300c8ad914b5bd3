//! Turns the views of several gatherers into one canonical record: ingest, merge, journal, sinks.
//!
//! What becomes of a frame is decided in crate `merge`; here frames are moved, records made durable,
//! and stores fed. See `run` for the order in which parts start and stop.

mod activity;
mod args;
mod assembly;
mod audit;
mod book;
mod catalog_metadata;
mod catalog_notes;
mod checkpoint;
mod config;
mod engine;
mod exported;
mod health;
mod ingest;
mod journal;
mod latency;
mod page;
mod parse;
mod pipeline;
mod recover;
mod run;
mod sampler;
mod share;
mod sink;
mod skew;
mod status;
mod telemetry;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

pub use args::Args;
pub use config::{Archive, ArchivePlace, ClickHouse, Config, GathererAddress};
pub use exported::METRICS;
#[doc(hidden)]
pub use pipeline::simulated;
pub use run::run;

/// The whole program: reads flags and environment, works until SIGINT or SIGTERM.
///
/// 0 stopped as asked, 1 failed, 64 told wrong things.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(code) = service::probe::asked("kalshi-deduplicator", &args) {
        return code;
    }
    let last_words = service::exit::LastWords::asked(&args);
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => return last_words.usage(&told),
    };
    let config = match Config::from_args(args) {
        Ok(config) => config,
        Err(problems) => return last_words.told_wrong(&problems),
    };
    let dir = config.log_dir.as_deref();
    let (level, format) = (&*config.log_level, config.log_format);
    let logged = match service::logs::start("deduplicator", level, format, dir) {
        Ok(logged) => logged,
        Err(error) => return last_words.code(&Err(error)),
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(run(config, service::stop::requested()));
            // A thread that a failed part left behind must not hold the exit.
            runtime.shutdown_timeout(std::time::Duration::from_secs(5));
            result
        });
    let code = last_words.code(&result);
    drop(logged);
    code
}
