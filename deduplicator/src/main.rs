//! `kalshi-deduplicator`: reads `.env`, then hands everything to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match service::dotenv::load() {
        Ok(()) => deduplicator::main_with(args),
        Err(problem) => service::exit::LastWords::asked(&args).told_wrong(&[problem]),
    }
}
