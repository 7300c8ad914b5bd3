//! The gatherer's program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match service::dotenv::load() {
        Ok(()) => gatherer::main_with(args),
        Err(problem) => service::exit::LastWords::asked(&args).told_wrong(&[problem]),
    }
}
