//! Keeps the right connections open for the right markets: one task each, more when new markets open, fewer when all of
//! one's are gone, and markets moved from those that have too much to carry.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use exchange::Moment;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    balance::Balance,
    discovery::Known,
    link::{Link, Said, Wiring},
    meter::Meter,
    spread::{Carried, Change, Spread},
    telemetry,
    universe::{Listed, Universe},
};

/// How long news wait to be acted upon together.
const TICK: Duration = Duration::from_secs(1);

/// All connections and what decides about them.
pub(crate) struct Connections {
    wiring: Arc<Wiring>,
    universe: Universe,
    /// Whether the universe has changed since the connections were told.
    is_news: bool,
    spread: Spread,
    balance: Balance,
    balance_every: Duration,
    counted_at: Moment,
    /// All that is carried, for those who ask about it otherwise.
    carried: watch::Sender<Arc<Carried>>,
    links: JoinSet<()>,
    open: BTreeMap<usize, Open>,
    stopping: CancellationToken,
}

/// What the connections are told.
pub(crate) struct Told {
    /// Whole lists of the exchange's markets.
    pub(crate) lists: mpsc::Receiver<Vec<Listed>>,
    /// What came on the sockets.
    pub(crate) said: mpsc::Receiver<Said>,
}

/// The strings to one connection's task.
struct Open {
    stop: CancellationToken,
    wanted: watch::Sender<Arc<Carried>>,
    meter: Arc<Meter>,
}

impl Connections {
    pub(crate) fn new(
        wiring: Arc<Wiring>,
        config: &crate::Config,
        carried: watch::Sender<Arc<Carried>>,
        stopping: CancellationToken,
    ) -> Self {
        let choice = config.markets.clone();
        let linger_s = i64::try_from(config.upkeep.linger.as_secs()).unwrap_or(i64::MAX);
        Self {
            counted_at: Moment::from_nanos(wiring.clock.mono_ns()),
            wiring,
            spread: Spread::new(config.markets_per_connection, choice.is_open_ended()),
            universe: Universe::new(choice, linger_s),
            is_news: true,
            balance: Balance::default(),
            balance_every: config.upkeep.rebalance_every,
            carried,
            links: JoinSet::new(),
            open: BTreeMap::new(),
            stopping,
        }
    }

    /// Captures what `first` lists, and what opens later, until told to stop; then every connection has said goodbye.
    ///
    /// # Errors
    /// When a connection's task panicked.
    pub(crate) async fn run(mut self, first: Known, mut told: Told) -> anyhow::Result<()> {
        self.universe.leave_out(&first.look.archived);
        if let Some(list) = first.look.listed {
            self.universe.listed(list, self.now_s());
        }
        telemetry::markets::remembered(self.universe.remember(first.remembered));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                Some(list) = told.lists.recv() => {
                    self.universe.listed(list, self.now_s());
                    self.is_news = true;
                }
                Some(said) = told.said.recv() => self.hear(said),
                _ = ticks.tick() => self.tick(),
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

    fn now_s(&self) -> i64 {
        self.wiring.clock.wall_ns().div_euclid(1_000_000_000)
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::News(news) => {
                let now_s = self.now_s();
                self.is_news |= self.universe.heard(&news, now_s);
            }
            Said::Refused { index, markets } => {
                let changes = self.spread.refused(index, &markets);
                self.carry_out(changes);
            }
        }
    }

    fn tick(&mut self) {
        let now_s = self.now_s();
        // What the clock alone changes is known beforehand; a second is soon enough for it.
        if self.is_news || self.universe.passed(now_s) {
            self.is_news = false;
            let wanted = self.universe.wanted(now_s);
            let changes = self.spread.update(&wanted);
            self.carry_out(changes);
            telemetry::markets::known(self.universe.len());
            self.carried.send_replace(Arc::new(wanted));
        }
        let now = Moment::from_nanos(self.wiring.clock.mono_ns());
        let open = &self.open;
        let has = |index: usize, market: &str| {
            open.get(&index).is_some_and(|connection| connection.meter.has(market))
        };
        let before = self.balance.len();
        let touched = self.balance.end(&mut self.spread, has, now);
        telemetry::markets::moved(before - self.balance.len());
        self.send_to(&touched);
        if now.since(self.counted_at) >= self.balance_every {
            self.count(now);
            let touched = self.balance.begin(&self.spread, now);
            self.send_to(&touched);
        }
    }

    fn count(&mut self, now: Moment) {
        let secs = now.since(self.counted_at).as_secs_f64().max(0.001);
        self.counted_at = now;
        let counts: Vec<_> =
            self.open.values().flat_map(|connection| connection.meter.take_counts()).collect();
        self.spread.counted(counts, secs);
    }

    fn carry_out(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Close { index } => {
                    self.balance.closed(index);
                    if let Some(open) = self.open.remove(&index) {
                        open.stop.cancel();
                        telemetry::connection_removed(index);
                    }
                }
                Change::Carry { index } => self.send_to(&BTreeSet::from([index])),
                Change::Open { index } => {
                    let stop = self.stopping.child_token();
                    let markets = Arc::new(self.balance.carried(&self.spread, index));
                    let (wanted, receiver) = watch::channel(markets);
                    let meter = Arc::new(Meter::default());
                    let ends = (receiver, Arc::clone(&meter), stop.clone());
                    let link = Link::new(Arc::clone(&self.wiring), index, ends);
                    self.open.insert(index, Open { stop, wanted, meter });
                    self.links.spawn(link.run());
                }
            }
        }
    }

    /// Tells connections what they carry now.
    fn send_to(&self, connections: &BTreeSet<usize>) {
        for (index, open) in connections.iter().filter_map(|at| Some((*at, self.open.get(at)?))) {
            open.meter.expect(self.balance.arriving(index));
            open.wanted.send_replace(Arc::new(self.balance.carried(&self.spread, index)));
        }
    }
}
