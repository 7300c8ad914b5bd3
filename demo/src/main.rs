//! `cargo demo`: see `demo::args` for the flags and `demo::host` for what it is to its own children.

use std::process::ExitCode;

use clap::Parser as _;
use demo::args::{Args, Config};
use service::{exit, logs, stop};

fn main() -> ExitCode {
    clickhouse_dev::run_engine_if_asked();
    if let Some(code) = demo::host::run_if_asked(std::env::args_os()) {
        return code;
    }
    // Without a `.env` everything comes from the environment and the flags.
    dotenvy::dotenv().map(drop).unwrap_or_default();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(problem) => {
            problem.print().unwrap_or_default();
            return ExitCode::from(if problem.use_stderr() { exit::TOLD_WRONG } else { 0 });
        }
    };
    let config = match Config::from_args(&args) {
        Ok(config) => config,
        Err(problems) => return exit::told_wrong(&problems),
    };
    logs::init("warn", logs::Format::Text);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::code(&Err(error.into())),
    };
    exit::code(&runtime.block_on(demo::run::run(config, stop::requested())))
}
