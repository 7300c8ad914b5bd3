//! Where a snapshot stands in the log: it joins, waits, starts an argument, or is of another time.
//!
//! With a clock the place is looked up and the book's hash must be the one held there. Without, the
//! hash is what is looked up, and the lane's next delta tells equal books apart.

use exchange::Moment;

use crate::{
    era::shown_ns,
    levels::{Book, Change},
    log::{Place, What},
    market::Market,
    minutes::Fate,
    output::AlarmKind,
    record::Provenance,
    segment::{JoinedBy, Says, Segment, Shown, Stage},
    shared::Shared,
};

/// How many of its first deltas a lane without clock is looked for by.
const MEETS_WITHIN: usize = 32;

/// What a snapshot's place is.
enum Found {
    Join(u64),
    /// Between what we hold and a base: nothing there can be compared.
    InHole(u64),
    Wait,
    Deny,
    Behind,
    Past,
}

impl Market {
    /// Places every segment that can be placed now; says whether any was.
    pub(crate) fn place_all(&mut self, shared: &mut Shared, now: Moment) -> bool {
        let mut placed = false;
        let mut at = 0;
        while at < self.segments.len() {
            placed |= self.joined_too_early(at, now);
            if self.started && self.segments[at].placing().is_some() {
                placed |= self.place(shared, at);
            }
            at += 1;
        }
        placed
    }

    fn place(&mut self, shared: &mut Shared, at: usize) -> bool {
        let segment = &self.segments[at];
        let Some(start) = segment.placing() else { return false };
        let (from, counted) = (start.from, start.counted);
        let by = JoinedBy { hash: start.shown.book.hash(), asked: start.shown.asked, from };
        let dated = start.shown.clock.is_some();
        let found = if shown_ns(shared, segment) < self.era_from {
            Found::Past
        } else {
            match start.shown.clock {
                Some(s) => self.find_by_clock(shared, segment, s),
                None => self.find_by_hash(segment),
            }
        };
        let clock = segment.floor;
        let stage = match found {
            Found::Wait => return false,
            Found::Deny => {
                self.doubt(self.verified.min(self.clock));
                return self.deny(shared, at);
            }
            Found::Join(next) => {
                self.verified_at(clock);
                let at_end = next == self.log.end();
                self.whole |= at_end;
                self.segments[at].joined_by = (at_end && dated).then_some(by);
                Stage::Joined { next }
            }
            Found::InHole(next) => Stage::Joined { next },
            Found::Behind => self.behind(at),
            Found::Past => Stage::Past,
        };
        if !matches!(stage, Stage::Past) {
            self.take_back(shared);
        }
        self.segments[at].stage = stage;
        self.account_start(shared, (from, counted), Fate::Snapshot);
        true
    }

    fn find_by_clock(&self, shared: &Shared, segment: &Segment, s: u64) -> Found {
        let Some(start) = segment.placing() else { return Found::Wait };
        if s > self.clock {
            return Found::Wait;
        }
        if self.has_fallen(shared, segment) {
            return if self.has_nothing_new(shared, segment) { Found::Past } else { Found::Wait };
        }
        let Place::At(index) = self.log.after_clock(s) else { return Found::Behind };
        if self.log.entry(index).is_some_and(|entry| entry.what == What::Base) {
            return Found::InHole(index);
        }
        match self.log.find(s, start.shown.book.hash()) {
            Some(next) => Found::Join(next),
            // It may stand before the closing snapshot of its clock, which was forgotten.
            None if self.log.forgot_closing(s) => Found::Behind,
            // Our last clock's deltas may not be all there yet.
            None if s == self.clock => Found::Wait,
            None => Found::Deny,
        }
    }

    /// Newest index whose book is the snapshot's, told apart by the first delta after it.
    fn find_by_hash(&self, segment: &Segment) -> Found {
        let Some(start) = segment.placing() else { return Found::Wait };
        let hash = start.shown.book.hash();
        let Some(first) = segment.first_news() else {
            // Nothing tells yet; the head is where it must go on if nobody else does.
            let newest = self.log.last().map_or(i64::MIN, |entry| entry.from.wall_ns);
            let known = self.log.newest_with_hash(hash, 0).is_some();
            let past = !segment.open && (known || start.from.wall_ns <= newest);
            return if past { Found::Past } else { Found::Wait };
        };
        let fits = |index: &u64| match (self.log.entry(*index), first) {
            (Some(entry), Some((clock, change))) => segment.says(clock, change, entry),
            (Some(entry), None) => entry.what == What::Emptied,
            (None, _) => false,
        };
        let end = self.log.end();
        let mut places = (self.log.first()..end).rev();
        let same = |index: &u64| self.log.hash_before(*index) == Some(hash) && fits(index);
        if let Some(index) = places.find(same) {
            return Found::Join(index);
        }
        let newer = first.is_none_or(|(clock, _)| clock >= self.clock);
        if newer && self.log.hash_before(end) == Some(hash) {
            // Equal books may come again: first what others have for this place, behind the snapshots
            // that change nothing here.
            let delta = |other: &Segment| {
                other.pending.iter().find_map(|item| match &item.says {
                    Says::Delta(held) => Some((item.clock, *held)),
                    Says::Snapshot(_) => None,
                })
            };
            let older = |(clock, held): (u64, Change)| {
                first.is_none_or(|(newer, change)| clock <= newer && held != change)
            };
            let joined = self.segments.iter().filter(|other| other.joined().is_some());
            let waits = joined.filter_map(delta).any(older);
            return if waits { Found::Wait } else { Found::Join(end) };
        }
        let clock = first.map_or(self.clock, |(clock, _)| clock);
        let known = segment.pending.len().is_power_of_two() && self.meets_later(segment);
        if known || clock < self.clock { Found::Behind } else { Found::Wait }
    }

