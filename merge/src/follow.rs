//! Step 2, one lane in one market: its frames in order, each compared with what was accepted.

use exchange::Moment;

use crate::{
    levels::Change,
    log::{Entry, What},
    market::Market,
    minutes::Fate,
    output::AlarmKind,
    record::{HoleCause, Provenance},
    segment::{Item, LaneKey, Says, Segment, Shown, Stage},
    shared::Shared,
};

/// What became of the first waiting frame of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Advance {
    /// It is used up, or the segment moved on.
    Moved,
    /// It is the next event's candidate, or there is none.
    AtEnd,
    /// It contradicts the log.
    Diverged,
    /// The segment waits to be placed.
    Waits,
}

impl Market {
    /// A delta of a lane. Returns whether the market must be settled.
    pub(crate) fn delta(
        &mut self,
        shared: &mut Shared,
        lane: LaneKey,
        (clock, change): (Option<u64>, Change),
        from: Provenance,
        now: Moment,
    ) -> bool {
        let key = clock.unwrap_or_else(|| u64::try_from(change.ts_ms).unwrap_or(0));
        let Some(at) = self.open_segment(lane) else {
            self.relist(shared, lane);
            let out = self.is_quarantined(lane);
            if !out {
                self.ask_for_book(shared, lane, now);
            }
            self.account(shared, &from, if out { Fate::Quarantined } else { Fate::Uncovered });
            return false;
        };
        let segment = &mut self.segments[at];
        if clock.is_some() && (key < segment.newest || key <= segment.floor) {
            self.alarm(shared, AlarmKind::ClockFell, Some(lane));
            self.account(shared, &from, Fate::Divergence);
            self.quarantine(shared, at, now);
            return true;
        }
        if clock.is_some() {
            segment.newest = key;
        }
        if let (Stage::Joined { next }, true) = (&mut segment.stage, segment.pending.is_empty())
            && let Some(entry) = self.log.entry(*next)
            && entry.what == What::Delta(change)
            && (entry.clock == key || segment.newest == 0)
        {
            *next += 1;
            let first = entry.from;
            if segment.lagging {
                self.caught_up(shared, at, &from, &first);
            }
            self.account_copy(shared, &from, &first);
            return false;
        }
        if segment.pending.is_empty() && self.quick(shared, at, (key, change), from, now) {
            return false;
        }
        let segment = &self.segments[at];
        if matches!(segment.stage, Stage::Past) {
            self.account(shared, &from, Fate::Late);
            return false;
        }
        if matches!(segment.stage, Stage::Behind(_)) && segment.pending.is_empty() {
            if clock.is_none() {
                self.walk_behind(shared, at, change, &from);
                return false;
            }
            if self.still_behind(shared, at, key, &from) {
                return false;
            }
        }
        self.enqueue(shared, at, Item { from, clock: key, says: Says::Delta(change) });
        true
    }

    /// A snapshot of a lane.
    pub(crate) fn snapshot(
        &mut self,
        shared: &mut Shared,
        lane: LaneKey,
        shown: Shown,
        from: Provenance,
        now: Moment,
    ) {
        if !self.unlisted.is_empty() && self.is_unlisted(lane, shown.asked) {
            self.account(shared, &from, Fate::Uncovered);
            return;
        }
        if let Some(at) = self.open_segment(lane) {
            let segment = &mut self.segments[at];
            let clock = shown.clock.unwrap_or(segment.newest);
            match segment.stage {
                Stage::Joined { .. } | Stage::Placing(_) if clock < segment.newest => {
                    self.alarm(shared, AlarmKind::ClockFell, Some(lane));
                    self.quarantine(shared, at, now);
                }
                Stage::Joined { .. } | Stage::Placing(_) => {
                    segment.newest = clock;
                    self.judge(at, &shown);
                    let item = Item { from, clock, says: Says::Snapshot(Box::new(shown)) };
                    self.enqueue(shared, at, item);
                    return;
                }
                Stage::Behind(_) | Stage::Past => segment.open = false,
            }
        }
        if !self.may_return(lane, now) {
            self.account(shared, &from, Fate::Quarantined);
            return;
        }
        self.ask_book_at = None;
        self.segments.push(Segment::new(lane, shown, from, now));
    }

