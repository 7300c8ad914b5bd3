//! What a story can do to its programs: end them, at a chosen place too, and stand between them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use demo::fleet::{Plan, Program, Wire, Wires};
use nix::sys::signal::Signal;

use crate::{EVENTS_MAX, Line, Proxy, Story};

/// A program to be struck.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    /// The gatherer of this place in the fleet.
    Gatherer(usize),
    /// The deduplicator.
    Deduplicator,
}

/// The proxies of a fleet, by `stream NAME` and `store NAME`.
#[derive(Clone, Default)]
pub struct Proxies(Arc<Mutex<BTreeMap<String, Proxy>>>);

impl Proxies {
    /// Puts a proxy on every stream and on every way to a store.
    pub fn on_every_wire(plan: &mut Plan) -> Self {
        let proxies = Self::default();
        let held = proxies.clone();
        plan.wires = Wires::through(move |wire, address| held.between(wire, address));
        proxies
    }

    fn between(&self, wire: Wire<'_>, address: &str) -> String {
        let (name, scheme) = match wire {
            Wire::Stream(name) => (format!("stream {name}"), ""),
            Wire::Store(name) => (format!("store {name}"), "http://"),
        };
        // Without a port of our own the programs are wired directly, and the story will not find its proxy.
        let Ok(proxy) = Proxy::to(address.trim_start_matches(scheme)) else {
            return address.to_owned();
        };
        let address = format!("{scheme}{}", proxy.address());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, proxy);
        address
    }

    /// Changes every line whose name begins so.
    ///
    /// # Errors
    /// When there is none.
    pub fn set(&self, names: &str, line: Line) -> anyhow::Result<()> {
        let proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = proxies.iter().filter(|(name, _)| name.starts_with(names)).peekable();
        ensure!(found.peek().is_some(), "there is no proxy {names}");
        found.for_each(|(_, proxy)| proxy.set(line));
        Ok(())
    }
}

impl Story {
    /// The process of a victim.
    pub fn program(&mut self, victim: Victim) -> &mut Program {
        match victim {
            Victim::Gatherer(who) => &mut self.fleet.gatherers[who].program,
            Victim::Deduplicator => &mut self.fleet.deduplicator.program,
        }
    }

    fn note_kill(&mut self, victim: Victim) {
        if let Victim::Gatherer(who) = victim {
            self.killed.push(self.fleet.gatherers[who].name.clone());
        }
    }

    /// Starts a victim that does not run, and waits until it listens.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn back(&mut self, victim: Victim) -> anyhow::Result<()> {
        match victim {
            Victim::Gatherer(who) => self.fleet.gatherers[who].restart().await,
            Victim::Deduplicator => self.fleet.deduplicator.restart().await,
        }
    }

    /// Ends a victim as by a power cut and leaves it so.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        self.note_kill(victim);
        self.program(victim).kill().await
    }

    /// Kills a victim and starts it so that these orders hold (see `failpoint`).
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn rearm(&mut self, victim: Victim, orders: &str) -> anyhow::Result<()> {
        self.kill(victim).await?;
        self.arm(victim, Some(orders));
        self.program(victim).start_again()
    }

    /// Sets the orders of a victim's next start.
    pub fn arm(&mut self, victim: Victim, orders: Option<&str>) {
        self.program(victim).set("FAILPOINTS", orders.map(str::to_owned));
    }

    /// Kills a victim, lets it run until it ends itself at the `nth` passing of `place` as by a power cut,
    /// and brings it back. `asked`: whether it must be told to stop to get there.
    ///
    /// # Errors
    /// When it never gets there, or does not come back.
    pub async fn dies_at(
        &mut self,
        victim: Victim,
        place: &str,
        nth: u32,
        asked: bool,
    ) -> anyhow::Result<()> {
        self.rearm(victim, &format!("{place}=kill@{nth}")).await?;
        if asked {
            self.program(victim).ready().await?;
            self.back_in_flow(victim).await?;
            self.program(victim).signal(Signal::SIGTERM)?;
        }
        let status = self.program(victim).ended(EVENTS_MAX).await;
        let status = status.with_context(|| format!("{place}=kill@{nth}"))?;
        let said = self.log_of(victim)?;
        if status.signal() != Some(9) || !said.contains(&format!("failpoint {place}: killed")) {
            let last = self.program(victim).said();
            bail!("{place}=kill@{nth}: it ended otherwise ({status}): {last}");
        }
        self.arm(victim, None);
        self.back(victim).await
    }

    async fn back_in_flow(&mut self, victim: Victim) -> anyhow::Result<()> {
        if victim == Victim::Deduplicator {
            self.fleet.deduplicator.learn_ports().await?;
            self.events(300).await?;
        }
        Ok(())
    }

    /// Everything a victim has logged so far, over all its starts.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log_of(&mut self, victim: Victim) -> anyhow::Result<String> {
        let path = self.program(victim).log_file();
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Waits until a victim has logged all of `words` on one line.
    ///
    /// # Errors
    /// When it never does.
    pub async fn logged(&mut self, victim: Victim, words: &[&str]) -> anyhow::Result<()> {
        let path = self.program(victim).log_file();
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        let what = format!("{victim:?} says {}", words.join(" "));
        self.until(&what, async |_| Ok(fs::read_to_string(&path)?.lines().any(has_all))).await
    }
}
