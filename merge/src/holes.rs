//! When a market goes on without a lane that could fill the gap, and where.
//!
//! A start, a hole and a new era are one decision: no lane leads from what we hold to what another
//! lane's snapshot shows, and everybody who could was waited for.

use exchange::Moment;
use smallvec::SmallVec;

use crate::{
    era::shown_ns, market::Market, output::AlarmKind, record::HoleCause, segment::Segment,
    shared::Shared,
};

pub(crate) type Places = SmallVec<[usize; 4]>;

/// The segments that are not placed, by what they are to the head.
#[derive(Default)]
struct Unplaced {
    /// Beyond it, or at its clock with another book.
    ahead: Places,
    /// Contradicting it.
    denied: Places,
    /// With a clock that only a new era explains.
    fallen: Places,
}

impl Market {
    /// Goes on beyond a gap if it is time; says whether anything changed.
    pub(crate) fn decide(&mut self, shared: &mut Shared, now: Moment, forced: bool) -> bool {
        let undecided = |s: &Segment| s.joined().is_some() && !s.pending.is_empty();
        if self.segments.iter().all(|segment| segment.placing().is_none()) {
            self.drop_stale_challenge(shared, now);
            return false;
        }
        if self.segments.iter().any(undecided) {
            return false;
        }
        if !self.started {
            return self.start(shared, now, forced);
        }
        let unplaced = self.unplaced(shared);
        let holding = self.holding(shared, now);
        if holding.is_empty() || (forced && self.challenge.is_none()) {
            self.go_on(shared, &unplaced, (now, forced))
        } else if unplaced.fallen.iter().any(|&at| self.stopped_before(shared, at)) {
            self.go_on_with(shared, &unplaced.fallen, HoleCause::Maintenance, (now, forced))
        } else {
            self.contest(shared, &unplaced, &holding, (now, forced))
        }
    }

    /// Whether something here needs to be looked at again as time passes.
    pub(crate) fn is_undecided(&self) -> bool {
        // A lane without clock that showed a book of ours only waits for its first delta.
        let open_question = |segment: &Segment| {
            segment.placing().is_some() && !(self.started && self.may_cover(segment))
        };
        self.challenge.is_some()
            || self.dispute.is_some()
            || self.segments.iter().any(open_question)
    }

    fn unplaced(&self, shared: &Shared) -> Unplaced {
        let mut unplaced = Unplaced::default();
        for (at, segment) in self.segments.iter().enumerate() {
            let Some(start) = segment.placing() else { continue };
            let same_book = start.shown.book.hash() == self.book.hash();
            let slack = shared.config.era_slack.as_nanos() as i64;
            let late = start.from.wall_ns.saturating_add(slack);
            let older = self.log.last().is_some_and(|entry| late <= entry.from.wall_ns);
            let mute = start.shown.clock.is_none() && segment.first_news().is_none();
            let idle = mute && (same_book || older);
            if start.denied {
                unplaced.denied.push(at);
            } else if self.has_fallen(shared, segment) {
                unplaced.fallen.push(at);
            } else if !idle {
                unplaced.ahead.push(at);
            }
        }
        unplaced
    }

    /// Covering lanes whose gatherer is heard, so that they may yet fill the gap.
    fn holding(&self, shared: &Shared, now: Moment) -> Places {
        let wait = shared.config.hole_wait;
        let holds = |segment: &Segment| {
            (segment.covers() || self.may_cover(segment))
                && !shared.silent_for(segment.lane.gatherer, wait, now)
        };
        (0..self.segments.len()).filter(|&at| holds(&self.segments[at])).collect()
    }

    /// A lane without clock that showed a book of ours, and no delta yet that tells which.
    pub(crate) fn may_cover(&self, segment: &Segment) -> bool {
        let mute = segment.open && segment.first_news().is_none();
        let start = segment.placing().filter(|start| mute && start.shown.clock.is_none());
        start.is_some_and(|s| self.log.newest_with_hash(s.shown.book.hash(), 0).is_some())
    }

    /// Nobody covers the head any more.
    fn go_on(&mut self, shared: &mut Shared, unplaced: &Unplaced, time: (Moment, bool)) -> bool {
        let silent = self.segments.iter().any(Segment::covers);
        let cause = match () {
            () if time.1 => HoleCause::MemoryBound,
            () if self.doubted.is_some() => HoleCause::Divergence,
            () if silent => HoleCause::GathererSilent,
            () => self.ended,
        };
        let mut ahead = unplaced.ahead.clone();
        if self.doubted.is_none() {
            // Denied for want of time only: as good as the others.
            let beyond = |at: &usize| self.segments[*at].begin_clock(self.clock) >= self.clock;
            ahead.extend(unplaced.denied.iter().copied().filter(beyond));
        }
        if !ahead.is_empty() {
            return self.go_on_with(shared, &ahead, cause, time);
        }
        if !unplaced.denied.is_empty() {
            return self.go_on_with(shared, &unplaced.denied, cause, time);
        }
        let (now, forced) = time;
        let shown = |&at: &usize| forced || self.is_era_shown(shared, at, now);
        unplaced.fallen.iter().any(shown)
            && self.go_on_with(shared, &unplaced.fallen, HoleCause::Maintenance, time)
    }

