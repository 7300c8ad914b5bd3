//! `gap-recovery`: reads `.env`, then hands everything to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match service::dotenv::load() {
        Ok(()) => gap_recovery::main_with(std::env::args_os()),
        Err(problem) => service::exit::told_wrong(&[problem]),
    }
}
