//! Every program in one binary, so that the stories can start and kill real processes; and the two commands
//! that take long: `programs faults …` and `programs load …`.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    clickhouse_dev::run_engine_if_asked();
    if let Some(code) = demo::host::run_if_asked(std::env::args_os()) {
        return code;
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|first| first.to_str()) {
        Some("faults") => system_tests::matrix::command::main_with(args),
        Some("load") => system_tests::load::main_with(args),
        _ => ExitCode::from(service::exit::TOLD_WRONG),
    }
}
