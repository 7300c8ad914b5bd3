//! Gatherers' spools, the stream, the merge, the journal, checkpoints, acks, trimming and a sink in
//! one thread, on made-up time, networks and disks: the same seed gives the same decisions.
//!
//! Real: `spool` on a disk that forgets what was not synced, capture records, frames as JSON and
//! their decoding, the deduplicator's recovery, pipeline, journal and checkpoints (`Node`), the
//! merge, batch borders and intents of `store`. Made up: the exchange and its connections, HTTP/2,
//! ClickHouse (tables that know their deduplication tokens), and the two loops that are all waiting:
//! the gatherer's stream and the sink's, which are told here in the order of the real ones.
//!
//! What must come out: see `oracle`.

mod feed;
mod gatherer;
mod oracle;
mod plan;
mod server;
mod sink;
mod truth;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use plan::Plan;
pub use world::Counts;

/// How a seed ended well.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of every decision and every stored byte.
    pub digest: u64,
    /// What was reached.
    pub counts: Counts,
}

/// Runs a seed to its end.
///
/// # Errors
/// What is not as it must be.
pub fn run(seed: u64) -> Result<Outcome, String> {
    run_plan(Plan::of(seed))
}

/// The journal of a seed's run, record by record: what else can be tried on real ones.
///
/// # Errors
/// What is not as it must be.
pub fn journal(seed: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut world = world::World::new(Plan::of(seed));
    world.run()?;
    let rows = world.server.tables.iter().flatten();
    Ok(rows.map(|(_, payload)| payload.clone()).collect())
}

/// Runs a plan to its end.
///
/// # Errors
/// What is not as it must be.
pub fn run_plan(plan: Plan) -> Result<Outcome, String> {
    let told = format!("{plan:?}");
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = world::World::new(plan);
        world.run()?;
        oracle::check(&world)?;
        Ok(Outcome { digest: world.digest(), counts: world.counts.clone() })
    }));
    let wrong: String = match ran {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(wrong)) => wrong,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default()
        }
    };
    Err(format!("{wrong}\n  {told}"))
}
