//! What happens when lanes do not say the same: who is asked, who is believed, who must wait.
//!
//! A lane that contradicts the log is quarantined; a fresh snapshot that agrees brings it back, the
//! sooner the fewer its offences. If its fresh snapshot still contradicts, the lanes that cover the
//! head are challenged: they must show a fresh snapshot too, and the majority stands.

use exchange::Moment;
use serde::{Deserialize, Serialize};

use crate::{
    input::GathererIndex,
    market::Market,
    minutes::Fate,
    output::AlarmKind,
    segment::{LaneKey, Segment, Shown},
    shared::Shared,
};

/// The second offence keeps a lane out for a second, each further one twice as long.
const QUARANTINE_SECONDS: u64 = 1;
/// About an hour.
const QUARANTINE_DOUBLINGS: u8 = 12;
/// A strike is forgiven for every hour without another: what happened weeks ago must not decide a
/// dispute of today. A restart begins the hour anew.
const FORGIVEN_AFTER_SECONDS: u64 = 3_600;
/// A quarantined lane that did not answer is asked again after this many seconds.
const ASK_AGAIN_SECONDS: u64 = 30;

/// A gatherer's record in one market.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Offence {
    gatherer: GathererIndex,
    strikes: u8,
    /// Out now; only a snapshot brings it back.
    out: Option<LaneKey>,
    #[serde(skip)]
    until: Moment,
    #[serde(skip)]
    ask_at: Moment,
    /// The last offence.
    #[serde(skip)]
    struck: Moment,
}

/// Lanes at the end of the log say different things about the next event.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Dispute {
    #[serde(skip)]
    pub(crate) since: Moment,
    pub(crate) asked: bool,
}

/// The lanes that cover the head must prove themselves against a snapshot that contradicts.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub(crate) struct Challenge {
    #[serde(skip)]
    pub(crate) since: Moment,
    /// The newest receipt known then, by the exchange's clock: who is behind it cannot have answered.
    pub(crate) newest_ns: i64,
}

impl Offence {
    fn strikes_at(&self, now: Moment) -> u8 {
        let forgiven = now.since(self.struck).as_secs() / FORGIVEN_AFTER_SECONDS;
        self.strikes.saturating_sub(u8::try_from(forgiven).unwrap_or(u8::MAX))
    }
}

impl Market {
    /// Takes a lane out: what it holds is not used.
    pub(crate) fn quarantine(&mut self, shared: &mut Shared, at: usize, now: Moment) {
        let lane = self.segments[at].lane;
        self.drop_segment(shared, at, Fate::Quarantined);
        let known = self.offences.iter().position(|offence| offence.gatherer == lane.gatherer);
        let at = known.unwrap_or_else(|| {
            let (out, until, ask_at) = (None, now, now);
            let gatherer = lane.gatherer;
            self.offences.push(Offence { gatherer, strikes: 0, out, until, ask_at, struck: now });
            self.offences.len() - 1
        });
        let offence = &mut self.offences[at];
        offence.strikes = (offence.strikes_at(now) + 1).min(QUARANTINE_DOUBLINGS);
        offence.struck = now;
        offence.out = Some(lane);
        let seconds = match offence.strikes {
            0 | 1 => 0,
            more => QUARANTINE_SECONDS << (more - 2),
        };
        offence.until = now.plus(std::time::Duration::from_secs(seconds));
        offence.ask_at = offence.until;
    }

    /// The first frame of the segment contradicts the log.
    pub(crate) fn diverged(&mut self, shared: &mut Shared, at: usize, now: Moment) {
        let lane = self.segments[at].lane;
        let item = self.dequeue(shared, at);
        self.account(shared, &item.from, Fate::Divergence);
        self.alarm(shared, AlarmKind::LaneDiverged, Some(lane));
        let last_agreed = self.segments[at].joined().and_then(|next| self.log.entry(next));
        let from_clock = last_agreed.map_or(self.clock, |entry| entry.clock).saturating_sub(1);
        self.quarantine(shared, at, now);
        self.doubt(from_clock);
        let supporters = self.segments.iter().filter(|segment| segment.covers()).count();
        if supporters <= 1 && self.challenge.is_none() {
            self.begin_challenge(shared, now);
        }
    }

    /// Our record may be wrong after this clock.
    pub(crate) fn doubt(&mut self, from_clock: u64) {
        self.doubted = Some(self.doubted.map_or(from_clock, |doubted| doubted.min(from_clock)));
    }

    /// Asks every covering lane for a fresh snapshot.
    pub(crate) fn begin_challenge(&mut self, shared: &mut Shared, now: Moment) {
        self.challenge = Some(Challenge { since: now, newest_ns: shared.newest_heard() });
        for segment in self.segments.iter_mut().filter(|segment| segment.covers()) {
            segment.confirmed = false;
            shared.refresh(segment.lane.source(), &self.ticker);
        }
    }

    pub(crate) fn is_quarantined(&self, lane: LaneKey) -> bool {
        self.offences.iter().any(|offence| offence.out == Some(lane))
    }

    /// A fresh snapshot of a lane: if it was out, is it time to hear it?
    pub(crate) fn may_return(&mut self, lane: LaneKey, now: Moment) -> bool {
        let Some(offence) = self.offences.iter_mut().find(|o| o.out == Some(lane)) else {
            return true;
        };
        if now < offence.until {
            return false;
        }
        offence.out = None;
        true
    }

