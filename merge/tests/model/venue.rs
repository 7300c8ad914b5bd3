//! The exchange acts, the network carries, the gatherers write down.

use exchange::{Frame, Message, OkReply};
use rand::Rng;
use uuid::Uuid;

use super::{
    lie::lie,
    plan::MS,
    truth::{TICKERS, frame, trade},
    world::{Happens, Kept, Session, Tag, WALL, World},
};

impl World {
    pub(crate) fn act(&mut self, market: usize) {
        if self.time >= self.plan.length {
            return;
        }
        let wait = self.rng.random_range(MS..2 * self.plan.pace);
        self.at(self.time + wait, Happens::Act(market));
        if self.paused {
            return;
        }
        let ts_ms = (WALL + self.time) / MS;
        let closes = self.plan.closes;
        let range = self.markets[market].act(closes, ts_ms, &mut self.rng);
        let traded = self.rng.random_bool(0.3).then(|| {
            self.trades += 1;
            Uuid::from_u128(self.trades)
        });
        for g in 0..self.gatherers.len() {
            let Some(session) = self.gatherers[g].session.as_ref().map(|session| session.id) else {
                continue;
            };
            let cut = self.rng.random_range(0..1_000) < self.plan.cut_in_group;
            let listed = self.gatherers[g].session.as_ref().is_some_and(|s| s.lists(market));
            let range = if listed { range.clone() } else { range.end..range.end };
            let upto = if cut && listed { self.rng.random_range(range.clone()) } else { range.end };
            for at in range.start..upto {
                let message = self.markets[market].message(at);
                self.send(g, 1, None, message.clone(), Tag::Event { market, at });
                if matches!(message, Message::Snapshot(_)) {
                    let era = self.markets[market].era;
                    let again = Tag::State { market, era, state: at + 1 };
                    self.send(g, 1, None, message, again);
                }
            }
            if let Some(trade_id) = traded {
                self.send(g, 2, None, trade(market, trade_id, ts_ms), Tag::Trade(trade_id));
            }
            if cut {
                let when = self.gatherers[g].session.as_ref().map_or(self.time, |s| s.received + 1);
                self.at(when, Happens::Cut(g, session));
            }
        }
    }

    /// The exchange sends; the network and the liar do what they do.
    pub(crate) fn send(
        &mut self,
        g: usize,
        sid: u32,
        id: Option<u64>,
        message: Message<'static>,
        tag: Tag,
    ) {
        let harmed = self.plan.harms(self.gatherers[g].lies);
        let (drop, bad) = if harmed { (self.plan.drop, self.plan.bad) } else { (0, 0) };
        let mut message = message;
        let luck = self.rng.random_range(0..1_000);
        let jitter = self.rng.random_range(0..5 * MS);
        let lies = self.gatherers[g].lies && self.rng.random_bool(0.15);
        let gatherer = &mut self.gatherers[g];
        let Some(session) = &mut gatherer.session else { return };
        if lies && !lie(&mut message, &mut self.rng) {
            return;
        }
        session.seq[sid as usize] += 1;
        session.received = (session.received + 1)
            .max(self.time + gatherer.latency + jitter + session.behind(self.time));
        let (session_id, when) = (session.id, session.received);
        let frame = frame(sid, Some(session.seq[sid as usize]), id, message);
        if luck < drop + bad {
            let resync = self.rng.random_range(20 * MS..900 * MS);
            if self.rng.random_bool(0.7) {
                self.at(when + resync, Happens::Resync(g, session_id, None));
            }
            if luck >= drop {
                self.at(when, Happens::Receive(g, session_id, None, Tag::Other));
            }
            return;
        }
        let frame = Box::new(frame);
        self.at(when, Happens::Receive(g, session_id, Some(frame.clone()), tag));
        if luck >= 1_000 - self.plan.repeat {
            self.at(when, Happens::Receive(g, session_id, Some(frame), tag));
        }
    }

    pub(crate) fn keep(&mut self, g: usize, what: Kept) {
        let wall = WALL + self.time + self.gatherers[g].skew;
        self.gatherers[g].log.push((wall, what));
        self.after(0, self.plan.handover, Happens::Forward(g));
    }

    pub(crate) fn receive(
        &mut self,
        g: usize,
        session: u64,
        frame: Option<Box<Frame<'static>>>,
        tag: Tag,
    ) {
        if self.gatherers[g].session.as_ref().is_none_or(|open| open.id != session) {
            return;
        }
        match frame {
            Some(frame) => self.keep(g, Kept::Frame(session, frame, tag)),
            None => self.keep(g, Kept::Bad(session)),
        }
    }

