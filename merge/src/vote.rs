//! Which candidate becomes the next event.
//!
//! Every lane that stands at the end of the log and has a frame names a candidate. It is accepted
//! when a strict majority of the lanes that count said the same, or when the others stayed silent
//! for `confirm_wait`; then they lag, and do not count until they deliver in time again.

use exchange::Moment;
use smallvec::SmallVec;

use crate::{
    dispute::Verdict,
    levels::Change,
    market::Market,
    output::AlarmKind,
    record::Provenance,
    segment::{Says, Segment},
    shared::Shared,
};

/// What a candidate says. Closing snapshots differ at most in their clock, which may be absent.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Content {
    Delta(u64, Change),
    Emptied,
}

/// The lanes at the end of the log.
#[derive(Default)]
struct Ballot {
    /// (segment, what it says, its receipt)
    spoken: SmallVec<[(usize, Content, Provenance); 4]>,
    /// Lanes that count and said nothing yet.
    silent: SmallVec<[usize; 4]>,
}

impl Market {
    /// Accepts the next event if it can be; says whether it did.
    pub(crate) fn vote(&mut self, shared: &mut Shared, now: Moment, forced: bool) -> bool {
        let ballot = self.ballot(shared);
        let Some((best, agree)) = ballot.best() else {
            self.waiting = None;
            if self.dispute.is_some() {
                self.end_dispute();
            }
            return false;
        };
        let counted = ballot.spoken.len() + ballot.silent.len();
        if agree * 2 > counted {
            self.accept(shared, best, &ballot, now);
            return true;
        }
        let since = *self.waiting.get_or_insert(now);
        let waited = forced || now.since(since) >= shared.config.confirm_wait;
        if agree == ballot.spoken.len() {
            if !waited {
                return false;
            }
            if forced || !self.is_doubted(shared, &ballot) {
                for &at in &ballot.silent {
                    self.segments[at].lagging = true;
                }
                self.accept(shared, best, &ballot, now);
                return true;
            }
        }
        self.dispute_over(shared, &ballot, (now, forced))
    }

    fn ballot(&self, shared: &Shared) -> Ballot {
        let end = self.log.end();
        let mut ballot = Ballot::default();
        let mut lowest = u64::MAX;
        for (at, segment) in self.segments.iter().enumerate() {
            let Some(next) = segment.joined() else { continue };
            match segment.pending.front().filter(|_| next == end) {
                Some(item) => {
                    let content = match item.says {
                        Says::Delta(change) => Content::Delta(item.clock, change),
                        Says::Snapshot(_) => Content::Emptied,
                    };
                    if let Content::Delta(clock, _) = content {
                        lowest = lowest.min(clock);
                    }
                    ballot.spoken.push((at, content, item.from));
                }
                None if counts(shared, segment) => ballot.silent.push(at),
                None => {}
            }
        }
        // A lane whose snapshot already held this clock has nothing to say about it.
        let holds = |at: usize| {
            (1..).contains(&self.segments[at].floor) && self.segments[at].floor >= lowest
        };
        ballot.spoken.retain(|spoken| !holds(spoken.0));
        ballot.silent.retain(|at| !holds(*at));
        ballot
    }

    /// Two lanes or more were heard to the end and are silent, against fewer that spoke: the event
    /// may be an invention.
    fn is_doubted(&self, shared: &Shared, ballot: &Ballot) -> bool {
        // Half the wait: what they handed over is always a little behind our own time.
        let wait = shared.config.confirm_wait.as_nanos() as i64 / 2;
        let said = |from: &Provenance| shared.exchange_ns(from.gatherer, from.wall_ns);
        let last = ballot.spoken.iter().map(|spoken| said(&spoken.2)).min().unwrap_or(0);
        let heard = ballot.silent.iter().filter(|&&at| {
            shared.heard_beyond(self.segments[at].lane.gatherer, last.saturating_add(wait))
        });
        let heard = heard.count();
        heard >= 2 && heard > ballot.spoken.len()
    }

    fn dispute_over(
        &mut self,
        shared: &mut Shared,
        ballot: &Ballot,
        (now, forced): (Moment, bool),
    ) -> bool {
        let mut parties: Vec<usize> = ballot.spoken.iter().map(|spoken| spoken.0).collect();
        parties.extend(&ballot.silent);
        match self.settle_dispute(shared, &parties, (now, forced)) {
            None => false,
            Some(Verdict::Refuted(wrong)) => {
                self.refute(shared, wrong, now);
                true
            }
            Some(Verdict::Undecided(winner)) => {
                self.follow_undecided(shared, ballot, winner, now);
                true
            }
        }
    }

    /// Nothing tells who is right: the winner's waiting frames are marked if another contradicts.
    fn follow_undecided(
        &mut self,
        shared: &mut Shared,
        ballot: &Ballot,
        winner: usize,
        now: Moment,
    ) {
        let Some(&(_, content, _)) = ballot.spoken.iter().find(|spoken| spoken.0 == winner) else {
            return;
        };
        for &at in &ballot.silent {
            self.segments[at].lagging = true;
        }
        if ballot.spoken.iter().any(|spoken| spoken.1 != content) {
            let newest = self.segments[winner].pending.back().map(|item| item.from.wall_ns);
            self.disputed_wall = newest.unwrap_or(self.disputed_wall);
            self.alarm(shared, AlarmKind::Disputed, Some(self.segments[winner].lane));
        }
        self.accept(shared, content, ballot, now);
    }

    fn accept(&mut self, shared: &mut Shared, content: Content, ballot: &Ballot, now: Moment) {
        let agreed = ballot.spoken.iter().filter(|spoken| spoken.1 == content);
        let first = agreed.clone().min_by_key(|spoken| (spoken.2.wall_ns, spoken.2.gatherer));
        let Some(&(_, _, from)) = first else { return };
        match content {
            Content::Delta(clock, change) => self.accept_delta(shared, clock, change, from),
            Content::Emptied => {
                let clocks = agreed.filter_map(|&(at, _, _)| self.segments[at].pending.front());
                let clock = clocks.map(|item| item.clock).max().unwrap_or(0).max(self.clock);
                self.accept_emptied(shared, clock, from);
            }
        }
        self.waiting = ballot.spoken.iter().any(|spoken| spoken.1 != content).then_some(now);
        if self.dispute.is_some() {
            self.end_dispute();
        }
    }
}

impl Ballot {
    /// The content that most named, and how many.
    fn best(&self) -> Option<(Content, usize)> {
        let named = |content| self.spoken.iter().filter(|spoken| spoken.1 == content).count();
        let all = self.spoken.iter().map(|spoken| (spoken.1, named(spoken.1)));
        all.rev().max_by_key(|named| named.1)
    }
}

/// Whether a lane that has said nothing is waited for.
pub(crate) fn counts(shared: &Shared, segment: &Segment) -> bool {
    segment.open && !segment.lagging && shared.gatherer(segment.lane.gatherer).connected
}
