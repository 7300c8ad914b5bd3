//! What one seed does to the system.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Milliseconds as nanoseconds.
pub(crate) const MS: i64 = 1_000_000;

/// One run. Times are nanoseconds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all randomness comes from.
    pub seed: u64,
    /// Gatherers.
    pub gatherers: usize,
    /// Markets.
    pub markets: usize,
    /// How long the exchange trades and things break.
    pub length: i64,
    /// Mean time between the actions of one market.
    pub pace: i64,
    /// Frames in a thousand that are lost on a connection.
    pub drop: u32,
    /// Frames in a thousand that come twice.
    pub repeat: u32,
    /// Connections cut, per gatherer.
    pub cuts: u32,
    /// Ends of gatherers, by kill and by power loss, per gatherer.
    pub gatherer_ends: u32,
    /// Ends of the deduplicator.
    pub deduplicator_ends: u32,
    /// Streams severed, per gatherer.
    pub severed: u32,
    /// Times the store does not answer.
    pub store_outages: u32,
    /// Inserts in a hundred whose answer is lost.
    pub ambiguous: u32,
    /// Disk operations after which a disk is gone, at so many moments.
    pub fuses: u32,
    /// Fsyncs that fail, of all programs.
    pub failed_syncs: u32,
    /// Whether the newest checkpoint is damaged while the deduplicator is down.
    pub damage: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x51_6d_75_6c);
        let mut some =
            |most: u32| if rng.random_bool(0.6) { rng.random_range(0..=most) } else { 0 };
        Self {
            seed,
            gatherers: 1 + some(2) as usize,
            markets: 1 + some(2) as usize,
            length: 6_000 * MS,
            pace: 60 * MS,
            drop: some(10),
            repeat: some(20),
            cuts: some(3),
            gatherer_ends: some(2),
            deduplicator_ends: some(4),
            severed: some(3),
            store_outages: some(2),
            ambiguous: some(30),
            fuses: some(2),
            failed_syncs: some(2),
            damage: some(1) == 1,
        }
    }
}
