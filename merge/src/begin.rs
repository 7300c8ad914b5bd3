//! Going on from a snapshot: which one, what hole it leaves, which era it opens.

use exchange::Moment;

use crate::{
    holes::Places,
    market::Market,
    minutes::Fate,
    output::AlarmKind,
    record::{HoleCause, HoleRecord, Origin, Record},
    segment::{Says, Stage},
    shared::Shared,
};

/// Whether two snapshots can both be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    Agree,
    Differ,
    /// The earlier lane has not come as far as the later snapshot yet.
    Open,
    Unknowable,
}

impl Market {
    /// The lowest clock among `places`, unless more lanes contradict it than agree. `None`: wait.
    pub(crate) fn choose(
        &mut self,
        shared: &mut Shared,
        places: &Places,
        (now, forced): (Moment, bool),
    ) -> Option<usize> {
        let mut order = places.clone();
        order.sort_by_key(|&at| {
            let receipt = self.segments[at].placing().map(|start| start.from.wall_ns);
            let empty = self.segments[at].placing().is_some_and(|s| s.shown.book.is_empty());
            (self.segments[at].order_clock(), empty, receipt)
        });
        let &first = order.first()?;
        let relations: Vec<(usize, Relation)> =
            order[1..].iter().map(|&at| (at, self.relation(first, at))).collect();
        let count = |wanted| relations.iter().filter(|related| related.1 == wanted).count();
        let patience = shared.config.start_wait;
        let young = self.segments[first].placing().is_some_and(|s| now.since(s.since) < patience);
        if !forced && young && count(Relation::Open) > 0 {
            return None;
        }
        let (agree, differ) = (count(Relation::Agree), count(Relation::Differ));
        if differ <= agree {
            return Some(first);
        }
        let rank = |at: usize| {
            let gatherer = self.segments[at].lane.gatherer;
            (self.strikes(gatherer, now), gatherer)
        };
        let differing = relations.iter().filter(|related| related.1 == Relation::Differ);
        let other = differing.map(|related| related.0).min_by_key(|&at| rank(at))?;
        if differ == agree + 1 {
            // As many against it as for it: the better record.
            let worse = if rank(other) < rank(first) { first } else { other };
            self.alarm(shared, AlarmKind::Disputed, Some(self.segments[worse].lane));
            self.quarantine(shared, worse, now);
        } else {
            self.alarm(shared, AlarmKind::SnapshotDiverged, Some(self.segments[first].lane));
            self.quarantine(shared, first, now);
        }
        // The places moved: the caller looks again.
        self.waiting.get_or_insert(now);
        None
    }

    fn relation(&self, earlier: usize, later: usize) -> Relation {
        let (a, b) = (&self.segments[earlier], &self.segments[later]);
        let (Some(from), Some(to)) = (a.placing(), b.placing()) else {
            return Relation::Unknowable;
        };
        let hash = to.shown.book.hash();
        let (Some(first), Some(second)) = (from.shown.clock, to.shown.clock) else {
            return Relation::Unknowable;
        };
        if first == second {
            let same = from.shown.book.hash() == hash;
            let closed = from.shown.book.is_empty() || to.shown.book.is_empty();
            return match (same, closed) {
                (true, _) => Relation::Agree,
                (false, false) => Relation::Differ,
                (false, true) => Relation::Unknowable,
            };
        }
        let (book, beyond) = a.folded(&from.shown.book, second);
        match (book.hash() == hash, beyond, a.open) {
            (true, _, _) => Relation::Agree,
            (false, true, _) if to.shown.book.is_empty() => Relation::Unknowable,
            (false, true, _) => Relation::Differ,
            (false, false, true) => Relation::Open,
            (false, false, false) => Relation::Unknowable,
        }
    }

