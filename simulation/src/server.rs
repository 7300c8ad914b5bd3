//! The deduplicator's life: streams, journal, checkpoints, acks, sink, crashes.
//!
//! Every ack is tried at once: the program is started from what is surely on disk, whole and with
//! its newest checkpoint damaged, and must not need what the gatherer may now delete.

use std::collections::BTreeMap;

use deduplicator::simulated::{Heard, Node, Site, is_checkpoint};
use proto::Position;
use rand::Rng as _;
use spool::AnyDisk;
use spool::faulty::{End, FaultyDisk};

use crate::gatherer::Message;
use crate::plan::MS;
use crate::sink::Sink;
use crate::world::{Happens, World};

/// A minute that has not begun yet closes nothing.
const MINUTE_MS: i64 = 60_000;

/// The running program.
pub(crate) struct Deduplicator {
    pub(crate) node: Node,
    /// From where each gatherer is followed next.
    from: BTreeMap<String, Position>,
    sink: Option<Sink>,
}

impl World {
    pub(crate) fn start_deduplicator(&mut self) -> Result<(), String> {
        if self.deduplicator.is_some() {
            return Ok(());
        }
        if self.rough() && self.time > 0 {
            if self.plan.damage && self.fate.chance(3) {
                self.counts.damaged += u64::from(damage_newest(&self.disk));
            }
            if self.fate.chance(5) {
                self.disk.fuse(Some(self.fate.below(60)));
            }
        }
        let names: Vec<String> = self.gatherers.iter().map(|held| held.name.clone()).collect();
        match Node::open(self.site.clone(), &names, self.now()) {
            Ok((node, from)) => {
                self.deduplicator = Some(Deduplicator { node, from, sink: None });
                Ok(())
            }
            // The disk failed again, which ends with the crash; anything else must not be.
            Err(error) if is_of_the_disk(&error) => {
                self.disk.crash(End::PowerLoss, &mut self.fate);
                self.after(50 * MS, 300 * MS, Happens::StartDeduplicator);
                Ok(())
            }
            Err(error) => Err(format!("the deduplicator does not start: {error:#}")),
        }
    }

    pub(crate) fn end_deduplicator(&mut self, end: End) {
        if self.deduplicator.is_none() {
            return;
        }
        self.counts.deduplicator_ends += 1;
        self.disk.crash(end, &mut self.fate);
        self.deduplicator = None;
        for gatherer in &mut self.gatherers {
            gatherer.hang_up();
        }
        self.after(50 * MS, 2_000 * MS, Happens::StartDeduplicator);
    }

    /// Does something; a disk that fails ends the program.
    fn with(
        &mut self,
        what: impl FnOnce(&mut Deduplicator, &mut Self) -> anyhow::Result<()>,
    ) -> Result<(), String> {
        let Some(mut running) = self.deduplicator.take() else { return Ok(()) };
        let done = what(&mut running, self);
        self.deduplicator = Some(running);
        match done {
            Ok(()) => Ok(()),
            Err(error) if is_of_the_disk(&error) => {
                let end = if self.fate.chance(2) { End::Killed } else { End::PowerLoss };
                self.end_deduplicator(end);
                Ok(())
            }
            Err(error) => Err(format!("the deduplicator failed: {error:#}")),
        }
    }

    pub(crate) fn dial(&mut self, g: usize) -> Result<(), String> {
        self.again(20 * MS, 200 * MS, Happens::Dial(g));
        if self.gatherers[g].linked {
            return Ok(());
        }
        self.with(|running, world| {
            let (now, gatherer) = (world.now(), &mut world.gatherers[g]);
            let wanted = running.from.get(&gatherer.name).copied();
            let Some((from, written)) = gatherer.follow(wanted) else { return Ok(()) };
            gatherer.epoch += 1;
            running.from.insert(gatherer.name.clone(), from);
            running.node.hear(&gatherer.name, Heard::Connected { from, written }, now)
        })
    }

    /// The stream ends, for whatever reason.
    pub(crate) fn sever(&mut self, g: usize) -> Result<(), String> {
        let was = self.gatherers[g].linked;
        self.gatherers[g].hang_up();
        self.with(|running, world| {
            let (now, name) = (world.now(), &world.gatherers[g].name);
            if was { running.node.hear(name, Heard::Disconnected, now) } else { Ok(()) }
        })
    }

    pub(crate) fn pump(&mut self, g: usize) {
        self.again(MS, 15 * MS, Happens::Pump(g));
        let (time, most) = (self.time, self.rng.random_range(1..30));
        let delay = self.rng.random_range(0..20 * MS);
        let gatherer = &mut self.gatherers[g];
        if !gatherer.linked {
            return;
        }
        let Some(message) = gatherer.next_message(time, most) else { return };
        gatherer.arrived = (gatherer.arrived + 1).max(time + delay);
        let (when, epoch) = (gatherer.arrived, gatherer.epoch);
        self.at(when, Happens::Arrive(g, epoch, message));
    }

    pub(crate) fn arrive(&mut self, g: usize, epoch: u64, message: Message) -> Result<(), String> {
        if self.gatherers[g].epoch != epoch || !self.gatherers[g].linked {
            return Ok(());
        }
        let name = self.gatherers[g].name.clone();
        self.with(|running, world| {
            let heard = match message {
                Message::Batch(batch) => {
                    let expected = running.from.get(&name).copied().unwrap_or_default();
                    anyhow::ensure!(batch.first >= expected, "a batch came again on one stream");
                    running.from.insert(name.clone(), batch.next);
                    Heard::Batch(batch)
                }
                Message::Heartbeat(heartbeat) => Heard::Heartbeat(heartbeat),
            };
            running.node.hear(&name, heard, world.now())
        })?;
        self.ask_again()
    }

