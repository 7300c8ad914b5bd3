//! One market's canonical book in the terminal, as the deduplicator holds it now.
//!
//! It asks `GET /book/{ticker}` so many times a second and shows what changed. What is drawn is a
//! pure function of what was answered; nothing is stored but the lines of `--ndjson`.

mod args;
mod book;
mod compact;
mod config;
mod ladder;
mod run;
mod screen;
mod source;
mod state;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

pub use args::Args;
pub use config::Config;

/// The whole program.
///
/// 0 stopped as asked, 1 failed, 64 told wrong things.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => {
            let code = if told.use_stderr() { service::exit::TOLD_WRONG } else { 0 };
            // A closed terminal must not turn one failure into another.
            told.print().unwrap_or_default();
            return ExitCode::from(code);
        }
    };
    let config = match Config::from_args(&args) {
        Ok(config) => config,
        Err(problems) => return service::exit::told_wrong(&problems),
    };
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run::run(&config, service::stop::requested())));
    service::exit::code(&result)
}
