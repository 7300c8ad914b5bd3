//! Exchange, network, gatherers with their logs, and the merge, on one made-up time line.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use exchange::{Frame, Moment};
use merge::{Config, GathererIndex, LaneMinute, Merge, Record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use super::{
    plan::{MS, Plan},
    truth::Truth,
};

/// What the simulated wall clocks show at the start.
pub(crate) const WALL: i64 = 1_790_000_000_000 * MS;
/// After the run everybody is heard for so long, so that all waits end.
pub(crate) const TAIL: i64 = 120_000 * MS;

/// What a frame is about, for the oracle only.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Tag {
    Event {
        market: usize,
        at: usize,
    },
    State {
        market: usize,
        era: usize,
        state: usize,
    },
    /// The lane's markets are these from here on, a bit each.
    Listed(u8),
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
    List(usize, usize, bool),
    /// The connection is served later and later until then.
    Slow(usize, i64),
    NewEra,
    Checkpoint,
    Crash,
    Tick,
    Timeouts,
}

pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) seq: [u64; 3],
    pub(crate) received: i64,
    /// A bit a market.
    pub(crate) listed: u8,
    /// From when until when it is served later and later.
    pub(crate) slow: (i64, i64),
}

impl Session {
    /// How much later than others what is sent now arrives: three quarters of the time for which it has been slow.
    pub(crate) fn behind(&self, time: i64) -> i64 {
        let (from, until) = self.slow;
        if (from..until).contains(&time) { (time - from) / 4 * 3 } else { 0 }
    }

    pub(crate) fn lists(&self, market: usize) -> bool {
        self.listed & 1 << market != 0
    }
}

pub(crate) struct Gatherer {
    pub(crate) index: GathererIndex,
    pub(crate) session: Option<Session>,
    pub(crate) sessions: u64,
    pub(crate) latency: i64,
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
    pub(crate) paused: bool,
    pub(crate) trades: u128,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let markets =
            (0..plan.markets).map(|index| Truth::new(index, plan.clockless, &mut rng)).collect();
        let mut merge = Merge::new(config_of(&plan));
        let gatherers = (0..plan.gatherers)
            .map(|at| Gatherer {
                index: merge.gatherer(&format!("g{at}")),
                session: None,
                sessions: 1 << 32,
                latency: rng.random_range(0..=plan.max_latency),
                skew: match at + 1 == plan.gatherers {
                    true => rng.random_range(-plan.skew..plan.skew),
                    false => rng.random_range(-2 * MS..2 * MS),
                },
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
            let cuts = if plan.harms(self.gatherers[g].lies) { plan.cuts } else { 0 };
            for _ in 0..cuts {
                let when = self.rng.random_range(3_000 * MS..plan.length);
                self.at(when, Happens::Cut(g, 0));
            }
            for _ in 0..plan.relists {
                let when = self.rng.random_range(2_000 * MS..plan.length);
                let back = when + self.rng.random_range(MS..4_000 * MS);
                let market = self.rng.random_range(0..plan.markets);
                self.at(when, Happens::List(g, market, false));
                self.at(back, Happens::List(g, market, true));
            }
            for _ in 0..plan.slows {
                let when = self.rng.random_range(2_000 * MS..plan.length);
                let until = when + self.rng.random_range(20_000 * MS..80_000 * MS);
                self.at(when, Happens::Slow(g, until));
            }
            for _ in 0..plan.stalls {
                let when = self.rng.random_range(plan.length.min(18_000 * MS) / 3..plan.length);
                let back = when + self.rng.random_range(10 * MS..plan.stall);
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
        if plan.late_timeouts > 0 {
            self.at(plan.late_timeouts, Happens::Timeouts);
        }
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
            if self.plan.late_timeouts == 0 {
                self.timeouts(time);
            }
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
            Happens::List(g, market, listed) => self.list(g, market, listed),
            Happens::Slow(g, until) => self.slow(g, until),
            Happens::NewEra => self.new_era(),
            Happens::Checkpoint => self.take_checkpoint(),
            Happens::Crash => self.crash(),
            Happens::Tick => self.tick(),
            Happens::Timeouts => {
                self.merge.handle_timeout(Self::moment(self.time));
                self.drain();
                if self.time < self.plan.length + TAIL {
                    self.at(self.time + self.plan.late_timeouts, Happens::Timeouts);
                }
            }
        }
    }
}

/// The bounds of a plan; the waits are the real ones.
pub(crate) fn config_of(plan: &Plan) -> Config {
    let mut config = Config {
        window: plan.window,
        window_min: plan.window.min(32),
        checkpoint_deltas: 25,
        hole_wait: Duration::from_secs(30),
        ..Config::default()
    };
    if let Some(bounds) = &plan.bounds {
        config.pending_market = bounds.pending_market;
        config.pending_total = bounds.pending_total;
        config.window_total = bounds.window_total;
    }
    config
}