    /// A gatherer whose sessions ended cannot be asked any more.
    pub(crate) fn forget_out(&mut self, is_of: impl Fn(LaneKey) -> bool) {
        for offence in &mut self.offences {
            offence.out = offence.out.filter(|lane| !is_of(*lane));
        }
    }

    pub(crate) fn strikes(&self, gatherer: GathererIndex, now: Moment) -> u8 {
        let offence = self.offences.iter().find(|offence| offence.gatherer == gatherer);
        offence.map_or(0, |offence| offence.strikes_at(now))
    }

    pub(crate) fn is_out(&self, gatherer: GathererIndex) -> bool {
        self.offences.iter().any(|o| o.gatherer == gatherer && o.out.is_some())
    }

    /// Asks quarantined lanes whose time is over; says when to look again.
    pub(crate) fn ask_quarantined(&mut self, shared: &mut Shared, now: Moment) -> Option<Moment> {
        let mut next: Option<Moment> = None;
        for offence in &mut self.offences {
            let Some(lane) = offence.out else { continue };
            if offence.ask_at <= now {
                shared.refresh(lane.source(), &self.ticker);
                offence.ask_at = now.plus(std::time::Duration::from_secs(ASK_AGAIN_SECONDS));
            }
            next = Some(next.map_or(offence.ask_at, |at| at.min(offence.ask_at)));
        }
        next
    }

    /// Moments of a former process mean nothing: everybody is asked at once.
    pub(crate) fn offences_resumed(&mut self, now: Moment) {
        for offence in &mut self.offences {
            (offence.until, offence.ask_at, offence.struck) = (now, now, now);
        }
    }

    /// In a dispute: is this fresh snapshot what the lane's own deltas make of our book?
    pub(crate) fn judge(&mut self, at: usize, shown: &Shown) {
        if self.dispute.is_none() || self.segments[at].joined() != Some(self.log.end()) {
            return;
        }
        let (own, _) = self.segments[at].folded(&self.book, u64::MAX);
        self.segments[at].consistent = Some(own.hash() == shown.book.hash());
    }

    /// Opens or goes on with a dispute. `parties` are the segments that take part. Returns the one
    /// to follow when nothing can tell them apart, and `None` while there is hope or once those
    /// that are refuted were taken out.
    pub(crate) fn settle_dispute(
        &mut self,
        shared: &mut Shared,
        parties: &[usize],
        (now, forced): (Moment, bool),
    ) -> Option<Verdict> {
        let since =
            self.dispute.get_or_insert_with(|| Box::new(Dispute { since: now, asked: false }));
        let waited = now.since(since.since);
        if !since.asked && (forced || waited >= shared.config.confirm_wait) {
            since.asked = true;
            for &at in parties {
                shared.refresh(self.segments[at].lane.source(), &self.ticker);
            }
        }
        let with = |wanted: bool| -> Vec<usize> {
            let is = |at: &usize| self.segments[*at].consistent == Some(wanted);
            parties.iter().copied().filter(is).collect()
        };
        let (right, wrong) = (with(true), with(false));
        let all = right.len() + wrong.len() == parties.len();
        // From when they were asked: whoever waits long for copies must not wait the less for answers.
        let patience = shared.config.confirm_wait + shared.config.dispute_wait;
        let over = forced || all || waited >= patience;
        if !over {
            return None;
        }
        if !right.is_empty() && !wrong.is_empty() {
            return Some(Verdict::Refuted(wrong));
        }
        let best = parties.iter().copied().filter(|&at| !self.segments[at].pending.is_empty());
        let best = best.min_by_key(|&at| {
            let gatherer = self.segments[at].lane.gatherer;
            (self.strikes(gatherer, now), gatherer)
        })?;
        Some(Verdict::Undecided(best))
    }

    /// Takes refuted lanes out, the last first so that places stay right.
    pub(crate) fn refute(&mut self, shared: &mut Shared, mut places: Vec<usize>, now: Moment) {
        places.sort_unstable();
        for at in places.into_iter().rev() {
            self.alarm(shared, AlarmKind::LaneDiverged, Some(self.segments[at].lane));
            if self.segments[at].pending.front().is_some() {
                let item = self.dequeue(shared, at);
                self.account(shared, &item.from, Fate::Divergence);
            }
            self.quarantine(shared, at, now);
        }
        self.end_dispute();
    }

    pub(crate) fn end_dispute(&mut self) {
        self.dispute = None;
        self.segments.iter_mut().for_each(|segment: &mut Segment| segment.consistent = None);
    }
}

/// How a dispute ends.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// These showed a snapshot that is not what they had said.
    Refuted(Vec<usize>),
    /// Nothing tells; this one has the best record.
    Undecided(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_are_forgiven_one_an_hour() {
        let struck = Moment::from_nanos(5_000_000_000);
        let gatherer = GathererIndex(0);
        let (until, ask_at) = (struck, struck);
        let offence = Offence { gatherer, strikes: 3, out: None, until, ask_at, struck };
        let after =
            |seconds| offence.strikes_at(struck.plus(std::time::Duration::from_secs(seconds)));
        assert_eq!([0, 3_599, 3_600, 7_300, 999_999_999].map(after), [3, 3, 2, 1, 0]);
    }
}