    fn go_on_with(
        &mut self,
        shared: &mut Shared,
        places: &Places,
        cause: HoleCause,
        (now, forced): (Moment, bool),
    ) -> bool {
        let shown = |&at: &usize| shown_ns(shared, &self.segments[at]);
        let Some(first) = places.iter().map(shown).min() else { return false };
        if !forced && !self.all_heard(shared, places, first, now) {
            return false;
        }
        let Some(at) = self.choose(shared, places, (now, forced)) else { return false };
        if forced {
            self.alarm(shared, AlarmKind::MemoryBound, None);
        }
        self.begin(shared, at, cause, forced)
    }

    /// Everybody handed over what it received before `at_ns`, by the exchange's clock, and those who showed no snapshot a
    /// little more, or is silent for too long.
    fn all_heard(&self, shared: &Shared, places: &Places, at_ns: i64, now: Moment) -> bool {
        let margin = shared.config.hole_margin.as_nanos() as i64;
        shared.indices().all(|gatherer| {
            let shown = |&at: &usize| self.segments[at].lane.gatherer == gatherer;
            let margin = if places.iter().any(shown) { 0 } else { margin };
            shared.heard_beyond(gatherer, at_ns.saturating_add(margin))
                || shared.silent_for(gatherer, shared.config.hole_wait, now)
        })
    }

    /// The first snapshot is followed once every known gatherer has shown one or had its time.
    fn start(&mut self, shared: &mut Shared, now: Moment, forced: bool) -> bool {
        let places: Places =
            (0..self.segments.len()).filter(|&at| self.segments[at].placing().is_some()).collect();
        let shown = |&at: &usize| shown_ns(shared, &self.segments[at]);
        let first = places.iter().map(shown).min().unwrap_or(i64::MIN);
        let wait = shared.config.start_wait;
        let late = first.saturating_add(wait.as_nanos() as i64);
        let ready = shared.indices().all(|gatherer| {
            let shown = |&at: &usize| self.segments[at].lane.gatherer == gatherer;
            places.iter().any(shown)
                || shared.heard_beyond(gatherer, late)
                || shared.silent_for(gatherer, wait, now)
        });
        if !ready && !forced {
            return false;
        }
        let Some(at) = self.choose(shared, &places, (now, forced)) else { return false };
        self.begin(shared, at, HoleCause::NoCoveringLane, forced)
    }

    /// Lanes cover the head, are heard, and still do not deliver what a snapshot shows: after a
    /// while it is an argument, which fresh snapshots of the covering lanes decide.
    fn contest(
        &mut self,
        shared: &mut Shared,
        unplaced: &Unplaced,
        holding: &Places,
        (now, forced): (Moment, bool),
    ) -> bool {
        for &at in unplaced.ahead.iter().chain(&unplaced.fallen) {
            let segment = &self.segments[at];
            let Some(start) = segment.placing() else { continue };
            let same_clock = start.shown.clock == Some(self.clock);
            let wait = if same_clock { shared.config.start_wait } else { shared.config.hole_wait };
            let late = shown_ns(shared, segment).saturating_add(wait.as_nanos() as i64);
            if holding.iter().all(|&at| shared.told_beyond(self.segments[at].lane, late)) {
                self.deny(shared, at);
            }
        }
        let denied: Places = (0..self.segments.len())
            .filter(|&at| self.segments[at].placing().is_some_and(|start| start.denied))
            .collect();
        if denied.is_empty() {
            self.drop_stale_challenge(shared, now);
            return false;
        }
        if self.challenge.is_none() {
            self.begin_challenge(shared, now);
            return false;
        }
        self.settle_challenge(shared, (&denied, holding), (now, forced))
    }

    fn settle_challenge(
        &mut self,
        shared: &mut Shared,
        (denied, holding): (&Places, &Places),
        (now, forced): (Moment, bool),
    ) -> bool {
        let over = forced || self.challenge_is_over(shared, holding, now);
        let confirmed = holding.iter().filter(|&&at| self.segments[at].confirmed).count();
        let answered = confirmed == holding.len();
        if !over && !answered {
            return false;
        }
        let against = denied.iter().filter(|&&at| self.segments[at].open).count();
        // Against a lane that ended meanwhile somebody must stand up too: what it delivered is as good.
        if confirmed >= against.max(1) {
            (self.challenge, self.doubted) = (None, None);
            for &at in denied.iter().rev() {
                self.quarantine(shared, at, now);
            }
            return true;
        }
        // The covering lanes did not answer, or are outvoted: what they hold is refuted.
        self.ended = HoleCause::NoCoveringLane;
        for &at in holding.iter().rev() {
            if self.segments[at].confirmed {
                self.doubt(self.verified.min(self.clock));
                self.alarm(shared, AlarmKind::LaneDiverged, Some(self.segments[at].lane));
                self.quarantine(shared, at, now);
            } else {
                self.segments[at].open = false;
            }
        }
        true
    }

    fn challenge_is_over(&self, shared: &Shared, holding: &Places, now: Moment) -> bool {
        let Some(challenge) = self.challenge else { return true };
        let wait = shared.config.dispute_wait;
        let late = challenge.newest_ns.saturating_add(wait.as_nanos() as i64);
        now.since(challenge.since) >= wait
            && holding.iter().all(|&at| shared.told_beyond(self.segments[at].lane, late))
    }

    /// A challenge to which nobody holds any more.
    fn drop_stale_challenge(&mut self, shared: &Shared, now: Moment) {
        let over = |since| now.since(since) >= shared.config.hole_wait;
        if self.challenge.is_some_and(|challenge| over(challenge.since)) {
            (self.challenge, self.doubted) = (None, None);
        }
    }
}
