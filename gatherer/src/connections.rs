//! Keeps the right connections open: one task each, more when new markets open, fewer when all of one's are gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use exchange::Moment;
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    choice::Choice,
    link::{Link, Markets, Wiring},
    markets,
    rest::Rest,
    spread::{Change, Spread},
    telemetry,
};

/// While no markets are known at all, they are asked for again after this.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// All connections and what decides about them.
pub(crate) struct Connections {
    wiring: Arc<Wiring>,
    rest: Rest,
    choice: Choice,
    refresh_every: Duration,
    spread: Spread,
    links: JoinSet<()>,
    open: BTreeMap<usize, Open>,
    stopping: CancellationToken,
}

/// The strings to one connection's task.
struct Open {
    stop: CancellationToken,
    wanted: watch::Sender<Markets>,
}

impl Connections {
    pub(crate) fn new(
        wiring: Arc<Wiring>,
        rest: Rest,
        config: &crate::Config,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            wiring,
            rest,
            choice: config.markets.clone(),
            refresh_every: config.markets_refresh,
            spread: Spread::new(config.markets_per_connection),
            links: JoinSet::new(),
            open: BTreeMap::new(),
            stopping,
        }
    }

    /// Captures `first`, and what opens later, until told to stop; then every connection has said goodbye.
    ///
    /// # Errors
    /// When a connection's task panicked.
    pub(crate) async fn run(mut self, first: BTreeSet<String>) -> anyhow::Result<()> {
        let stopping = self.stopping.clone();
        self.apply(&first);
        let mut known = !first.is_empty();
        loop {
            let pause = if known { self.refresh_every } else { RETRY_EVERY };
            tokio::select! {
                () = stopping.cancelled() => break,
                () = sleep(pause), if self.choice.is_open_ended() => {
                    known |= stopping.run_until_cancelled(self.look()).await.unwrap_or(false);
                }
                Some(ended) = self.links.join_next(), if !self.links.is_empty() => {
                    ended.context("a connection panicked")?;
                }
            }
        }
        while let Some(ended) = self.links.join_next().await {
            ended.context("a connection panicked")?;
        }
        Ok(())
    }

    /// Asks which markets there are now; `false` if none are known.
    async fn look(&mut self) -> bool {
        match markets::listed(&self.rest, &self.choice).await {
            Ok(listed) if listed.is_empty() => {
                telemetry::no_markets(&self.choice);
                false
            }
            Ok(listed) => {
                self.apply(&listed);
                true
            }
            Err(error) => {
                telemetry::rest_failed("markets", &error.into());
                false
            }
        }
    }

    fn apply(&mut self, listed: &BTreeSet<String>) {
        let now = Moment::from_nanos(self.wiring.clock.mono_ns());
        for change in self.spread.update(listed, now) {
            match change {
                Change::Close { index } => {
                    if let Some(open) = self.open.remove(&index) {
                        open.stop.cancel();
                        telemetry::connection_removed(index);
                    }
                }
                Change::Carry { index, markets } => {
                    if let Some(open) = self.open.get(&index) {
                        open.wanted.send_replace(Arc::new(markets));
                    }
                }
                Change::Open { index, markets } => {
                    let stop = self.stopping.child_token();
                    let (wanted, receiver) = watch::channel(Arc::new(markets));
                    let link = Link::new(Arc::clone(&self.wiring), index, receiver, stop.clone());
                    self.open.insert(index, Open { stop, wanted });
                    self.links.spawn(link.run());
                }
            }
        }
    }
}