    fn ask_again(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.deduplicator else { return Ok(()) };
        for (name, session, ticker) in running.node.refreshes() {
            let g = self.gatherers.iter().position(|held| held.name == name).expect("ours");
            let market = self.markets.iter().position(|market| market.ticker() == ticker);
            self.after(5 * MS, 60 * MS, Happens::Resync(g, session, market));
        }
        Ok(())
    }

    pub(crate) fn due(&mut self) -> Result<(), String> {
        self.again(5 * MS, 50 * MS, Happens::Due);
        self.with(|running, world| running.node.time_passed(world.now()))?;
        self.ask_again()
    }

    pub(crate) fn commit_journal(&mut self) -> Result<(), String> {
        self.again(5 * MS, 60 * MS, Happens::CommitJournal);
        self.with(|running, _| running.node.commit())
    }

    pub(crate) fn checkpoint(&mut self) -> Result<(), String> {
        self.again(150 * MS, 1_200 * MS, Happens::Checkpoint);
        self.after(MS, 200 * MS, Happens::StoreCheckpoint);
        let minute = self.time / MS / MINUTE_MS;
        self.with(|running, _| {
            running.node.begin_checkpoint(minute);
            Ok(())
        })
    }

    pub(crate) fn store_checkpoint(&mut self) -> Result<(), String> {
        let mut acks = Vec::new();
        let mut stored = false;
        self.with(|running, _| {
            stored = running.node.store_checkpoint()?;
            acks = running.node.acks();
            Ok(())
        })?;
        self.counts.checkpoints += u64::from(stored);
        if self.deduplicator.is_some() && !acks.is_empty() {
            self.acks_are_safe(&acks)?;
        }
        for (name, below) in acks {
            let g = self.gatherers.iter().position(|held| held.name == name).expect("ours");
            let epoch = self.gatherers[g].epoch;
            self.counts.acks += 1;
            self.after(MS, 40 * MS, Happens::Ack(g, epoch, below));
        }
        Ok(())
    }

    /// A power loss now, at its worst, must not need what is acked.
    fn acks_are_safe(&self, acks: &[(String, Position)]) -> Result<(), String> {
        for damaged in [false, true] {
            let left = self.disk.synced();
            if damaged {
                damage_newest(&left);
            }
            let site = Site { disk: AnyDisk::faulty(&left), ..self.site.clone() };
            let from = site.restart().map_err(|error| {
                format!("after an ack (damaged checkpoint: {damaged}) no restart: {error:#}")
            })?;
            for (name, acked) in acks {
                if from.get(name).is_none_or(|from| from < acked) {
                    return Err(format!(
                        "{name} was acked below {acked}, and a restart (damaged checkpoint: \
                         {damaged}) asks from {:?}",
                        from.get(name)
                    ));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn ack(&mut self, g: usize, epoch: u64, below: Position) {
        if self.gatherers[g].epoch == epoch && self.gatherers[g].linked {
            self.counts.trimmed += self.gatherers[g].ack(below);
        }
    }

    pub(crate) fn sink(&mut self) -> Result<(), String> {
        self.again(3 * MS, 60 * MS, Happens::Sink);
        let most = self.rng.random_range(1..120);
        let answered = !self.rough() || self.rng.random_range(0..100) >= self.plan.ambiguous;
        self.with(|running, world| {
            let log = running.node.log().clone();
            match &mut running.sink {
                Some(sink) => sink.step(&mut world.server, most, answered),
                None => {
                    running.sink = Sink::start(&world.site, &log, &world.server)?;
                    Ok(())
                }
            }
        })
    }

    pub(crate) fn trim(&mut self) -> Result<(), String> {
        self.again(300 * MS, 900 * MS, Happens::Trim);
        let mut segments = 0;
        self.with(|running, _| {
            let stored = running.sink.as_ref().map(Sink::cursor);
            if let (Some(restart), Some(stored)) = (running.node.restart_from(), stored) {
                segments = running.node.log().trim(restart.min(stored))?.segments;
            }
            Ok(())
        })?;
        self.counts.trimmed += segments;
        Ok(())
    }

    /// After the last thing happened: everything durable, everything stored.
    pub(crate) fn drain(&mut self) -> Result<(), String> {
        self.with(|running, world| {
            running.node.time_passed(world.now())?;
            running.node.commit()?;
            let log = running.node.log().clone();
            for _ in 0..100_000 {
                let Some(sink) = &mut running.sink else {
                    running.sink = Sink::start(&world.site, &log, &world.server)?;
                    continue;
                };
                let was_idle = sink.is_idle();
                sink.step(&mut world.server, 1_000, true)?;
                if was_idle && sink.is_idle() {
                    return Ok(());
                }
            }
            anyhow::bail!("the sink never has everything")
        })
    }
}

/// Flips a bit of the newest checkpoint; `false` if there are not two.
fn damage_newest(disk: &FaultyDisk) -> bool {
    let mut checkpoints = disk.paths();
    checkpoints.retain(|path| is_checkpoint(path));
    checkpoints.sort();
    let (Some(newest), true) = (checkpoints.last(), checkpoints.len() > 1) else { return false };
    let mut bytes = disk.contents(newest);
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    disk.put(newest, &bytes);
    true
}

/// Whether a disk of ours did what was asked of it: failed.
fn is_of_the_disk(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    ["the disk is gone", "the disk did not take", "a handle from before", "poisoned"]
        .iter()
        .any(|said| text.contains(said))
}
