//! One run of the demo: start, watch, perhaps damage, stop, perhaps verify.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use service::clock::Clock;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

use crate::args::Config;
use crate::chaos::{Chaos, recovered};
use crate::fleet::{DEDUPLICATOR, Fleet, Plan, Site, Venue, Wires, gatherer_names};
use crate::footprint::Footprint;
use crate::screen::Screen;
use crate::table::Status;
use crate::verify::{Holes, Outcome};

const TICK: Duration = Duration::from_secs(1);

/// Runs until `stop`, or until its time is over.
///
/// # Errors
/// When something cannot be started, ends by itself, or is not as it must be.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut screen = Screen::new();
    let (folder, temporary) = folder(&config)?;
    let host = std::env::current_exe().context("cannot find this program's own file")?;
    let plan = Plan {
        site: Site { host, folder: folder.clone() },
        venue: config.venue.clone(),
        gatherers: gatherer_names(config.gatherers),
        gatherer_settings: config.gatherer_settings.clone(),
        deduplicator_settings: config.deduplicator_settings.clone(),
        wires: Wires::default(),
        store_password: None,
    };
    screen.say(&format!("everything is kept in {}", folder.display()))?;
    let mut stop = std::pin::pin!(stop);
    let starting = Fleet::start(&plan, |what| screen.say(what).unwrap_or_default());
    let started = tokio::select! {
        started = starting => started?,
        () = &mut stop => return Ok(()),
    };
    let outcome = Run { config: &config, screen: &mut screen, chaos: config.chaos.map(Chaos::new) }
        .all(started, stop.as_mut())
        .await;
    let stays = config.keep || (outcome.is_err() && config.verify);
    match temporary {
        Some(temporary) if stays => {
            let kept = temporary.keep();
            screen.say(&format!("the data stays in {}", kept.display()))?;
        }
        Some(_) => screen.say("the temporary folder is removed (--keep or --data DIR keeps it)")?,
        None => screen.say(&format!("the data is in {}", folder.display()))?,
    }
    outcome
}

fn folder(config: &Config) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    match &config.data {
        Some(folder) => {
            let made = std::fs::create_dir_all(folder);
            made.with_context(|| format!("cannot create {} (--data)", folder.display()))?;
            Ok((folder.clone(), None))
        }
        None => {
            let folder = tempfile::Builder::new().prefix("kalshi-demo-").tempdir();
            let folder = folder.context("cannot create a temporary folder")?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}

struct Run<'a> {
    config: &'a Config,
    screen: &'a mut Screen,
    chaos: Option<Chaos>,
}

