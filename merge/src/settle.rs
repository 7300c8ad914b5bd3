//! Brings a market to rest after something happened: place, compare, vote, decide, until nothing
//! moves; then says when to look again.

use exchange::Moment;

use crate::{market::Market, minutes::Fate, segment::Segment, shared::Shared};

impl Market {
    /// Does everything that can be done now.
    pub(crate) fn settle(&mut self, shared: &mut Shared, now: Moment) {
        self.settle_until_rest(shared, now, false);
        let config = &shared.config;
        if self.pending > config.pending_market || shared.pending > config.pending_total {
            self.settle_until_rest(shared, now, true);
            self.shed(shared);
        }
        let mut at = 0;
        while at < self.segments.len() {
            if self.segments[at].is_used_up() {
                self.drop_segment(shared, at, Fate::Snapshot);
            } else {
                at += 1;
            }
        }
        self.wake(shared, now);
    }

    fn settle_until_rest(&mut self, shared: &mut Shared, now: Moment, forced: bool) {
        loop {
            let mut moved = self.place_all(shared, now);
            moved |= self.catch_up(shared, now);
            moved |= self.vote(shared, now, forced);
            if !moved && !self.decide(shared, now, forced) {
                return;
            }
        }
    }

    /// Deciding early did not help: what still waits to be placed is given up, and asked for anew.
    fn shed(&mut self, shared: &mut Shared) {
        while self.pending > shared.config.pending_market {
            let placing = |at: &usize| self.segments[*at].placing().is_some();
            let waits = |at: &usize| self.segments[*at].pending.len();
            let Some(at) = (0..self.segments.len()).filter(placing).max_by_key(waits) else {
                return;
            };
            let source = self.segments[at].lane.source();
            self.drop_segment(shared, at, Fate::Late);
            shared.refresh(source, &self.ticker);
        }
    }

    /// A timer came due.
    pub(crate) fn woken(&mut self, shared: &mut Shared, at: Moment, now: Moment) {
        if self.timer == Some(at) {
            self.timer = None;
            self.settle(shared, now);
        }
    }

    pub(crate) fn wake(&mut self, shared: &mut Shared, now: Moment) {
        let asked = if self.offences.is_empty() { None } else { self.ask_quarantined(shared, now) };
        let poll = shared.config.confirm_wait;
        let undecided = self.is_undecided().then(|| now.plus(poll));
        let confirm = self.waiting.map(|since| since.plus(poll).max(now.plus(poll / 8)));
        let cover = self.watch_cover(shared, now);
        let all = [asked, undecided, confirm, cover];
        let Some(at) = all.into_iter().flatten().min() else { return };
        if self.timer.is_none_or(|timer| at < timer) {
            self.timer = Some(at);
            shared.wake(at, self.sid - 1);
        }
    }

    /// After a restart: moments of the former process mean nothing.
    pub(crate) fn resumed(&mut self, shared: &mut Shared, now: Moment) {
        self.timer = None;
        (self.waiting, self.uncovered_since, self.ask_book_at) = (None, None, None);
        if let Some(challenge) = &mut self.challenge {
            challenge.since = now;
        }
        if let Some(dispute) = &mut self.dispute {
            dispute.since = now;
        }
        for segment in &mut self.segments {
            if let crate::segment::Stage::Placing(start) = &mut segment.stage {
                start.since = now;
            }
        }
        self.offences_resumed(now);
        if self.segments.iter().any(|segment: &Segment| !segment.pending.is_empty())
            || self.is_undecided()
            || !self.offences.is_empty()
            || self.is_abandoned()
            || self.told_from().is_some()
        {
            self.settle(shared, now);
        }
    }
}
