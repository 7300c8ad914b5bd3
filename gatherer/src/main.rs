//! The gatherer's program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A missing .env is everyday life; what it says wrongly is told with everything else.
    drop(dotenvy::dotenv());
    gatherer::main_with(std::env::args_os())
}