    /// A lane's frames are missing from here on, or it ended.
    pub(crate) fn end_lane(&mut self, is_of: impl Fn(LaneKey) -> bool, cause: HoleCause) -> bool {
        let mut ended = false;
        for segment in &mut self.segments {
            if segment.open && is_of(segment.lane) {
                segment.open = false;
                ended = true;
                if segment.joined().is_some() {
                    self.ended = cause;
                }
            }
        }
        ended
    }

    /// Lets every placed segment use up what it can; says whether anything moved.
    pub(crate) fn catch_up(&mut self, shared: &mut Shared, now: Moment) -> bool {
        let mut moved = false;
        let mut at = 0;
        while at < self.segments.len() {
            match self.advance(shared, at, now) {
                Advance::Moved => moved = true,
                Advance::AtEnd | Advance::Waits => at += 1,
                Advance::Diverged => {
                    moved = true;
                    self.diverged(shared, at, now);
                }
            }
        }
        moved
    }

    fn advance(&mut self, shared: &mut Shared, at: usize, now: Moment) -> Advance {
        let Some(next) = self.segments[at].joined() else {
            return self.advance_unplaced(shared, at, now);
        };
        let segment = &mut self.segments[at];
        let Some(item) = segment.pending.front() else { return Advance::AtEnd };
        if next < self.log.first() {
            return self.advance_forgotten(shared, at, now);
        }
        let Some(entry) = self.log.entry(next).copied() else {
            return self.advance_at_end(shared, at, now);
        };
        let item_from = item.from;
        let verdict = match (&item.says, entry.what) {
            (Says::Delta(change), What::Base) if item.clock <= entry.clock => {
                // Without clock, the first delta after a base may share its time.
                let after = self.log.entry(next + 1);
                let same = |e: &Entry| e.what == What::Delta(*change) && segment.newest == 0;
                (!after.is_some_and(same)).then_some(Fate::Late)
            }
            (Says::Snapshot(shown), What::Base) => {
                let same = shown.book.hash() == entry.hash;
                let older = shown.clock.is_some_and(|s| s < entry.clock);
                let beyond = shown.clock.is_some_and(|s| s > entry.clock);
                (older || (!same && !beyond)).then_some(Fate::Late)
            }
            (_, What::Base) => None,
            (Says::Delta(change), What::Delta(held))
                if *change == held && (item.clock == entry.clock || segment.newest == 0) =>
            {
                segment.stage = Stage::Joined { next: next + 1 };
                let item = self.dequeue(shared, at);
                if self.segments[at].lagging {
                    self.caught_up(shared, at, &item.from, &entry.from);
                }
                self.account_copy(shared, &item.from, &entry.from);
                return Advance::Moved;
            }
            (Says::Snapshot(shown), What::Emptied) if !shown.asked && shown.book.is_empty() => {
                segment.stage = Stage::Joined { next: next + 1 };
                let item = self.dequeue(shared, at);
                self.account_copy(shared, &item.from, &entry.from);
                return Advance::Moved;
            }
            _ if entry.clock <= segment.floor && !self.log.closes(next, item.shown()) => None,
            (Says::Snapshot(_), _) => {
                self.audit(shared, at, now);
                return Advance::Moved;
            }
            _ => return Advance::Diverged,
        };
        match verdict {
            Some(fate) => {
                self.dequeue(shared, at);
                self.account(shared, &item_from, fate);
            }
            None => segment.stage = Stage::Joined { next: next + 1 },
        }
        Advance::Moved
    }

    /// The entry it stands at has been forgotten: the lane is only counted until its clock is one
    /// that can be compared. Without clock it is counted by its place.
    fn advance_forgotten(&mut self, shared: &mut Shared, at: usize, now: Moment) -> Advance {
        if self.segments[at].newest > 0 {
            self.segments[at].stage = Stage::Behind(None);
            return Advance::Moved;
        }
        let segment = &mut self.segments[at];
        let snapshot = segment.pending.front().map(|item| matches!(item.says, Says::Snapshot(_)));
        if snapshot == Some(true) {
            self.audit(shared, at, now);
            return Advance::Moved;
        }
        if let Stage::Joined { next } = &mut segment.stage {
            *next += 1;
        }
        let item = self.dequeue(shared, at);
        self.account(shared, &item.from, Fate::Unverified);
        Advance::Moved
    }

