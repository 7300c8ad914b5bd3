//! The fault matrix: what is broken, one file a case. Each runs the real programs, breaks something by a
//! seeded choice, and ends with the comparison of everything stored with what the exchange really did.
//!
//! `cargo test -p system-tests` runs a short form of each; `programs faults --seed S --count N` runs as
//! many seeds as wanted, with all places and longer faults under `--long`.

mod clocks;
pub mod command;
mod damage;
mod deduplicator_places;
mod disk_full;
mod engines;
mod gatherer_places;
mod lost_disk;
mod partition;
mod refusals;
mod restored;
mod rumours;
mod schema;
mod sockets;
mod stores;
mod sync_fails;
mod two_lanes;

use std::path::Path;

use anyhow::{Context as _, bail};
use demo::fleet::{Plan, SimOptions};
use demo::oracle::Report;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::Story;

/// Names of the cases, and what each is about.
pub const CASES: [(&str, &str); 16] = [
    (
        "gatherer-places",
        "gatherers die between append, fsync, send, insert and cursor, and while they recover",
    ),
    (
        "deduplicator-places",
        "the deduplicator dies at the same places, at checkpoints, between Parquet file and manifest",
    ),
    ("engines", "each ClickHouse dies in the middle of inserts"),
    (
        "partition",
        "streams fall silent, are cut, are slow: one, then all; catch-up while live data flows",
    ),
    ("stores", "answers of ClickHouse are lost, slow, late, refused"),
    ("refusals", "MEMORY_LIMIT_EXCEEDED and TOO_MANY_PARTS, provoked for real"),
    ("disk-full", "the disks of a gatherer and of the deduplicator fill up and have room again"),
    (
        "sync-fails",
        "an fsync fails, a disk becomes read-only: the program stops for good and says so",
    ),
    ("damage", "flipped bits and torn tails in every file: named, refused, never guessed at"),
    ("lost-disk", "the deduplicator's disk is lost: it goes on from ClickHouse and the spools"),
    ("schema", "the exchange's messages change their form"),
    ("sockets", "sockets to the exchange are silent, slow, flapping, and subscriptions end"),
    ("rumours", "one feed of three lies: the two others outvote it"),
    ("two-lanes", "one feed of two lies: the exchange's own book decides"),
    ("restored", "a gatherer's disk comes back from an old copy and tells old sessions again"),
    ("clocks", "the host clock of a gatherer steps forward and back"),
];

/// Where a case is run, and its chances.
pub struct Ground {
    host: String,
    seed: u64,
    long: bool,
    random: ChaCha8Rng,
}

impl Ground {
    /// For one run of a case; `host` is the binary that hosts the programs.
    pub fn new(host: &str, seed: u64, long: bool) -> Self {
        Self { host: host.to_owned(), seed, long, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Runs the case of this name.
    ///
    /// # Errors
    /// When something is not as it must be; the seed is told.
    pub async fn run(&mut self, name: &str) -> anyhow::Result<Report> {
        let outcome = match name {
            "gatherer-places" => gatherer_places::run(self).await,
            "deduplicator-places" => deduplicator_places::run(self).await,
            "engines" => engines::run(self).await,
            "partition" => partition::run(self).await,
            "stores" => stores::run(self).await,
            "refusals" => refusals::run(self).await,
            "disk-full" => disk_full::run(self).await,
            "sync-fails" => sync_fails::run(self).await,
            "damage" => damage::run(self).await,
            "lost-disk" => lost_disk::run(self).await,
            "schema" => schema::run(self).await,
            "sockets" => sockets::run(self).await,
            "rumours" => rumours::run(self).await,
            "two-lanes" => two_lanes::run(self).await,
            "restored" => restored::run(self).await,
            "clocks" => clocks::run(self).await,
            other => bail!("no case is called {other}; see --list"),
        };
        outcome.with_context(|| format!("{name} with FAULT_SEED={}", self.seed))
    }

    async fn story(
        &self,
        gatherers: usize,
        change: impl FnOnce(&mut Plan),
    ) -> anyhow::Result<Story> {
        let sim = SimOptions { rate: 800, markets: 40, seed: self.seed, ..SimOptions::default() };
        Story::of(&self.host, sim, gatherers, change).await
    }

    /// In the short form `few` of them by chance, in the long form all, in random order.
    fn some<T: Copy>(&mut self, all: &[T], few: usize) -> Vec<T> {
        let mut chosen = all.to_vec();
        chosen.shuffle(&mut self.random);
        if !self.long {
            chosen.truncate(few);
        }
        chosen
    }

    /// A number up to `most`, from 1.
    fn up_to(&mut self, most: u32) -> u32 {
        self.random.random_range(1..=most)
    }

    /// Seconds that something lasts.
    fn lasting(&self, short: u64, long: u64) -> std::time::Duration {
        std::time::Duration::from_secs(if self.long { long } else { short })
    }
}

/// The newest file of a folder by name, of those that `is_it` takes.
fn newest(folder: &Path, is_it: impl Fn(&str) -> bool) -> anyhow::Result<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let named =
        paths.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_it));
    named.max().with_context(|| format!("no such file in {}", folder.display()))
}
