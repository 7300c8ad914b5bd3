//! From the gatherers' logs into the merge: streams that stall, restarts of the merge.

use merge::{Input, Merge, Output, Source};
use rand::Rng;

use super::{
    plan::MS,
    truth::TICKERS,
    world::{Checkpoint, Happens, Kept, TAIL, WALL, World, config_of},
};

impl World {
    pub(crate) fn stream(&mut self, g: usize, up: bool) {
        self.gatherers[g].up = up;
        let gatherer = self.gatherers[g].index;
        let input =
            if up { Input::Connected { gatherer } } else { Input::Disconnected { gatherer } };
        self.merge.handle(input, Self::moment(self.time));
        self.forward(g);
    }

    pub(crate) fn forward(&mut self, g: usize) {
        let now = Self::moment(self.time);
        while self.gatherers[g].up && self.gatherers[g].delivered < self.gatherers[g].log.len() {
            let gatherer = &mut self.gatherers[g];
            let (wall_ns, kept) = gatherer.log[gatherer.delivered].clone();
            gatherer.delivered += 1;
            let index = gatherer.index;
            let source = |session| Source { gatherer: index, session };
            let input = match &kept {
                Kept::Opened(s) => Input::SessionOpened { source: source(*s), wall_ns },
                Kept::Closed(s) => Input::SessionClosed { source: source(*s), wall_ns },
                Kept::Bad(s) => Input::BadFrame { source: source(*s), wall_ns },
                Kept::Frame(s, frame, _) => Input::Frame { source: source(*s), wall_ns, frame },
                Kept::Status(trading_active) => {
                    Input::Status { gatherer: index, wall_ns, trading_active: *trading_active }
                }
            };
            self.merge.handle(input, now);
            self.drain();
        }
    }

    pub(crate) fn tick(&mut self) {
        for g in 0..self.gatherers.len() {
            self.forward(g);
            if self.gatherers[g].up {
                let gatherer = self.gatherers[g].index;
                let wall_ns = WALL + self.time + self.gatherers[g].skew;
                self.merge.handle(Input::Progress { gatherer, wall_ns }, Self::moment(self.time));
                self.drain();
            }
        }
        let over = self.time > self.plan.length + 12_000 * MS;
        let wait = if over { 1_000 * MS } else { self.plan.tick };
        if self.time < self.plan.length + TAIL {
            self.at(self.time + wait, Happens::Tick);
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.merge.poll() {
            match output {
                Output::Record(record) => self.journal.push(record),
                Output::Alarm(alarm) => self.alarms.push(alarm),
                Output::Refresh { source, market_ticker } => {
                    let g = source.gatherer.0 as usize;
                    let market = TICKERS.iter().position(|ticker| **ticker == *market_ticker);
                    self.after(MS, 20 * MS, Happens::Resync(g, source.session, market));
                }
            }
        }
    }

    pub(crate) fn take_checkpoint(&mut self) {
        self.minutes.extend(self.merge.close_minutes(WALL / MS / 60_000 + 1));
        self.checkpoint = Some(Checkpoint {
            bytes: postcard::to_allocvec(&self.merge).expect("serialises"),
            delivered: self.gatherers.iter().map(|gatherer| gatherer.delivered).collect(),
            journal: self.journal.len(),
        });
    }

    /// The process ends; what was not fsynced is gone; another goes on from the checkpoint.
    pub(crate) fn crash(&mut self) {
        let lost = self.plan.lost_checkpoints && self.rng.random_bool(0.5);
        let checkpoint = self.checkpoint.take().filter(|_| !lost);
        let (bytes, delivered, journal) = match &checkpoint {
            Some(held) => (Some(&held.bytes), held.delivered.clone(), held.journal),
            None if self.plan.lost_checkpoints => (None, vec![0; self.gatherers.len()], 0),
            None => return,
        };
        let kept = self.rng.random_range(journal..=self.journal.len());
        self.journal.truncate(kept);
        self.merge = match bytes {
            Some(bytes) => postcard::from_bytes(bytes).expect("reads back"),
            None => Merge::new(config_of(&self.plan)),
        };
        assert_eq!(self.merge.contradiction(), None, "a checkpoint of ours");
        for record in &self.journal[journal..] {
            self.merge.apply(record);
            assert_eq!(self.merge.poll(), None, "a replay emits nothing");
        }
        self.merge.resumed(Self::moment(self.time));
        for (g, delivered) in delivered.into_iter().enumerate() {
            self.gatherers[g].index = self.merge.gatherer(&format!("g{g}"));
            self.gatherers[g].delivered = delivered;
        }
        if checkpoint.is_none() {
            self.minutes.clear();
        }
        self.checkpoint = checkpoint;
        self.drain();
        for g in 0..self.gatherers.len() {
            self.stream(g, self.gatherers[g].up);
        }
    }

    /// For a single seed: everything that went in and came out.
    pub(crate) fn print(&self) {
        for (g, gatherer) in self.gatherers.iter().enumerate() {
            for (wall, kept) in &gatherer.log {
                eprintln!("g{g} {:>9}us {kept:?}", (wall - WALL) / 1000);
            }
        }
        for record in &self.journal {
            eprintln!("{record:?}");
        }
        for alarm in &self.alarms {
            eprintln!("{alarm:?}");
        }
    }
}