    /// At the end of the log a closing snapshot is a candidate; any other is verified at once. One
    /// that closes an empty book changes nothing but the clock, and that a later lane begins with.
    fn advance_at_end(&mut self, shared: &mut Shared, at: usize, now: Moment) -> Advance {
        match self.segments[at].pending.front().map(|item| &item.says) {
            Some(Says::Snapshot(shown))
                if shown.asked
                    || !shown.book.is_empty()
                    || (self.book.is_empty() && shown.clock.is_none_or(|s| s <= self.clock)) =>
            {
                self.audit(shared, at, now);
                Advance::Moved
            }
            // Whatever led it here, the next event is not older than the last.
            Some(Says::Delta(_)) if self.is_older(at) => Advance::Diverged,
            _ => Advance::AtEnd,
        }
    }

    fn is_older(&self, at: usize) -> bool {
        let segment = &self.segments[at];
        let front = segment.pending.front();
        segment.newest > 0 && front.is_some_and(|item| item.clock < self.clock)
    }

    fn advance_unplaced(&mut self, shared: &mut Shared, at: usize, now: Moment) -> Advance {
        let segment = &self.segments[at];
        let (past, walks) = match &segment.stage {
            Stage::Past => (true, false),
            Stage::Behind(book) => (false, book.is_some()),
            Stage::Placing(_) | Stage::Joined { .. } => return Advance::Waits,
        };
        let Some(key) = segment.pending.front().map(|item| item.clock) else {
            return Advance::Waits;
        };
        if !past && !walks && key > self.log.compared_from().map_or(0, |from| from.0) {
            let (_, next) = self.log.compared_from().unwrap_or((0, self.log.end()));
            self.segments[at].stage = Stage::Joined { next };
            return Advance::Moved;
        }
        let item = self.dequeue(shared, at);
        match item.says {
            _ if past => self.account(shared, &item.from, Fate::Late),
            Says::Delta(change) if walks => self.walk_behind(shared, at, change, &item.from),
            Says::Delta(_) => self.account(shared, &item.from, Fate::Unverified),
            Says::Snapshot(shown) => self.begin_anew(at, *shown, item.from, now),
        }
        Advance::Moved
    }

    /// A lane from before the window is only counted until it reaches what can be compared.
    fn still_behind(
        &mut self,
        shared: &mut Shared,
        at: usize,
        key: u64,
        from: &Provenance,
    ) -> bool {
        let Some((forgotten, index)) = self.log.compared_from() else { return false };
        if key > forgotten {
            self.segments[at].stage = Stage::Joined { next: index };
            return false;
        }
        let based = self.log.entry(self.log.first()).is_some_and(|e| e.what == What::Base);
        self.account(shared, from, if based { Fate::Late } else { Fate::Unverified });
        true
    }

    /// Without clock, a lane from before is known by its own book and its last delta.
    fn walk_behind(&mut self, shared: &mut Shared, at: usize, change: Change, from: &Provenance) {
        self.account(shared, from, Fate::Unverified);
        let Stage::Behind(Some(book)) = &mut self.segments[at].stage else { return };
        book.apply(change.no, change.price, change.delta);
        let hash = book.hash();
        if let Some(next) = self.find_by_book(hash, change) {
            self.segments[at].stage = Stage::Joined { next };
        }
    }

    /// A lane that lagged counts again once it delivers in time.
    pub(crate) fn caught_up(
        &mut self,
        shared: &Shared,
        at: usize,
        from: &Provenance,
        first: &Provenance,
    ) {
        let wait = shared.config.confirm_wait.as_nanos() as i64;
        if from.wall_ns.saturating_sub(first.wall_ns) < wait {
            self.segments[at].lagging = false;
        }
    }
}
