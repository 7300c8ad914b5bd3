//! Whether anybody covers a market, and what the record says while nobody does.
//!
//! A hole is recorded with the snapshot that ends it, so a market that shows no further one would end without a word: after
//! `hole_wait` the record says that it is no longer covered (a hole without end). The hole that follows takes its place; if
//! nothing was missing, it is taken back. A market that was left on purpose, or ended while it was covered, is whole.

use exchange::Moment;

use crate::{
    market::Market,
    record::{HoleCause, HoleRecord, Record},
    segment::{LaneKey, Segment},
    shared::Shared,
};

/// A lane that delivers deltas of a market without having shown its book is asked for it after so long, and again.
const ASK_AFTER_SECONDS: u64 = 10;

impl Market {
    /// Whether some lane goes on from the head, or will.
    fn is_carried(&self) -> bool {
        self.segments.iter().any(|segment| segment.covers() || self.may_cover(segment))
    }

    /// Whether the record goes on: some lane does, or what it left is still being taken in.
    pub(crate) fn is_covered(&self) -> bool {
        let is_rest = |s: &Segment| s.joined().is_some() && !s.pending.is_empty();
        self.is_carried() || self.segments.iter().any(is_rest)
    }

    /// Whether somebody covered it, nobody does now, and there was no good reason to stop.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.started && self.followed && !self.over && !self.is_covered()
    }

    /// The last clock before a hole that was told and has not ended.
    pub(crate) fn told_from(&self) -> Option<u64> {
        self.dangling.filter(|told| told.1 == HoleRecord::NO_END).map(|told| told.0)
    }

    /// Says so when nobody has covered the market for long, and takes it back when somebody does again. When to look again.
    pub(crate) fn watch_cover(&mut self, shared: &mut Shared, now: Moment) -> Option<Moment> {
        if self.started && self.is_covered() {
            self.followed |= self.is_carried();
            self.uncovered_since = None;
            self.take_back(shared);
            return None;
        }
        // A hole that was told, with or without an end, is not told twice.
        if !self.is_abandoned() || self.dangling.is_some() {
            return None;
        }
        let wait = shared.config.hole_wait;
        if shared.halted {
            // Nothing changes while the exchange has stopped trading; afterwards everybody has his time again.
            return Some(now.plus(wait));
        }
        let since = *self.uncovered_since.get_or_insert(now);
        let due = since.max(shared.trading_since).plus(wait);
        if now < due {
            return Some(due);
        }
        self.tell_abandoned(shared);
        None
    }

    fn tell_abandoned(&mut self, shared: &mut Shared) {
        let newest = shared.gatherers.iter().map(|gatherer| gatherer.progress).max();
        let told = (self.clock, HoleRecord::NO_END);
        self.dangling = Some(told);
        shared.canonical.holes += 1;
        let hole = self.hole_record(told, self.ended);
        let to_ts_ms = newest.unwrap_or(0).div_euclid(1_000_000).max(hole.from_ts_ms);
        shared.emit(Record::Hole(Box::new(HoleRecord { to_ts_ms, ..hole })));
    }

    /// What was told of a hole without end is not so: it has another place, or nothing was missing.
    pub(crate) fn take_back(&mut self, shared: &mut Shared) {
        if let Some(from) = self.told_from() {
            self.dangling = None;
            let hole = self.hole_record((from, from), HoleCause::CoveredAgain);
            shared.emit(Record::Hole(Box::new(hole)));
        }
    }

    fn hole_record(&self, (from_clock, to_clock): (u64, u64), cause: HoleCause) -> HoleRecord {
        HoleRecord {
            sid: self.sid,
            seq: self.seq + 1,
            era: self.era,
            from_clock,
            to_clock,
            from_whole: self.whole,
            from_ts_ms: self.ts_ms,
            to_ts_ms: self.ts_ms,
            cause,
        }
    }

    /// The last lane left it on purpose: what comes later is nobody's loss.
    pub(crate) fn left(&mut self) {
        self.followed &= self.is_carried();
    }

    /// The exchange said that the market ended.
    pub(crate) fn end_heard(&mut self) {
        self.over |= self.started && self.is_covered();
    }

    /// A delta came on a lane that has shown no book of the market, or not since it lost frames. Its session sees that
    /// too and asks by itself; where it does not, we do.
    pub(crate) fn ask_for_book(&mut self, shared: &mut Shared, lane: LaneKey, now: Moment) {
        let wait = std::time::Duration::from_secs(ASK_AFTER_SECONDS);
        let due = *self.ask_book_at.get_or_insert(now.plus(wait));
        if due <= now {
            self.ask_book_at = Some(now.plus(wait));
            shared.refresh(lane.source(), &self.ticker);
        }
    }
}
