//! `programs load`: the whole system under load, with gatherers killed and the canonical store away, and what
//! that costs: memory ceilings, growth of spools and journal, time to catch up. A command, not a test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use demo::fleet::SimOptions;
use demo::verify::Holes;
use service::clock::Clock;
use service::exit;

use crate::{Story, Victim};

const TICK: Duration = Duration::from_secs(1);
const SHOW_EVERY: u64 = 10;
/// After an hour without a store there are millions of rows to store.
const CATCH_UP_MAX_S: u64 = 3_600;

/// Runs the whole system under load and prints what it costs.
///
/// Ten minutes of 20,000 deltas/s with a gatherer killed every minute: `load`. An hour without the canonical
/// ClickHouse at 2,000/s: `load --rate 2000 --seconds 60 --kill-every 0 --without-store 3600`.
///
/// Exit codes: 0 everything was as it must be, 1 something was not, 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "load", version)]
struct Args {
    /// Order book deltas a second of the simulated exchange; every gatherer receives all of them
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    rate: u32,
    /// How long the exchange trades with the store there
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// A gatherer is killed this often, in turn; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    kill_every: u64,
    /// Then the canonical ClickHouse is away for so long, and comes back
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    without_store: u64,
    /// Markets
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    markets: u32,
    /// Gatherers
    #[arg(long, value_name = "N", default_value_t = 3)]
    gatherers: usize,
    /// Decides what the exchange does
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Do not compare every event at the end (it takes some 300 bytes of memory an event)
    #[arg(long)]
    no_verify: bool,
}

/// The command, its name first among `args`.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(problem) => {
            problem.print().unwrap_or_default();
            return ExitCode::from(if problem.use_stderr() { exit::TOLD_WRONG } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    exit::code(&runtime.context("cannot start the runtime").and_then(|it| it.block_on(run(&args))))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let host = std::env::current_exe().context("cannot find this program's own file")?;
    let host = host.to_str().context("this program's path is not UTF-8")?;
    let sim = SimOptions {
        rate: args.rate,
        markets: args.markets,
        seed: args.seed,
        ..SimOptions::default()
    };
    let story = Story::of(host, sim, args.gatherers, |plan| {
        plan.deduplicator_settings.push(("CHECKPOINT_EVERY", "10s".to_owned()));
        // Each book that is audited makes every gatherer write; at a thousand an hour there is never an end to acknowledge.
        plan.deduplicator_settings.push(("AUDIT_EVERY", "24h".to_owned()));
    })
    .await?;
    let mut load = Load { story, peaks: Peaks::default(), killed: 0 };
    say(&format!(
        "{} deltas/s to {} gatherers, {} markets",
        args.rate, args.gatherers, args.markets
    ))?;
    load.trade(args.seconds, args.kill_every).await?;
    if args.without_store > 0 {
        load.without_store(args.without_store).await?;
    }
    let catching = Clock::start();
    load.story.fleet.sim()?.pause().await?;
    load.stored().await?;
    say(&format!("all stored {} s after the exchange paused", seconds(catching)))?;
    say(&load.peaks.text())?;
    if !args.no_verify {
        let report = load.story.end(Holes::None).await?;
        return say(&format!("the record is the truth\n{report}"));
    }
    load.story.fleet.stop().await
}

/// The run.
struct Load {
    story: Story,
    peaks: Peaks,
    killed: usize,
}

/// The most that was seen of each figure.
#[derive(Default)]
struct Peaks(BTreeMap<String, u64>);

impl Peaks {
    fn see(&mut self, name: String, value: u64) {
        let most = self.0.entry(name).or_default();
        *most = value.max(*most);
    }

    fn text(&self) -> String {
        let line = |(name, bytes): (&String, &u64)| format!("  most {name}: {} MB\n", bytes >> 20);
        self.0.iter().map(line).collect()
    }
}

impl Load {
    async fn trade(&mut self, for_seconds: u64, kill_every: u64) -> anyhow::Result<()> {
        let clock = Clock::start();
        let mut next_kill = kill_every;
        loop {
            let now = seconds(clock);
            if now >= for_seconds {
                return Ok(());
            }
            if kill_every > 0 && now >= next_kill {
                next_kill += kill_every;
                let who = self.killed % self.story.fleet.gatherers.len();
                self.killed += 1;
                say(&format!("{now:>5} s  {} is killed", self.story.fleet.gatherers[who].name))?;
                self.story.kill(Victim::Gatherer(who)).await?;
                self.story.back(Victim::Gatherer(who)).await?;
            }
            self.look(now).await?;
            tokio::time::sleep(TICK).await;
        }
    }

    async fn without_store(&mut self, for_seconds: u64) -> anyhow::Result<()> {
        say("the canonical ClickHouse goes away")?;
        self.story.fleet.deduplicator.engine.kill().await?;
        self.trade(for_seconds, 0).await?;
        let journal = self.story.fleet.deduplicator.health().await?.count("/journal/bytes_on_disk");
        self.story.fleet.deduplicator.engine.restart(&[]).await?;
        let clock = Clock::start();
        say(&format!("it is back; the journal holds {} MB; trading goes on", journal >> 20))?;
        self.stored().await?;
        say(&format!("caught up, while trading, in {} s", seconds(clock)))
    }

    /// Waits until ClickHouse has nearly everything that the journal has.
    async fn stored(&mut self) -> anyhow::Result<()> {
        let clock = Clock::start();
        loop {
            let now = seconds(clock);
            anyhow::ensure!(now < CATCH_UP_MAX_S, "not stored after {now} s");
            let health = self.story.fleet.deduplicator.health().await?;
            // Less than a few seconds of trading is on its way at any moment.
            let behind = health.count("/clickhouse/lag_bytes");
            if health.at("/clickhouse/reachable") == true && behind < 8 << 20 {
                return Ok(());
            }
            self.look(now).await?;
            tokio::time::sleep(TICK).await;
        }
    }

    async fn look(&mut self, now: u64) -> anyhow::Result<()> {
        self.story.fleet.check_alive()?;
        for (name, usage) in self.story.fleet.usage() {
            self.peaks.see(format!("memory of {name}"), usage.memory_bytes);
        }
        for gatherer in &self.story.fleet.gatherers {
            let Ok(health) = gatherer.health().await else { continue };
            self.peaks
                .see(format!("spool of {}", gatherer.name), health.count("/spool/bytes_on_disk"));
        }
        let Ok(health) = self.story.fleet.deduplicator.health().await else { return Ok(()) };
        let journal = health.count("/journal/bytes_on_disk");
        self.peaks.see("journal".to_owned(), journal);
        if now.is_multiple_of(SHOW_EVERY) {
            let events = health.measure("/canonical/events_per_second").unwrap_or_default();
            let lag = health.count("/clickhouse/lag_bytes");
            let pending = health.count("/canonical/pending");
            let p99 = health.at("/latency/frame_to_journal_ms").to_string();
            say(&format!(
                "{now:>5} s  {events:.0} events/s, {pending} pending, journal {} MB, ClickHouse {} MB behind, \
                 frame to journal {p99}",
                journal >> 20,
                lag >> 20
            ))?;
        }
        Ok(())
    }
}

fn seconds(clock: Clock) -> u64 {
    clock.mono_ns() / 1_000_000_000
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("cannot write to standard output")
}
