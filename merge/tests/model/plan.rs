//! What one seed does to the lanes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Milliseconds as nanoseconds.
pub(crate) const MS: i64 = 1_000_000;

/// How many kinds of runs there are.
pub(crate) const KINDS: u64 = 16;
/// Of these, two have seeds of their own.
const MIXED_KINDS: u64 = 14;
const LATE_KIND: u64 = 14;
const SKEWED_KIND: u64 = 15;

/// From here on all seeds are of one kind: connections that are served later and later.
pub(crate) const LATE_SEEDS: u64 = 10_000_000;

/// From here on all seeds are of another kind: a gatherer's clock is wrong.
pub(crate) const SKEWED_SEEDS: u64 = 20_000_000;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub seed: u64,
    pub gatherers: usize,
    pub markets: usize,
    pub length: i64,
    /// Mean time between the actions of one market.
    pub pace: i64,
    /// Frames in a thousand that are lost, unreadable, repeated.
    pub drop: u32,
    pub bad: u32,
    pub repeat: u32,
    /// Actions in a thousand within which a connection is cut.
    pub cut_in_group: u32,
    /// Connections cut over the run, per gatherer.
    pub cuts: u32,
    /// Times the stream to a gatherer stalls, per gatherer.
    pub stalls: u32,
    /// Restarts of the merge.
    pub crashes: u32,
    pub era_change: bool,
    /// The status says that trading stopped.
    pub status: bool,
    pub closes: bool,
    pub clockless: bool,
    /// The gatherer that lies, always the last.
    pub liar: bool,
    /// Time between two words of progress.
    pub tick: i64,
    pub max_latency: i64,
    pub window: usize,
    /// Times a market leaves and joins a living subscription, per gatherer.
    pub relists: u32,
    /// Refreshes are never answered.
    pub deaf: bool,
    /// Times a connection is served later and later, per gatherer.
    pub slows: u32,
    /// New connections may be served late from the start.
    pub slow_starts: bool,
    /// How wrong the clock of the last gatherer may be, to either side.
    pub skew: i64,
    /// How long frames wait before a gatherer hands all it has over.
    pub handover: i64,
    /// Longest stall of a stream.
    pub stall: i64,
    /// Timeouts are looked at only so often, as on a machine without a free core; 0: at once.
    pub late_timeouts: i64,
    /// Half of the restarts find no checkpoint: everything comes from the journal.
    pub lost_checkpoints: bool,
    /// What must hold in the end.
    pub promise: Promise,
    pub bounds: Option<Bounds>,
}

/// What the oracle asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// The truth wherever a lane covered it, holes exactly where none did.
    Exact,
    /// What is told is true, in order, once; what is left out is told as a hole.
    Sound,
    /// As `Sound`, but a lie may stand where it is marked as disputed, or an alarm told of it.
    Marked,
}

/// Small bounds of memory, so that they are reached.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub pending_market: usize,
    pub pending_total: usize,
    pub window_total: usize,
}

