//! What each command does, one file each; what they share is made here.

mod list;
mod poll;
mod refetch;
mod repair;
mod report;
mod show;
mod verify;

use anyhow::Context as _;
use service::clock::Clock;
use store::Store;

use crate::audit::Audit;
use crate::config::{Config, Task};
use crate::ledger;
use crate::rest::{self, Exchange};

/// What the commands work with.
pub(crate) struct Tools<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Store,
    pub(crate) http: reqwest::Client,
    pub(crate) exchange: Exchange,
    pub(crate) audit: Audit,
    clock: Clock,
}

impl Tools<'_> {
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall_ns().div_euclid(1_000_000)
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.wall_ns().div_euclid(1_000)
    }
}

/// Does what was asked.
pub(crate) async fn run(config: &Config, clock: Clock) -> anyhow::Result<()> {
    let http = rest::client(config.rest.ca_file.as_deref())?;
    let store = Store::new(&config.store)?;
    ledger::check(&store).await?;
    let tools = Tools {
        store,
        exchange: Exchange::new(&config.rest, http.clone(), clock),
        http,
        // Before anything is written: what cannot be audited is not done.
        audit: Audit::open(config.catalog.as_ref()).await.context("the audit")?,
        config,
        clock,
    };
    match &config.task {
        Task::List(filter) => list::run(&tools, filter).await,
        Task::Show(filter) => show::run(&tools, filter).await,
        Task::Poll { tickers, dry_run } => poll::run(&tools, tickers, *dry_run).await,
        Task::Repair { filter, dry_run } => repair::run(&tools, filter, *dry_run).await,
        Task::Refetch { tickers, span_ms, dry_run } => {
            refetch::run(&tools, tickers, *span_ms, *dry_run).await
        }
        Task::Verify(filter) => verify::run(&tools, filter).await,
        Task::Report { filter, out } => report::run(&tools, filter, out.as_deref()).await,
    }
}
