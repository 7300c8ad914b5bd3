//! Going on after a restart: the journal's records bring the canonical side forward, the lanes'
//! frames come again from the checkpoint's positions and find what they led to already there.

use exchange::Moment;

use crate::{
    levels::{Book, Change},
    market::Market,
    merge::Merge,
    record::{DeltaRecord, HoleCause, HoleRecord, Origin, Record, SnapshotRecord},
    shared::Shared,
    streams::Known,
};

impl Merge {
    /// Replays a record that the journal holds after the checkpoint; emits nothing. Call
    /// [`Merge::resumed`] after the last.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Gatherer { name, .. } => {
                self.intern_gatherer(name);
            }
            Record::Market { market_id, ticker, .. } => {
                self.intern_market(ticker, *market_id);
            }
            Record::Delta(delta) => self.apply_in(delta.sid, |market, shared| {
                market.apply_delta(shared, delta);
            }),
            Record::Snapshot(snapshot) => self.apply_in(snapshot.sid, |market, shared| {
                market.apply_snapshot(shared, snapshot);
            }),
            Record::Hole(hole) => self.apply_in(hole.sid, |market, shared| {
                market.apply_hole(shared, hole);
            }),
            Record::Trade(_) => self.shared.canonical.trades += 1,
            Record::Ticker(_) => self.shared.canonical.tickers += 1,
            Record::Lifecycle(_) => self.shared.canonical.lifecycle += 1,
            Record::LaneMinutes(_) | Record::RestBooks(_) => {}
        }
        self.streams.apply(&self.shared.config, record, Known::Journalled);
    }

    /// Remembers a trade, a ticker or a lifecycle message that a store holds: whatever gatherer says it again, it is a copy.
    pub fn remember(&mut self, record: &Record) {
        match record {
            Record::Trade(_) => self.shared.canonical.trades += 1,
            Record::Ticker(_) => self.shared.canonical.tickers += 1,
            Record::Lifecycle(_) => self.shared.canonical.lifecycle += 1,
            _ => return,
        }
        self.streams.apply(&self.shared.config, record, Known::Stored);
    }

    /// Ends the replay. Must also be called after a checkpoint was read with nothing to replay:
    /// moments of the former process mean nothing in this one, and all waits begin anew.
    pub fn resumed(&mut self, now: Moment) {
        for gatherer in &mut self.shared.gatherers {
            gatherer.heard = now;
        }
        for market in &mut self.markets {
            market.resumed(&mut self.shared, now);
        }
    }

    fn apply_in(&mut self, sid: u32, change: impl FnOnce(&mut Market, &mut Shared)) {
        let at = (sid as usize).checked_sub(1);
        if let Some(market) = at.and_then(|at| self.markets.get_mut(at)) {
            change(market, &mut self.shared);
        }
    }
}

impl Market {
    fn apply_delta(&mut self, shared: &mut Shared, delta: &DeltaRecord) {
        let change = Change {
            no: delta.side == exchange::Side::No,
            price: delta.price.units(),
            delta: delta.delta.units(),
            ts_ms: delta.ts_ms,
        };
        if delta.seq > self.seq {
            self.take_delta(shared, delta, change);
        }
    }

    fn apply_snapshot(&mut self, shared: &mut Shared, record: &SnapshotRecord) {
        if record.seq <= self.seq {
            return;
        }
        if record.origin == Origin::Checkpoint {
            self.took_snapshot(shared, record);
            return;
        }
        let empty = record.yes.is_empty() && record.no.is_empty();
        if self.started && self.dangling.is_none() && record.era == self.era && empty {
            self.take_emptied(shared, record);
            return;
        }
        if self.started && record.era > self.era {
            self.open_era(shared, &record.from);
        }
        let book = Book::from_levels(&record.yes, &record.no);
        self.take_base(shared, record, book);
    }

    fn apply_hole(&mut self, shared: &mut Shared, hole: &HoleRecord) {
        if hole.seq <= self.seq {
            return;
        }
        if hole.takes_back() {
            self.dangling = None;
            return;
        }
        let told = self.told_from() == Some(hole.from_clock);
        self.dangling = Some((hole.from_clock, hole.to_clock));
        shared.canonical.holes += u64::from(!told);
        if hole.has_no_end() {
            return;
        }
        (self.challenge, self.doubted) = (None, None);
        if hole.cause == HoleCause::Divergence {
            self.dispute = None;
        }
    }
}