impl Plan {
    /// The plan of a seed; a range of seeds holds all kinds.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x9e37_79b9);
        let mut some =
            |most: u32| if rng.random_bool(0.5) { rng.random_range(0..=most) } else { 0 };
        let mut plan = Self {
            seed,
            gatherers: 1 + some(3) as usize,
            markets: 1 + some(3) as usize,
            length: 20_000 * MS,
            pace: 400 * MS,
            drop: some(30),
            bad: some(10),
            repeat: some(30),
            cut_in_group: some(20),
            cuts: some(4),
            stalls: some(3),
            crashes: 0,
            era_change: false,
            status: some(1) == 1,
            closes: some(1) == 1,
            clockless: false,
            liar: false,
            tick: 100 * MS,
            max_latency: 1 + i64::from(some(400)) * MS,
            window: if some(1) == 1 { 8 } else { 8_192 },
            relists: 0,
            slows: 0,
            slow_starts: false,
            skew: 2 * MS,
            deaf: false,
            handover: 5 * MS,
            stall: 8_000 * MS,
            late_timeouts: 0,
            lost_checkpoints: false,
            promise: Promise::Exact,
            bounds: None,
        };
        let more = some(1_000_000);
        match Self::kind(seed) {
            0 => plan.era_change = true,
            1 => plan.crashes = 3,
            // Without clock, snapshots that crossed on the way cannot be put in order.
            2 => (plan.clockless, plan.max_latency, plan.window) = (true, 1, 8_192),
            3 => plan.lie(),
            4 => plan.quiet(),
            5 => (plan.crashes, plan.era_change) = (2, true),
            8 => plan.starve(more),
            9 => plan.lie_and_lose(more),
            10 => plan.two_lanes(),
            11 => plan.fall_silent(more),
            12 => plan.press(more),
            13 => plan.relist(more),
            LATE_KIND => plan.fall_behind(more),
            SKEWED_KIND => plan.mistake_the_time(more),
            _ => {}
        }
        plan
    }

    /// Two of three seeds are of the first eight kinds.
    pub(crate) fn kind(seed: u64) -> u64 {
        if seed >= LATE_SEEDS {
            return if seed >= SKEWED_SEEDS { SKEWED_KIND } else { LATE_KIND };
        }
        if seed % 3 == 2 { 8 + seed / 3 % (MIXED_KINDS - 8) } else { seed % 8 }
    }

    /// Nothing is damaged, nobody answers, everything is late, and the merge is killed often: the
    /// machine has no free core.
    fn starve(&mut self, more: u32) {
        self.quiet();
        (self.gatherers, self.deaf, self.repeat) = (2 + (more % 3) as usize, true, 0);
        (self.crashes, self.stalls, self.lost_checkpoints) = (1 + more % 6, more % 4, true);
        (self.pace, self.length) = (30 * MS, 6_000 * MS);
        self.handover = [5, 60, 300, 2_000][(more / 6 % 4) as usize] * MS;
        self.late_timeouts = [0, 40, 200, 1_000][(more / 24 % 4) as usize] * MS;
        (self.tick, self.stall, self.window) = (self.handover.max(20 * MS), 4_000 * MS, 8_192);
    }

    /// As `lie`, and the liar's connection is cut and loses frames too.
    fn lie_and_lose(&mut self, more: u32) {
        self.lie();
        (self.drop, self.bad, self.cuts) = (more % 30, more / 30 % 10, more / 300 % 4);
    }

    /// One honest lane and one that lies: nothing but snapshots can tell which is which.
    fn two_lanes(&mut self) {
        self.lie();
        (self.gatherers, self.promise) = (2, Promise::Marked);
    }

    /// Streams that end for longer than a hole is waited for.
    fn fall_silent(&mut self, more: u32) {
        (self.stalls, self.stall) = (1 + more % 3, 70_000 * MS);
        (self.length, self.pace) = (60_000 * MS, 1_500 * MS);
        self.promise = Promise::Sound;
    }

    /// Markets leave living subscriptions and come back; nothing else is lost than what cuts take.
    fn relist(&mut self, more: u32) {
        self.quiet();
        (self.relists, self.crashes, self.cuts) = (1 + more % 6, more / 6 % 3, more / 18 % 3);
        (self.pace, self.stall) = (150 * MS, 1_000 * MS);
    }

    /// Nothing is damaged, but the exchange serves connections later and later, by up to a minute, while others are cut and
    /// opened anew.
    fn fall_behind(&mut self, more: u32) {
        self.quiet();
        (self.gatherers, self.markets) = (2 + (more % 3) as usize, 1 + (more / 3 % 3) as usize);
        (self.slows, self.cuts, self.stalls) = (1 + more / 9 % 2, more / 18 % 4, 0);
        (self.crashes, self.window) = (more / 72 % 3, 8_192);
        if more / 216 % 2 == 1 {
            // Who has shown no book yet is waited for only briefly: a hole may be longer than it had to be.
            (self.slow_starts, self.promise) = (true, Promise::Sound);
        }
        (self.length, self.pace) = (100_000 * MS, 1_000 * MS);
    }

    /// Nothing is damaged, but one gatherer's clock is wrong by minutes, over maintenance and over cuts.
    fn mistake_the_time(&mut self, more: u32) {
        self.quiet();
        (self.era_change, self.gatherers) = (true, 2 + (more % 3) as usize);
        (self.cuts, self.crashes) = (1 + more / 3 % 3, more / 9 % 3);
        self.skew = [10_000, 60_000, 300_000][(more / 27 % 3) as usize] * MS;
    }

    /// More waits than memory is granted.
    fn press(&mut self, more: u32) {
        (self.pace, self.stalls, self.length) = (40 * MS, 2 + more % 3, 10_000 * MS);
        (self.promise, self.window) = (Promise::Sound, 8 + more as usize / 3 % 60);
        let total = 20 + (more / 200 % 100) as usize;
        self.bounds = Some(Bounds {
            pending_market: 5 + (more / 20_000 % 40) as usize,
            pending_total: total,
            window_total: 50 + total,
        });
    }

    /// Two honest lanes or more that lose nothing, and one that lies.
    fn lie(&mut self) {
        self.quiet();
        self.gatherers = self.gatherers.max(2) + 1;
        (self.liar, self.tick, self.length) = (true, 10 * MS, 8_000 * MS);
        (self.max_latency, self.closes) = (15 * MS, false);
        (self.crashes, self.stalls) = (0, 0);
    }

    /// Whether a connection loses frames: with a liar among them, only the liar's does.
    pub(crate) fn harms(&self, lies: bool) -> bool {
        lies || !self.liar
    }

    /// Nothing is damaged.
    fn quiet(&mut self) {
        (self.drop, self.bad, self.cut_in_group, self.cuts) = (0, 0, 0, 0);
    }
}
