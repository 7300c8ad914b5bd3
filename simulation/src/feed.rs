//! From the exchange into the gatherers' spools, and how gatherers end and begin.

use rand::Rng as _;
use spool::faulty::End;

use crate::gatherer::{Tag, What};
use crate::plan::MS;
use crate::world::{Happens, WALL, World};

impl World {
    pub(crate) fn act(&mut self, market: usize) {
        if !self.rough() {
            return;
        }
        let wait = self.rng.random_range(MS..2 * self.plan.pace);
        self.at(self.time + wait, Happens::Act(market));
        let ts_ms = (WALL + self.time) / MS;
        let range = self.markets[market].act(ts_ms, &mut self.rng);
        self.counts.events += range.len() as u64;
        for g in 0..self.gatherers.len() {
            for at in range.clone() {
                self.send(g, Tag::Event { market, at }, None);
            }
        }
    }

    /// The exchange sends to a gatherer; the network does what it does.
    fn send(&mut self, g: usize, tag: Tag, id: Option<u64>) {
        let jitter = self.rng.random_range(0..5 * MS);
        let luck = self.rng.random_range(0..1_000);
        let (drop, repeat) = (self.plan.drop, self.plan.repeat);
        let rough = self.rough();
        let gatherer = &mut self.gatherers[g];
        let Some(session) = &mut gatherer.session else { return };
        session.seq += 1;
        session.received = (session.received + 1).max(self.time + gatherer.latency + jitter);
        let (number, seq, when) = (session.id, session.seq, session.received);
        let frame = match tag {
            Tag::Event { market, at } => self.markets[market].delta_frame(at, seq),
            Tag::State { market, state } => self.markets[market].snapshot_frame(state, seq, id),
            Tag::Other => return,
        };
        if rough && luck < drop {
            // The gatherer sees the jump with the next frame, and asks.
            let notice = self.rng.random_range(20 * MS..300 * MS);
            self.at(when + notice, Happens::Resync(g, number, None));
            return;
        }
        if rough && luck >= 1_000 - repeat {
            self.at(when, Happens::Receive(g, number, frame.clone(), (seq, tag)));
        }
        self.at(when, Happens::Receive(g, number, frame, (seq, tag)));
    }

    pub(crate) fn receive(
        &mut self,
        g: usize,
        session: u64,
        frame: &str,
        about: (u64, Tag),
    ) -> Result<(), String> {
        if self.gatherers[g].session.as_ref().is_some_and(|open| open.id == session) {
            self.keep(g, What::Frame(session, frame.as_bytes()), about)?;
        }
        Ok(())
    }

    /// A spool that fails ends its program.
    fn keep(&mut self, g: usize, what: What<'_>, about: (u64, Tag)) -> Result<(), String> {
        let time = self.time;
        let kept = self.gatherers[g].keep(time, what, about);
        if kept { Ok(()) } else { self.fail_gatherer(g) }
    }

    pub(crate) fn flush(&mut self, g: usize) -> Result<(), String> {
        if !self.gatherers[g].flush() {
            self.fail_gatherer(g)?;
        }
        self.again(MS, 8 * MS, Happens::Flush(g));
        Ok(())
    }

    pub(crate) fn commit(&mut self, g: usize) -> Result<(), String> {
        if !self.gatherers[g].commit() {
            self.fail_gatherer(g)?;
        }
        self.again(10 * MS, 60 * MS, Happens::Commit(g));
        Ok(())
    }

    fn fail_gatherer(&mut self, g: usize) -> Result<(), String> {
        let end = if self.fate.chance(2) { End::Killed } else { End::PowerLoss };
        self.end_gatherer(g, end)
    }

    pub(crate) fn end_gatherer(&mut self, g: usize, end: End) -> Result<(), String> {
        if !self.gatherers[g].runs() {
            return Ok(());
        }
        self.counts.gatherer_ends += 1;
        self.sever(g)?;
        self.gatherers[g].end(end, &mut self.fate);
        self.after(50 * MS, 2_000 * MS, Happens::StartGatherer(g));
        Ok(())
    }

    pub(crate) fn start_gatherer(&mut self, g: usize) {
        if self.gatherers[g].runs() {
            return;
        }
        if self.rough() && self.fate.chance(6) {
            let left = self.fate.below(40);
            self.gatherers[g].disk().fuse(Some(left));
        }
        let before = self.gatherers[g].kept.len();
        let time = self.time;
        if self.gatherers[g].start(time).is_err() {
            self.gatherers[g].end(End::PowerLoss, &mut self.fate);
            self.after(50 * MS, 500 * MS, Happens::StartGatherer(g));
            return;
        }
        if time == 0 || !self.rough() {
            self.gatherers[g].disk().fuse(None);
        }
        self.counts.spool_lost += (before - self.gatherers[g].kept.len()) as u64;
        self.after(MS, 50 * MS, Happens::Open(g));
    }

    pub(crate) fn open(&mut self, g: usize) -> Result<(), String> {
        if self.gatherers[g].session.is_some() {
            return Ok(());
        }
        let time = self.time;
        let Some(session) = self.gatherers[g].open_session(time) else { return Ok(()) };
        self.keep(g, What::Opened(session), (0, Tag::Other))?;
        let told = r#"{"id":1,"type":"subscribed","msg":{"channel":"orderbook_delta","sid":1}}"#;
        self.keep(g, What::Frame(session, told.as_bytes()), (0, Tag::Other))?;
        self.snapshots(g, None, None);
        Ok(())
    }

    fn snapshots(&mut self, g: usize, id: Option<u64>, only: Option<usize>) {
        for market in 0..self.markets.len() {
            if only.is_none_or(|only| only == market) {
                let state = self.markets[market].now();
                self.send(g, Tag::State { market, state }, id);
            }
        }
    }

    pub(crate) fn resync(&mut self, g: usize, session: u64, market: Option<usize>) {
        if self.gatherers[g].session.as_ref().is_some_and(|open| open.id == session) {
            self.snapshots(g, Some(7), market);
        }
    }

    /// `session` 0: whichever is open.
    pub(crate) fn cut(&mut self, g: usize, session: u64) -> Result<(), String> {
        let Some(open) = &self.gatherers[g].session else { return Ok(()) };
        if session != 0 && open.id != session {
            return Ok(());
        }
        let id = open.id;
        self.gatherers[g].session = None;
        self.after(50 * MS, 1_500 * MS, Happens::Open(g));
        self.keep(g, What::Closed(id), (0, Tag::Other))
    }
}