    pub(crate) fn open(&mut self, g: usize) {
        if self.gatherers[g].session.is_some() {
            return;
        }
        if self.paused {
            self.after(100 * MS, 900 * MS, Happens::Open(g));
            return;
        }
        let slow = self.slow_from_the_start();
        let gatherer = &mut self.gatherers[g];
        gatherer.sessions += 1;
        let id = gatherer.sessions;
        gatherer.session =
            Some(Session { id, seq: [0; 3], received: self.time, listed: u8::MAX, slow });
        self.keep(g, Kept::Opened(id));
        for sid in [1, 2] {
            let message = Message::Subscribed { channel: "orderbook_delta", sid };
            let frame = Frame { sid: None, seq: None, ..frame(sid, None, Some(1), message) };
            self.keep(g, Kept::Frame(id, Box::new(frame), Tag::Other));
        }
        self.snapshots(g, None, None);
    }

    /// The exchange takes a market out of a subscription, or in again; it answers with the whole list.
    pub(crate) fn list(&mut self, g: usize, market: usize, listed: bool) {
        let Some(session) = &mut self.gatherers[g].session else { return };
        if session.lists(market) == listed {
            return;
        }
        session.listed ^= 1 << market;
        let bits = session.listed;
        let markets = (0..self.markets.len()).filter(|market| bits & 1 << market != 0);
        let tickers = markets.map(|market| TICKERS[market].to_owned()).collect();
        let reply = OkReply { market_tickers: Some(tickers), subscriptions: None };
        self.send(g, 1, Some(9), Message::Ok(reply), Tag::Listed(bits));
        if listed {
            let truth = &self.markets[market];
            let (era, state) = (truth.era, truth.now());
            let message = truth.snapshot(era, state);
            self.send(g, 1, None, message, Tag::State { market, era, state });
        }
    }

    pub(crate) fn snapshots(&mut self, g: usize, id: Option<u64>, only: Option<usize>) {
        for market in 0..self.markets.len() {
            if only.is_some_and(|only| only != market) {
                continue;
            }
            let truth = &self.markets[market];
            let (era, state) = (truth.era, truth.now());
            let message = truth.snapshot(era, state);
            self.send(g, 1, id, message, Tag::State { market, era, state });
        }
    }

    pub(crate) fn resync(&mut self, g: usize, session: u64, market: Option<usize>) {
        let open = self.gatherers[g].session.as_ref().is_some_and(|open| open.id == session);
        if open && !self.plan.deaf {
            self.snapshots(g, Some(7), market);
        }
    }

    /// `session` 0: whichever is open.
    pub(crate) fn cut(&mut self, g: usize, session: u64) {
        let Some(open) = &self.gatherers[g].session else { return };
        if session != 0 && open.id != session {
            return;
        }
        let id = open.id;
        self.gatherers[g].session = None;
        if self.rng.random_bool(0.2) {
            // The gatherer itself died: nobody wrote the end down.
            self.gatherers[g].sessions = ((self.gatherers[g].sessions >> 32) + 1) << 32;
        } else {
            self.keep(g, Kept::Closed(id));
        }
        self.after(50 * MS, 3_000 * MS, Happens::Open(g));
    }

    fn slow_from_the_start(&mut self) -> (i64, i64) {
        if !self.plan.slow_starts || self.rng.random_bool(0.5) {
            return (0, 0);
        }
        let since = self.rng.random_range(0..40_000 * MS);
        (self.time - since, self.time + self.rng.random_range(20_000 * MS..40_000 * MS))
    }

    pub(crate) fn slow(&mut self, g: usize, until: i64) {
        let time = self.time;
        if let Some(session) = &mut self.gatherers[g].session {
            session.slow = (time, until);
        }
    }

    pub(crate) fn status(&mut self, active: bool) {
        self.paused = !active;
        for g in 0..self.gatherers.len() {
            if !active {
                self.after(0, 500 * MS, Happens::Cut(g, 0));
            }
            if self.plan.status {
                self.keep(g, Kept::Status(active));
            }
        }
    }

    pub(crate) fn new_era(&mut self) {
        for market in &mut self.markets {
            market.new_era(&mut self.rng);
        }
        self.status(true);
    }
}
