//! Exchange, network, gatherers with their logs, and the merge, on one made-up time line.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use exchange::{Frame, Message, Moment};
use merge::{Config, GathererIndex, LaneMinute, Merge, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use super::{
    lie::lie,
    plan::{MS, Plan},
    truth::{Truth, frame, trade},
};

/// What the simulated wall clocks show at the start.
pub(crate) const WALL: i64 = 1_790_000_000_000 * MS;
/// After the run everybody is heard for so long, so that all waits end.
pub(crate) const TAIL: i64 = 120_000 * MS;

/// What a frame is about, for the oracle only.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Tag {
    Event { market: usize, at: usize },
    State { market: usize, era: usize, state: usize },
    Trade(Uuid),
    Other,
}

/// One record in a gatherer's log.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Opened(u64),
    Closed(u64),
    Frame(u64, Box<Frame<'static>>, Tag),
    Bad(u64),
    Status(bool),
}

#[derive(Clone, Debug)]
pub(crate) enum Happens {
    Act(usize),
    Receive(usize, u64, Option<Box<Frame<'static>>>, Tag),
    Forward(usize),
    Open(usize),
    Cut(usize, u64),
    Resync(usize, u64, Option<usize>),
    Stream(usize, bool),
    Status(bool),
    NewEra,
    Checkpoint,
    Crash,
    Tick,
}

struct Session {
    id: u64,
    seq: [u64; 3],
    received: i64,
}

pub(crate) struct Gatherer {
    pub(crate) index: GathererIndex,
    session: Option<Session>,
    sessions: u64,
    latency: i64,
    pub(crate) skew: i64,
    pub log: Vec<(i64, Kept)>,
    pub(crate) delivered: usize,
    pub(crate) up: bool,
    pub lies: bool,
}

pub(crate) struct Checkpoint {
    pub(crate) bytes: Vec<u8>,
    pub(crate) delivered: Vec<usize>,
    pub(crate) journal: usize,
}

pub(crate) struct World {
    pub plan: Plan,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) time: i64,
    count: u64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: std::collections::HashMap<u64, Happens>,
    pub markets: Vec<Truth>,
    pub gatherers: Vec<Gatherer>,
    pub merge: Merge,
    pub journal: Vec<Record>,
    pub minutes: Vec<LaneMinute>,
    pub alarms: Vec<merge::Alarm>,
    pub(crate) checkpoint: Option<Checkpoint>,
    paused: bool,
    trades: u128,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let config = Config {
            window: plan.window,
            window_min: plan.window.min(32),
            checkpoint_deltas: 25,
            hole_wait: Duration::from_secs(30),
            ..Config::default()
        };
        let markets =
            (0..plan.markets).map(|index| Truth::new(index, plan.clockless, &mut rng)).collect();
        let mut merge = Merge::new(config);
        let gatherers = (0..plan.gatherers)
            .map(|at| Gatherer {
                index: merge.gatherer(&format!("g{at}")),
                session: None,
                sessions: 1 << 32,
                latency: rng.random_range(0..=plan.max_latency),
                skew: rng.random_range(-2 * MS..2 * MS),
                log: Vec::new(),
                delivered: 0,
                up: true,
                lies: plan.liar && at + 1 == plan.gatherers,
            })
            .collect();
        let mut world = Self {
            rng,
            time: 0,
            count: 0,
            queue: BinaryHeap::new(),
            events: std::collections::HashMap::new(),
            markets,
            gatherers,
            merge,
            journal: Vec::new(),
            minutes: Vec::new(),
            alarms: Vec::new(),
            checkpoint: None,
            paused: false,
            trades: 0,
            plan,
        };
        world.schedule();
        world
    }

    fn schedule(&mut self) {
        let plan = self.plan.clone();
        for g in 0..plan.gatherers {
            let opens = self.rng.random_range(0..300 * MS);
            self.at(opens, Happens::Open(g));
            for _ in 0..plan.cuts {
                let when = self.rng.random_range(3_000 * MS..plan.length);
                self.at(when, Happens::Cut(g, 0));
            }
            for _ in 0..plan.stalls {
                let when = self.rng.random_range(6_000 * MS..plan.length);
                let back = when + self.rng.random_range(10 * MS..8_000 * MS);
                self.at(when, Happens::Stream(g, false));
                self.at(back, Happens::Stream(g, true));
            }
        }
        for market in 0..plan.markets {
            self.at(self.time + 350 * MS, Happens::Act(market));
        }
        if plan.era_change {
            let when = plan.length / 2;
            self.at(when, Happens::Status(false));
            self.at(when + 6_000 * MS, Happens::NewEra);
        }
        for _ in 0..plan.crashes {
            let when = self.rng.random_range(0..plan.length + 3_000 * MS);
            let crash = when + self.rng.random_range(0..5_000 * MS);
            self.at(when, Happens::Checkpoint);
            self.at(crash, Happens::Crash);
        }
        self.at(plan.tick, Happens::Tick);
    }

    pub(crate) fn at(&mut self, time: i64, what: Happens) {
        self.count += 1;
        self.queue.push(Reverse((time, self.count)));
        self.events.insert(self.count, what);
    }

    pub(crate) fn after(&mut self, least: i64, most: i64, what: Happens) {
        let time = self.time + self.rng.random_range(least..most);
        self.at(time, what);
    }

    pub(crate) fn moment(time: i64) -> Moment {
        Moment::from_nanos((time + 1_000 * MS) as u64)
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) {
        while let Some(Reverse((time, key))) = self.queue.pop() {
            self.timeouts(time);
            self.time = time;
            let what = self.events.remove(&key).expect("queued");
            self.happen(what);
        }
        self.minutes.extend(self.merge.close_minutes(i64::MAX));
    }

    fn timeouts(&mut self, until: i64) {
        let mut rounds = 0;
        while let Some(due) = self.merge.next_timeout().filter(|due| *due <= Self::moment(until)) {
            self.merge.handle_timeout(due);
            self.drain();
            rounds += 1;
            assert!(rounds < 100_000, "timeouts come to an end");
        }
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Act(market) => self.act(market),
            Happens::Receive(g, session, frame, tag) => self.receive(g, session, frame, tag),
            Happens::Forward(g) => self.forward(g),
            Happens::Open(g) => self.open(g),
            Happens::Cut(g, session) => self.cut(g, session),
            Happens::Resync(g, session, market) => self.resync(g, session, market),
            Happens::Stream(g, up) => self.stream(g, up),
            Happens::Status(active) => self.status(active),
            Happens::NewEra => self.new_era(),
            Happens::Checkpoint => self.take_checkpoint(),
            Happens::Crash => self.crash(),
            Happens::Tick => self.tick(),
        }
    }

    fn act(&mut self, market: usize) {
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
            let upto = if cut { self.rng.random_range(range.clone()) } else { range.end };
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
    fn send(&mut self, g: usize, sid: u32, id: Option<u64>, message: Message<'static>, tag: Tag) {
        let (drop, bad) = (self.plan.drop, self.plan.bad);
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
        session.received = (session.received + 1).max(self.time + gatherer.latency + jitter);
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

    fn keep(&mut self, g: usize, what: Kept) {
        let wall = WALL + self.time + self.gatherers[g].skew;
        self.gatherers[g].log.push((wall, what));
        self.after(0, 5 * MS, Happens::Forward(g));
    }

    fn receive(&mut self, g: usize, session: u64, frame: Option<Box<Frame<'static>>>, tag: Tag) {
        if self.gatherers[g].session.as_ref().is_none_or(|open| open.id != session) {
            return;
        }
        match frame {
            Some(frame) => self.keep(g, Kept::Frame(session, frame, tag)),
            None => self.keep(g, Kept::Bad(session)),
        }
    }

    fn open(&mut self, g: usize) {
        if self.gatherers[g].session.is_some() {
            return;
        }
        if self.paused {
            self.after(100 * MS, 900 * MS, Happens::Open(g));
            return;
        }
        let gatherer = &mut self.gatherers[g];
        gatherer.sessions += 1;
        let id = gatherer.sessions;
        gatherer.session = Some(Session { id, seq: [0; 3], received: self.time });
        self.keep(g, Kept::Opened(id));
        for sid in [1, 2] {
            let message = Message::Subscribed { channel: "orderbook_delta", sid };
            let frame = Frame { sid: None, seq: None, ..frame(sid, None, Some(1), message) };
            self.keep(g, Kept::Frame(id, Box::new(frame), Tag::Other));
        }
        self.snapshots(g, None, None);
    }

    fn snapshots(&mut self, g: usize, id: Option<u64>, only: Option<usize>) {
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

    fn resync(&mut self, g: usize, session: u64, market: Option<usize>) {
        if self.gatherers[g].session.as_ref().is_some_and(|open| open.id == session) {
            self.snapshots(g, Some(7), market);
        }
    }

    /// `session` 0: whichever is open.
    fn cut(&mut self, g: usize, session: u64) {
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

    fn status(&mut self, active: bool) {
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

    fn new_era(&mut self) {
        for market in &mut self.markets {
            market.new_era(&mut self.rng);
        }
        self.status(true);
    }
}
