//! `market-viewer`: reads `.env`, then hands everything to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A missing `.env` is the usual case; a broken one shows as missing settings.
    dotenvy::dotenv().map(drop).unwrap_or_default();
    market_viewer::main_with(std::env::args_os())
}
