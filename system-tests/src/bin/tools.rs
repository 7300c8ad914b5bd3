//! The operator's tools in one binary, as `programs` is for what runs all the time.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|first| first.to_str()) {
        Some("gap-recovery") => gap_recovery::main_with(args),
        Some("market-viewer") => market_viewer::main_with(args),
        _ => ExitCode::from(64),
    }
}
