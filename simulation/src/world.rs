//! The scheduler: one queue of things that happen, in the order of a made-up time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::PathBuf;
use std::time::Duration;

use deduplicator::simulated::Site;
use exchange::Moment;
use proto::Position;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spool::faulty::{End, FaultyDisk, Rng};
use spool::{AnyDisk, Options};

use crate::gatherer::{Gatherer, Message, Tag};
use crate::oracle;
use crate::plan::{MS, Plan};
use crate::server::Deduplicator;
use crate::sink::Server;
use crate::truth::Truth;

/// What the simulated wall clocks show at the start.
pub(crate) const WALL: i64 = 1_790_000_000_000 * MS;
/// After the run nothing breaks for so long: longer than every wait of the merge.
const TAIL: i64 = 75_000 * MS;
/// In the last part of that everything is slow, so that it costs little.
const CALM_AFTER: i64 = 4_000 * MS;

/// Things that happen.
#[derive(Clone)]
pub(crate) enum Happens {
    /// The exchange changes a book.
    Act(usize),
    /// A frame arrives at a gatherer's session.
    Receive(usize, u64, String, (u64, Tag)),
    Open(usize),
    Cut(usize, u64),
    /// A session asks for snapshots: of one market or of all.
    Resync(usize, u64, Option<usize>),
    Flush(usize),
    Commit(usize),
    EndGatherer(usize, End),
    StartGatherer(usize),
    Dial(usize),
    Pump(usize),
    Arrive(usize, u64, Message),
    Ack(usize, u64, Position),
    Sever(usize),
    Due,
    CommitJournal,
    Checkpoint,
    StoreCheckpoint,
    EndDeduplicator(End),
    StartDeduplicator,
    Sink,
    Trim,
    StoreUp(bool),
    /// A disk has so many operations left: of a gatherer, or of the deduplicator.
    Fuse(Option<usize>, usize),
    FailSync(Option<usize>),
}

