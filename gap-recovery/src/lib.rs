//! The operator's tool for holes: what is missing, what can be fetched again, what is lost for good.
//!
//! A hole is a stretch of one market's clock that no gatherer covered (table `gaps`). What was lost
//! in it is three things, repaired in this order:
//!
//! 1. *The book.* The deduplicator ends every hole with a canonical snapshot (`get_snapshot`, or the
//!    snapshot of a new subscription), so the book after it is whole. It is checked, not made, here.
//! 2. *Evidence of the book* from outside the feed: books over REST, in `orderbook_snapshots`
//!    (command `poll`). They have no clock and never enter the stream. A repair fetches one itself for
//!    an ended hole without its snapshot, if none is there that was received since.
//! 3. *Trades.* The exchange keeps them; those of the span that are not stored are stored, marked
//!    `recovered` (command `trades`).
//!
//! The single deltas inside a hole are lost whatever its state: no interface gives them again. So the
//! row in `gaps` stays for ever, and a backtest that needs the path leaves the span out.
//!
//! A market that opened while nobody listened has no hole: its record begins with its first snapshot.
//! Its earlier trades can be had by naming it: `trades TICKER --span FROM..TO`.
//!
//! # When a hole is what
//! - `open`: nobody has looked, or it could not be settled yet. Trades may reach REST and the stores
//!   late, so none younger than the margin (60 s) is called missing; and since they are looked for up
//!   to a margin after the hole, it is not settled before its end is two margins old.
//! - `repaired`: the canonical snapshot after it is stored, and both `/markets/trades` and
//!   `/historical/trades` were read to their ends for the span, widened by the margin on both sides,
//!   and every trade they gave is stored.
//! - `permanent`: the snapshot is stored, but the exchange knows the market neither among its
//!   markets nor in its archive, and gave no trade: nothing can be fetched, now or later.
//!
//! The rule is [`verdict`]'s, a pure function. A state is a row of a higher version, never an update:
//! running anything twice writes nothing the second time, neither rows nor audit.
//!
//! A row of cause `covered_again` takes a hole without end back. It is no hole: it is listed and shown,
//! and otherwise left alone.
//!
//! # What the audit says
//! Every row that is written, in `recovery_audit` of the catalog:
//! - `trades`, outcome `begun`: so many trades of a market are going to be stored with the `ingest_ts`
//!   that the detail names (`ingest_us`). It stands before they do.
//! - `trades`, outcome `ok`: a hole (or the span of `--span`) is done; its rows are the trades that were
//!   stored for it, those of the `begun` before it. Sum these alone. Where it does not follow, the run
//!   ended in between, and `ingest_ts` tells whether the trades are there.
//! - `poll`: a book was fetched, outcome `ok`; by hand, also why not.

mod admin;
mod args;
mod audit;
mod books;
mod commands;
mod config;
mod fetch;
mod hole;
mod ledger;
mod pace;
mod parse;
mod plan;
mod progress;
mod record;
mod rest;
mod sweep;
mod table;
mod times;
mod trades;
mod verdict;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use service::clock::Clock;

pub use args::Args;
pub use config::Config;

/// The whole program.
///
/// 0 done and nothing is wrong, 1 failed or something is wrong, 64 told wrong things.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => {
            let code = if told.use_stderr() { service::exit::TOLD_WRONG } else { 0 };
            // A closed terminal must not turn one failure into another.
            told.print().unwrap_or_default();
            return ExitCode::from(code);
        }
    };
    let clock = Clock::start();
    let config = match Config::from_args(args, clock.wall_ns().div_euclid(1_000_000)) {
        Ok(config) => config,
        Err(problems) => return service::exit::told_wrong(&problems),
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    done = commands::run(&config, clock) => done,
                    () = service::stop::requested() => {
                        Err(anyhow::anyhow!("interrupted: what was finished is stored"))
                    }
                }
            })
        });
    service::exit::code(&result)
}
