//! The merge's waits and bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::share::Share;

/// How long to wait for what, how much to keep, and of which markets.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Config {
    /// How long a lane that could still fill a gap is waited for before the gap is a hole.
    pub hole_wait: Duration,
    /// How much later than a snapshot that would end a hole every other gatherer must have been
    /// heard: a snapshot of a lower clock may have been longer on the way.
    pub hole_margin: Duration,
    /// How long a market's start waits for a snapshot of every known gatherer.
    pub start_wait: Duration,
    /// How long a first arrival waits for a second lane to say the same.
    pub confirm_wait: Duration,
    /// How long lanes that disagree are waited for after they were asked for fresh snapshots.
    pub dispute_wait: Duration,
    /// How much later than a known change a snapshot must have been received, for its lower clock
    /// to mean a new era and not a snapshot that was overtaken on the way.
    pub era_slack: Duration,
    /// Accepted events kept per market for lanes that lag.
    pub window: usize,
    /// Accepted events kept per market when no lane lags.
    pub window_min: usize,
    /// Accepted events kept in all markets together, about 96 bytes each.
    pub window_total: usize,
    /// Frames that may wait in one market for a decision.
    pub pending_market: usize,
    /// Frames that may wait in all markets together, about 96 bytes each.
    pub pending_total: usize,
    /// Deltas of a market after which its book is repeated as a snapshot.
    pub checkpoint_deltas: u32,
    /// Time of an active market after which its book is repeated as a snapshot.
    pub checkpoint_every: Duration,
    /// Trades remembered, 42 bytes each (42 MB, taken at the start).
    pub trades_kept: usize,
    /// Trades older than this behind the newest are late.
    pub trades_age: Duration,
    /// Tickers and lifecycle messages remembered, each, 43 bytes each (9 MB and 9 MB, taken at the
    /// start).
    pub messages_kept: usize,
    /// Minute accounts held before they are folded together (markets lose their names), about 250
    /// bytes each (100 MB; they leave with every checkpoint, so that usually a minute's are held).
    pub minutes_kept: usize,
    /// The markets that are kept. Not in a checkpoint: `set_config` says it again.
    #[serde(skip)]
    pub share: Share,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hole_wait: Duration::from_secs(30),
            hole_margin: Duration::from_millis(500),
            start_wait: Duration::from_secs(2),
            confirm_wait: Duration::from_millis(50),
            dispute_wait: Duration::from_secs(2),
            era_slack: Duration::from_secs(2),
            window: 8_192,
            window_min: 32,
            window_total: 1_000_000,
            pending_market: 50_000,
            pending_total: 500_000,
            checkpoint_deltas: 10_000,
            checkpoint_every: Duration::from_secs(15 * 60),
            trades_kept: 1_000_000,
            trades_age: Duration::from_secs(24 * 3600),
            messages_kept: 200_000,
            minutes_kept: 400_000,
            share: Share::default(),
        }
    }
}
