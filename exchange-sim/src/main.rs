//! The simulated exchange as a program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    exchange_sim::main_with(std::env::args_os())
}