    /// Whether the segment's own book, after some of its deltas, is one of ours: then it comes from
    /// before our base, whose time is only an estimate.
    fn meets_later(&self, segment: &Segment) -> bool {
        let Some(start) = segment.placing() else { return false };
        let mut book = start.shown.book.clone();
        segment.pending.iter().take(MEETS_WITHIN).any(|item| match &item.says {
            Says::Delta(change) => {
                book.apply(change.no, change.price, change.delta);
                self.find_by_book(book.hash(), *change).is_some()
            }
            Says::Snapshot(shown) => {
                if !shown.asked && shown.book.is_empty() {
                    book = Book::default();
                }
                false
            }
        })
    }

    /// A lane from before what can be compared; one without clock takes its book along, by which
    /// it will know its place.
    fn behind(&self, at: usize) -> Stage {
        let segment = &self.segments[at];
        let shown = segment.placing().map(|start| &start.shown);
        let book = shown.filter(|shown| shown.clock.is_none()).map(|shown| shown.book.clone());
        Stage::Behind(book.map(Box::new))
    }

    /// The index after the entry that this delta is, if the lane's book after it is ours there.
    pub(crate) fn find_by_book(&self, hash: u64, change: Change) -> Option<u64> {
        let fits = |index: &u64| {
            let before = index.checked_sub(1).and_then(|before| self.log.entry(before));
            before.is_some_and(|entry| match entry.what {
                What::Delta(held) => entry.hash == hash && held == change,
                // A delta after the base's receipt is not in it.
                What::Base => {
                    entry.hash == hash && change.ts_ms <= entry.from.wall_ns.div_euclid(1_000_000)
                }
                What::Emptied => false,
            })
        };
        (self.log.first()..=self.log.end()).rev().find(fits)
    }

    /// The segment's book is not ours at a place that we hold: an argument begins. Says whether it
    /// is new.
    pub(crate) fn deny(&mut self, shared: &mut Shared, at: usize) -> bool {
        let lane = self.segments[at].lane;
        let Stage::Placing(start) = &mut self.segments[at].stage else { return false };
        if std::mem::replace(&mut start.denied, true) {
            return false;
        }
        self.alarm(shared, AlarmKind::SnapshotDiverged, Some(lane));
        true
    }

    /// A snapshot whose turn has come on a lane that is in agreement: verified, or denied.
    pub(crate) fn audit(&mut self, shared: &mut Shared, at: usize, now: Moment) {
        let Some(next) = self.segments[at].joined() else { return };
        let item = self.dequeue(shared, at);
        let Says::Snapshot(shown) = item.says else { return };
        let hash = shown.book.hash();
        let s = shown.clock;
        let here = self.log.hash_before(next) == Some(hash);
        let there = match s {
            Some(s) => self.log.find(s, hash).filter(|&index| index >= next),
            None => self.log.newest_with_hash(hash, next),
        };
        // Without clock equal books are told apart by the lane's own place only.
        let here = here.then_some(next);
        let index = if s.is_some() { there.or(here) } else { here.or(there) };
        if let Some(index) = index {
            let segment = &mut self.segments[at];
            segment.stage = Stage::Joined { next: index };
            segment.confirmed = true;
            if s.is_some_and(|s| s > segment.floor) {
                (segment.floor, segment.joined_by) = (s.unwrap_or(0), None);
            }
            self.verified_at(s.unwrap_or(0));
            self.account(shared, &item.from, Fate::Snapshot);
            return;
        }
        if s.is_some() && self.is_alone(at) {
            // Unbroken since it agreed with us, and nobody else to ask: its deltas or its book are false, and
            // the book is what the exchange holds. What it told since it was last verified is refuted.
            self.doubt(self.verified.min(self.clock));
            self.alarm(shared, AlarmKind::SnapshotDiverged, Some(self.segments[at].lane));
        }
        self.begin_anew(at, *shown, item.from, now);
    }

    /// Whether no other lane covers the head.
    fn is_alone(&self, at: usize) -> bool {
        let others = self.segments.iter().enumerate().filter(|other| other.0 != at);
        !others.map(|other| other.1).any(Segment::covers)
    }

    /// The lane goes on from this snapshot, wherever that stands.
    pub(crate) fn begin_anew(&mut self, at: usize, shown: Shown, from: Provenance, now: Moment) {
        let pending = std::mem::take(&mut self.segments[at].pending);
        let mut fresh = Segment::new(self.segments[at].lane, shown, from, now);
        fresh.open = self.segments[at].open;
        fresh.newest = self.segments[at].newest.max(fresh.floor);
        fresh.pending = pending;
        self.segments[at] = fresh;
    }
}
