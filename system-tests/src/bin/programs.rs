//! Every program in one binary, so that the stories can start and kill real processes.

use std::process::ExitCode;

fn main() -> ExitCode {
    clickhouse_dev::run_engine_if_asked();
    demo::host::run_if_asked(std::env::args_os()).unwrap_or(ExitCode::from(64))
}
