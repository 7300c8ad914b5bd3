//! What one seed does to the lanes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Milliseconds as nanoseconds.
pub(crate) const MS: i64 = 1_000_000;

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
}

impl Plan {
    /// The plan of a seed; `seed % 8` chooses the kind, so that a range holds all.
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
        };
        match seed % 8 {
            0 => plan.era_change = true,
            1 => plan.crashes = 3,
            // Without clock, snapshots that crossed on the way cannot be put in order.
            2 => (plan.clockless, plan.max_latency, plan.window) = (true, 1, 8_192),
            3 => plan.lie(),
            4 => plan.quiet(),
            5 => (plan.crashes, plan.era_change) = (2, true),
            _ => {}
        }
        plan
    }

    /// Two honest lanes or more that lose nothing, and one that lies.
    fn lie(&mut self) {
        self.quiet();
        self.gatherers = self.gatherers.max(2) + 1;
        (self.liar, self.tick, self.length) = (true, 10 * MS, 8_000 * MS);
        (self.max_latency, self.closes) = (15 * MS, false);
        (self.crashes, self.stalls) = (0, 0);
    }

    /// Nothing is damaged.
    fn quiet(&mut self) {
        (self.drop, self.bad, self.cut_in_group, self.cuts) = (0, 0, 0, 0);
    }
}
