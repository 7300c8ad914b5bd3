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
mod terminal;
mod whole_way;

use std::time::Duration;

use anyhow::bail;
use clickhouse::Client;
use demo::fleet::{Fleet, SimOptions};

/// The binary that hosts every program.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_programs");
/// The binary that hosts the tools.
const TOOLS: &str = env!("CARGO_BIN_EXE_tools");
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LOOKS_MAX: u32 = 600;

/// A market that is busy enough to hit anything that can be hit, and light enough for two cores.
fn market(seed: u64) -> SimOptions {
    SimOptions { rate: 800, markets: 40, seed, ..SimOptions::default() }
}

/// The market with the most changes stored, once there is one.
async fn busiest(fleet: &Fleet) -> anyhow::Result<String> {
    let sql = "SELECT toString(market_ticker) FROM orderbook_events GROUP BY 1 \
               ORDER BY count() DESC LIMIT 1";
    let store = Client::default().with_url(&fleet.deduplicator.engine.url).with_database("kalshi");
    for _ in 0..LOOKS_MAX {
        // There is no table yet at first.
        if let Ok(Some(found)) = store.query(sql).fetch_optional::<String>().await {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    bail!("no market has changes")
}