    /// Goes on with a segment: records the hole, makes its book canonical, joins it.
    pub(crate) fn begin(
        &mut self,
        shared: &mut Shared,
        at: usize,
        cause: HoleCause,
        forced: bool,
    ) -> bool {
        let segment = &self.segments[at];
        let Some(start) = segment.placing() else { return false };
        let (from, counted, origin) = (start.from, start.counted, origin(start.shown.asked));
        let clocked = start.shown.clock.is_some();
        let mut book = start.shown.book.clone();
        let mut clock = segment.begin_clock(if self.started { self.clock } else { 0 });
        let mut new_era = false;
        if self.started && clock < self.clock {
            let (ours, beyond) = segment.folded(&book, self.clock);
            let fallen = self.has_fallen(shared, segment) && !start.denied;
            if !fallen && (beyond || segment.newest == self.clock) {
                (book, clock) = (ours, self.clock);
            } else if !fallen && !forced && !self.is_heard_to_the_head(shared, segment) {
                return false;
            } else {
                new_era = true;
            }
        }
        if self.started {
            self.record_hole(shared, (clock, &book, from.wall_ns), (cause, new_era));
        }
        if new_era {
            self.open_era(shared, &from);
        }
        self.accept_base(shared, (clock, book), origin, from);
        self.account_start(shared, (from, counted), Fate::First);
        let next = self.log.end();
        self.segments[at].stage = Stage::Joined { next };
        self.segments[at].floor = if clocked { clock } else { 0 };
        self.segments[at].lagging = false;
        self.drop_folded(shared, at, clock);
        (self.challenge, self.doubted) = (None, None);
        self.waiting = None;
        true
    }

    /// What was folded into the base snapshot is used up.
    fn drop_folded(&mut self, shared: &mut Shared, at: usize, clock: u64) {
        let clocked = self.segments[at].newest > 0;
        while let Some(item) = self.segments[at].pending.front() {
            if !clocked || item.clock > clock || !matches!(item.says, Says::Delta(_)) {
                break;
            }
            let item = self.dequeue(shared, at);
            self.account(shared, &item.from, Fate::Late);
        }
    }

    fn record_hole(
        &mut self,
        shared: &mut Shared,
        (clock, book, receipt): (u64, &crate::levels::Book, i64),
        (cause, new_era): (HoleCause, bool),
    ) {
        if cause == HoleCause::Maintenance && new_era && book.hash() == self.book.hash() {
            return self.take_back(shared);
        }
        let doubted = self.doubted.unwrap_or(self.clock);
        let from_clock = match cause {
            HoleCause::Divergence if new_era || doubted < clock => doubted.min(self.clock),
            _ if !new_era && clock == self.clock => self.clock.saturating_sub(1),
            _ => self.clock,
        };
        let hole = HoleRecord {
            sid: self.sid,
            seq: self.seq + 1,
            era: self.era,
            from_clock,
            to_clock: if new_era { self.clock.max(from_clock) } else { clock },
            from_whole: self.whole || from_clock != self.clock,
            from_ts_ms: self.ts_of(from_clock),
            to_ts_ms: receipt.div_euclid(1_000_000),
            cause,
        };
        if cause == HoleCause::Divergence {
            self.alarm(shared, AlarmKind::Healed, None);
        }
        let told = self.told_from();
        if told.is_some_and(|from| from != hole.from_clock) {
            self.take_back(shared);
        }
        if self.dangling.take() != Some((hole.from_clock, hole.to_clock)) {
            shared.canonical.holes += u64::from(told != Some(hole.from_clock));
            shared.emit(Record::Hole(Box::new(hole)));
        }
    }

    /// The time of a clock up to which our record holds; of the head, unless something was refuted.
    fn ts_of(&self, clock: u64) -> i64 {
        if clock.saturating_add(1) >= self.clock {
            return self.ts_ms;
        }
        self.log.ts_at(clock).unwrap_or(self.verified_ms).min(self.ts_ms)
    }
}

fn origin(asked: bool) -> Origin {
    if asked { Origin::GetSnapshot } else { Origin::Live }
}