impl Run<'_> {
    async fn all(mut self, mut fleet: Fleet, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut footprint = Footprint::default();
        let watched = self.watch(&mut fleet, stop, &mut footprint).await;
        let verified = match watched {
            Ok(()) if self.config.verify => self.verify(&mut fleet).await,
            other => other,
        };
        self.screen.say("stopping")?;
        let stopped = fleet.stop().await;
        self.screen.say(&footprint.text())?;
        verified.and(stopped)
    }

    async fn watch(
        &mut self,
        fleet: &mut Fleet,
        stop: impl Future<Output = ()>,
        footprint: &mut Footprint,
    ) -> anyhow::Result<()> {
        let mut stop = std::pin::pin!(stop);
        tokio::select! {
            connected = fleet.connected() => connected?,
            () = &mut stop => return Ok(()),
        }
        if let Some(sim) = &fleet.sim {
            sim.resume().await?;
        }
        self.screen.say(&addresses(fleet))?;
        if let Some(seed) = self.config.chaos {
            self.screen.say(&format!("chaos with seed {seed}"))?;
        }
        tokio::select! {
            watched = self.until_over(fleet, footprint) => watched,
            () = &mut stop => Ok(()),
        }
    }

    /// Shows the status every so often, and damages in between, until the time is over.
    async fn until_over(
        &mut self,
        fleet: &mut Fleet,
        footprint: &mut Footprint,
    ) -> anyhow::Result<()> {
        let clock = Clock::start();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut happened = String::new();
        let mut due = self.chaos.as_mut().map(Chaos::calm);
        let mut shown = 0;
        loop {
            ticks.tick().await;
            let elapsed = Duration::from_nanos(clock.mono_ns());
            fleet.check_alive()?;
            footprint.look(elapsed.as_secs(), fleet.usage());
            if shown <= elapsed.as_secs() {
                let status = Status::of(fleet, elapsed.as_secs(), &happened).await;
                self.screen.draw(&status.text())?;
                shown = elapsed.as_secs() + self.screen.every_seconds();
            }
            if self.is_over(fleet, elapsed).await? {
                return Ok(());
            }
            if let (Some(chaos), Some(at)) = (&mut self.chaos, due)
                && at <= elapsed
            {
                let (who, damage) = chaos.pick(fleet.gatherers.len());
                happened = format!("{}: {damage}", fleet.gatherers[who].name);
                chaos.damage(fleet, who, damage).await?;
                recovered(fleet).await?;
                due = Some(Duration::from_nanos(clock.mono_ns()) + chaos.calm());
            }
        }
    }

    /// A replay ends with its recording, everything else when its time is over.
    async fn is_over(&self, fleet: &Fleet, elapsed: Duration) -> anyhow::Result<bool> {
        if self.config.seconds.is_some_and(|seconds| elapsed.as_secs() >= seconds) {
            return Ok(true);
        }
        let replays =
            matches!(&self.config.venue, Venue::Simulated(options) if options.replay.is_some());
        if !replays || self.config.seconds.is_some() || !self.config.verify {
            return Ok(false);
        }
        Ok(fleet.sim()?.replay_remaining().await? == Some(0))
    }

    async fn verify(&mut self, fleet: &mut Fleet) -> anyhow::Result<()> {
        self.screen.say("pausing the exchange; waiting until everything is stored")?;
        fleet.sim()?.pause().await?;
        fleet.caught_up().await?;
        fleet.sim()?.flush().await?;
        let clock = Clock::start();
        let status = Status::of(fleet, 0, "").await;
        fleet.deduplicator.program.stop().await?;
        self.screen.say("comparing ClickHouse and Parquet with the truth")?;
        let (killed, done) = match &self.chaos {
            Some(chaos) => (chaos.killed(), chaos.done()),
            None => (&[][..], 0),
        };
        let alone = fleet.gatherers.len() == 1 && done > 0;
        let holes = if alone { Holes::Justified } else { Holes::None };
        let report = Outcome::of(fleet, killed)?.verify(holes).await?;
        let seconds = clock.mono_ns() / 1_000_000_000;
        let damaged = if done > 0 { format!("after {done} damages, ") } else { String::new() };
        let latencies = status.latencies();
        self.screen.say(&format!("{damaged}compared in {seconds} s\n{report}  {latencies}"))?;
        match report.total() {
            0 => self.screen.say("verified: the record is the truth").map_err(Into::into),
            faults => bail!("the record is not the truth: {faults} faults"),
        }
    }
}

/// Where everything is, and what to try.
fn addresses(fleet: &Fleet) -> String {
    let mut out = String::from("\n");
    let mut line = |name: &str, http: &str, metrics: &str, clickhouse: &str| {
        out.push_str(&format!(
            "{name:<13} health http://{http}/health  metrics http://{metrics}/metrics  \
             ClickHouse {clickhouse}/play\n"
        ));
    };
    for gatherer in &fleet.gatherers {
        line(&gatherer.name, &gatherer.http, &gatherer.metrics, &gatherer.engine.url);
    }
    let deduplicator = &fleet.deduplicator;
    let url = &deduplicator.engine.url;
    line(DEDUPLICATOR, &deduplicator.http, &deduplicator.metrics, url);
    out.push_str(&format!("Parquet       {}\nto try:\n", deduplicator.parquet.display()));
    for query in [
        "SELECT market_ticker, side, price, size FROM latest_book ORDER BY ts DESC LIMIT 10",
        "SELECT gatherer, count() AS first FROM orderbook_events GROUP BY gatherer",
        "SELECT market_ticker, count() AS events, max(seq) AS seq FROM orderbook_events \
         GROUP BY market_ticker ORDER BY events DESC LIMIT 5",
    ] {
        let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
        out.push_str(&format!(
            "  curl '{url}/?database=kalshi&default_format=PrettyCompact' --data-binary \"{query}\"\n"
        ));
    }
    out
}
