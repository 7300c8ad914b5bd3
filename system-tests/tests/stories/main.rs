//! Stories about the whole system, one a file; each starts real processes and ends with a comparison of
//! every stored event with what the exchange really did.

mod alone;
mod audited;
mod bad_inputs;
mod catalogued;
mod deduplicator_killed;
mod gap_recovery;
mod gatherer_killed;
mod lying;
mod maintenance;
mod matrix;
mod observability;
mod pages;
mod polled_books;
mod replay;
mod rolling;
mod secrets;
mod shares;
mod sockets;
mod status_page;
mod whole_way;

use demo::fleet::SimOptions;

/// The binary that hosts every program.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_programs");

/// A market that is busy enough to hit anything that can be hit, and light enough for two cores.
fn market(seed: u64) -> SimOptions {
    SimOptions { rate: 800, markets: 40, seed, ..SimOptions::default() }
}
