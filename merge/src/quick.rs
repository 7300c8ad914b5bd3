//! The common case without ceremony: every lane of the market is in agreement, and this delta is
//! the next event's first, second or third word. Anything else is left to `settle`.

use exchange::Moment;

use crate::{
    levels::Change,
    market::Market,
    record::Provenance,
    segment::{Item, Says, Stage},
    shared::Shared,
    vote::counts,
};

/// What the other lanes say about a delta at the end of the log.
struct Tally {
    agree: usize,
    counted: usize,
    first: Provenance,
}

impl Market {
    /// Takes a candidate of the segment `at`, which waits for nothing else. `false`: not so simple.
    pub(crate) fn quick(
        &mut self,
        shared: &mut Shared,
        at: usize,
        (clock, change): (u64, Change),
        from: Provenance,
        now: Moment,
    ) -> bool {
        let Some(tally) = self.tally(shared, at, (clock, change), from) else { return false };
        if tally.agree * 2 <= tally.counted {
            if self.waiting.is_some() {
                return false;
            }
            self.waiting = Some(now);
            self.enqueue(shared, at, Item { from, clock, says: Says::Delta(change) });
            self.wake(shared, now);
            return true;
        }
        self.accept_delta(shared, clock, change, tally.first);
        let next = self.log.end();
        self.waiting = None;
        for other in 0..self.segments.len() {
            let spoke = if other == at {
                from
            } else if self.segments[other].pending.is_empty() {
                continue;
            } else {
                self.dequeue(shared, other).from
            };
            self.segments[other].stage = Stage::Joined { next };
            self.account_copy(shared, &spoke, &tally.first);
        }
        true
    }

    /// `None` unless all lanes are in agreement and nothing else is going on.
    fn tally(
        &self,
        shared: &Shared,
        at: usize,
        (clock, change): (u64, Change),
        from: Provenance,
    ) -> Option<Tally> {
        if self.dispute.is_some() || self.challenge.is_some() || self.pending >= self.segments.len()
        {
            return None;
        }
        if clock < self.clock && self.segments[at].newest > 0 {
            return None;
        }
        let end = self.log.end();
        let mut tally = Tally { agree: 1, counted: 1, first: from };
        for (other, segment) in self.segments.iter().enumerate() {
            let next = segment.joined()?;
            if other == at {
                if next != end || segment.lagging || !segment.open {
                    return None;
                }
                continue;
            }
            if segment.floor >= clock || segment.lagging {
                return None;
            }
            match segment.pending.front() {
                Some(item) => {
                    let same = item.clock == clock
                        && matches!(item.says, Says::Delta(held) if held == change);
                    if !same || next != end || segment.pending.len() > 1 {
                        return None;
                    }
                    tally.agree += 1;
                    tally.counted += 1;
                    let earlier = |p: &Provenance| (p.wall_ns, p.gatherer);
                    if earlier(&item.from) < earlier(&tally.first) {
                        tally.first = item.from;
                    }
                }
                None => tally.counted += usize::from(counts(shared, segment)),
            }
        }
        Some(tally)
    }
}