/// What a run has reached: a simulation that exercises nothing proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Things that happened.
    pub steps: u64,
    /// Changes of books.
    pub events: u64,
    /// Holes recorded.
    pub holes: u64,
    /// Ends of gatherers.
    pub gatherer_ends: u64,
    /// Records that these took.
    pub spool_lost: u64,
    /// Ends of the deduplicator.
    pub deduplicator_ends: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Acks given, each tried by a restart from what is surely on disk.
    pub acks: u64,
    /// Segments deleted, of spools and journal.
    pub trimmed: u64,
    /// Batches that came to the store again.
    pub batches_again: u64,
    /// Checkpoints damaged.
    pub damaged: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        for (into, from) in [
            (&mut self.steps, other.steps),
            (&mut self.events, other.events),
            (&mut self.holes, other.holes),
            (&mut self.gatherer_ends, other.gatherer_ends),
            (&mut self.spool_lost, other.spool_lost),
            (&mut self.deduplicator_ends, other.deduplicator_ends),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.acks, other.acks),
            (&mut self.trimmed, other.trimmed),
            (&mut self.batches_again, other.batches_again),
            (&mut self.damaged, other.damaged),
        ] {
            *into += from;
        }
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: ChaCha8Rng,
    /// What crashes take.
    pub(crate) fate: Rng,
    pub(crate) time: i64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    waiting: BTreeMap<u64, Happens>,
    queued: u64,
    pub(crate) markets: Vec<Truth>,
    pub(crate) gatherers: Vec<Gatherer>,
    pub(crate) site: Site,
    pub(crate) disk: FaultyDisk,
    pub(crate) deduplicator: Option<Deduplicator>,
    pub(crate) server: Server,
    pub(crate) counts: Counts,
    trace: DefaultHasher,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let markets = (0..plan.markets).map(|index| Truth::new(index, &mut rng)).collect();
        let gatherers = (0..plan.gatherers)
            .map(|at| {
                let latency = rng.random_range(0..60 * MS);
                Gatherer::new(format!("g{at}"), latency, rng.random_range(-2 * MS..2 * MS))
            })
            .collect();
        let disk = FaultyDisk::default();
        let site = Site {
            disk: AnyDisk::faulty(&disk),
            data_dir: PathBuf::from("data"),
            options: Options { segment_bytes: 6_000, ..Options::default() },
            merge: merge::Config {
                start_wait: Duration::from_secs(10),
                checkpoint_deltas: 40,
                ..merge::Config::default()
            },
        };
        let mut world = Self {
            fate: Rng::new(plan.seed),
            rng,
            time: 0,
            queue: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            queued: 0,
            markets,
            gatherers,
            site,
            disk,
            deduplicator: None,
            server: Server::default(),
            counts: Counts::default(),
            trace: DefaultHasher::new(),
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let plan = self.plan.clone();
        self.server.up = true;
        self.at(0, Happens::StartDeduplicator);
        for what in [Happens::Due, Happens::CommitJournal, Happens::Checkpoint, Happens::Sink] {
            self.after(MS, 50 * MS, what);
        }
        self.after(500 * MS, 900 * MS, Happens::Trim);
        for g in 0..plan.gatherers {
            self.at(0, Happens::StartGatherer(g));
            for what in [Happens::Flush(g), Happens::Commit(g), Happens::Pump(g), Happens::Dial(g)]
            {
                self.after(MS, 20 * MS, what);
            }
            for _ in 0..plan.cuts {
                self.after(300 * MS, plan.length, Happens::Cut(g, 0));
            }
            for _ in 0..plan.severed {
                self.after(300 * MS, plan.length, Happens::Sever(g));
            }
            for _ in 0..plan.gatherer_ends {
                let end = self.end();
                self.after(300 * MS, plan.length, Happens::EndGatherer(g, end));
            }
        }
        for market in 0..plan.markets {
            self.at(200 * MS, Happens::Act(market));
        }
        for _ in 0..plan.deduplicator_ends {
            let end = self.end();
            self.after(100 * MS, plan.length, Happens::EndDeduplicator(end));
        }
        for _ in 0..plan.store_outages {
            self.after(100 * MS, plan.length, Happens::StoreUp(false));
        }
        for _ in 0..plan.fuses {
            let (whose, left) = (self.whose(), self.rng.random_range(0..60));
            self.after(100 * MS, plan.length, Happens::Fuse(whose, left));
        }
        for _ in 0..plan.failed_syncs {
            let whose = self.whose();
            self.after(100 * MS, plan.length, Happens::FailSync(whose));
        }
    }

    fn whose(&mut self) -> Option<usize> {
        let who = self.rng.random_range(0..=self.plan.gatherers);
        (who < self.plan.gatherers).then_some(who)
    }

    fn end(&mut self) -> End {
        if self.rng.random_bool(0.5) { End::Killed } else { End::PowerLoss }
    }

    pub(crate) fn at(&mut self, time: i64, what: Happens) {
        self.queued += 1;
        self.queue.push(Reverse((time, self.queued)));
        self.waiting.insert(self.queued, what);
    }

    pub(crate) fn after(&mut self, least: i64, most: i64, what: Happens) {
        let time = self.time + self.rng.random_range(least..most.max(least + 1));
        self.at(time, what);
    }

    /// Something that goes on until the end, more seldom when nothing is left to do.
    pub(crate) fn again(&mut self, least: i64, most: i64, what: Happens) {
        if self.time > self.plan.length + TAIL {
            return;
        }
        let slow = if self.time > self.plan.length + CALM_AFTER { 20 } else { 1 };
        self.after(least * slow, most * slow, what);
    }

    /// Whether things may still break.
    pub(crate) fn rough(&self) -> bool {
        self.time < self.plan.length
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_nanos((self.time + 1_000 * MS).unsigned_abs())
    }

    /// To the end, and then until the store has everything.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse((time, number))) = self.queue.pop() {
            self.time = time;
            let what = self.waiting.remove(&number).expect("queued");
            self.counts.steps += 1;
            self.note(&(time, std::mem::discriminant(&what)));
            self.happen(what)?;
        }
        self.drain()?;
        self.counts.holes = oracle::holes(self);
        self.counts.batches_again = self.server.again;
        Ok(())
    }

    fn happen(&mut self, what: Happens) -> Result<(), String> {
        match what {
            Happens::Act(market) => self.act(market),
            Happens::Receive(g, session, frame, about) => {
                self.receive(g, session, &frame, about)?
            }
            Happens::Open(g) => self.open(g)?,
            Happens::Cut(g, session) => self.cut(g, session)?,
            Happens::Resync(g, session, market) => self.resync(g, session, market),
            Happens::Flush(g) => self.flush(g)?,
            Happens::Commit(g) => self.commit(g)?,
            Happens::EndGatherer(g, end) => self.end_gatherer(g, end)?,
            Happens::StartGatherer(g) => self.start_gatherer(g),
            Happens::Dial(g) => self.dial(g)?,
            Happens::Pump(g) => self.pump(g),
            Happens::Arrive(g, epoch, message) => self.arrive(g, epoch, message)?,
            Happens::Ack(g, epoch, below) => self.ack(g, epoch, below),
            Happens::Sever(g) => self.sever(g)?,
            Happens::Due => self.due()?,
            Happens::CommitJournal => self.commit_journal()?,
            Happens::Checkpoint => self.checkpoint()?,
            Happens::StoreCheckpoint => self.store_checkpoint()?,
            Happens::EndDeduplicator(end) => self.end_deduplicator(end),
            Happens::StartDeduplicator => self.start_deduplicator()?,
            Happens::Sink => self.sink()?,
            Happens::Trim => self.trim()?,
            Happens::StoreUp(up) => {
                self.server.up = up;
                if !up {
                    self.after(50 * MS, 1_500 * MS, Happens::StoreUp(true));
                }
            }
            Happens::Fuse(Some(g), left) => self.gatherers[g].disk().fuse(Some(left)),
            Happens::Fuse(None, left) => self.disk.fuse(Some(left)),
            Happens::FailSync(Some(g)) => self.gatherers[g].disk().fail_next_sync(),
            Happens::FailSync(None) => self.disk.fail_next_sync(),
        }
        Ok(())
    }

    /// Takes a decision into the digest.
    pub(crate) fn note(&mut self, what: &impl Hash) {
        what.hash(&mut self.trace);
    }

    pub(crate) fn digest(&self) -> u64 {
        let mut all = self.trace.clone();
        for table in &self.server.tables {
            for (at, payload) in table {
                (at.incarnation, at.offset, payload).hash(&mut all);
            }
        }
        all.finish()
    }
}
