//! The gatherer's program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match service::dotenv::load() {
        Ok(()) => gatherer::main_with(std::env::args_os()),
        Err(problem) => service::exit::told_wrong(&[problem]),
    }
}
