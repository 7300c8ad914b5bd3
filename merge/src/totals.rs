//! Counters since the merge was made (restored with the state), for health and metrics.

use serde::{Deserialize, Serialize};

use crate::minutes::{FATES, Fate};

/// Everything counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// By `GathererIndex`.
    pub gatherers: Vec<GathererTotals>,
    /// The canonical side.
    pub canonical: CanonicalTotals,
    /// Whether the exchange has said last that it does not trade.
    pub halted: bool,
}

/// One gatherer's frames.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct GathererTotals {
    /// Its name.
    pub name: String,
    /// Whether our stream to it stands.
    pub connected: bool,
    /// Frames handed over, decoded or not.
    pub frames: u64,
    /// Frames whose fate is not yet known.
    pub pending: u64,
    /// See [`Fate::First`]; so on for the others.
    pub first_arrivals: u64,
    /// Copies, verified.
    pub copies: u64,
    /// Copies of forgotten events.
    pub unverified: u64,
    /// Snapshots that placed or verified a lane.
    pub snapshots: u64,
    /// Frames of broken lanes.
    pub uncovered: u64,
    /// Frames of what was already decided.
    pub late: u64,
    /// Frames that contradicted the record.
    pub divergences: u64,
    /// Frames of quarantined lanes.
    pub quarantined: u64,
    /// Frames seen before.
    pub repeats: u64,
    /// Frames without an event.
    pub control: u64,
    /// Frames that could not be decoded.
    pub undecodable: u64,
    /// Jumps of a lane's seq, and lanes that the exchange ended by an error.
    pub breaks: u64,
    /// Order-book frames without `clock`.
    pub without_clock: u64,
    /// Fields we do not know.
    pub unknown_fields: u64,
    /// Lanes in sequence.
    pub lanes_live: u64,
    /// Lanes that had a jump and are not whole again.
    pub lanes_broken: u64,
    /// Markets of which this gatherer covers the head.
    pub markets_covered: u64,
    /// Markets in which it is quarantined now.
    pub markets_quarantined: u64,
}

/// The canonical side's counts.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CanonicalTotals {
    /// Markets seen.
    pub markets: u64,
    /// Order-book events: deltas and snapshots, checkpoints included.
    pub events: u64,
    /// Of these, deltas.
    pub deltas: u64,
    /// Of these, snapshots.
    pub snapshots: u64,
    /// Deltas marked disputed.
    pub disputed: u64,
    /// Holes recorded.
    pub holes: u64,
    /// Markets that nobody covers now, though the record should go on.
    pub uncovered: u64,
    /// Of these, those of which the record says so.
    pub told_uncovered: u64,
    /// Trades.
    pub trades: u64,
    /// Tickers.
    pub tickers: u64,
    /// Lifecycle messages.
    pub lifecycle: u64,
    /// Alarms raised.
    pub alarms: u64,
    /// Markets that wait for a decision (start, hole, dispute).
    pub waiting: u64,
    /// Frames that wait in them.
    pub pending: u64,
    /// Accepted events remembered for comparison.
    pub remembered: u64,
}

impl GathererTotals {
    pub(crate) fn set_fates(&mut self, fates: &[u64; FATES]) {
        let of = |fate: Fate| fates[fate as usize];
        self.first_arrivals = of(Fate::First);
        self.copies = of(Fate::Copy);
        self.unverified = of(Fate::Unverified);
        self.snapshots = of(Fate::Snapshot);
        self.uncovered = of(Fate::Uncovered);
        self.late = of(Fate::Late);
        self.divergences = of(Fate::Divergence);
        self.quarantined = of(Fate::Quarantined);
        self.repeats = of(Fate::Repeat);
        self.control = of(Fate::Control);
        self.undecodable = of(Fate::Undecodable);
        self.pending = self.frames - fates.iter().sum::<u64>();
    }
}
