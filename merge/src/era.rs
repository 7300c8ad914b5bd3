//! Whether a snapshot with a lower clock shows a new era, or one that the exchange served late.
//!
//! After maintenance the exchange counts from a lower clock. A snapshot that waited in the exchange's queue for a connection
//! has a lower clock too, and is of our era: taken for a new one, it would bring back events that the record has.

use exchange::Moment;

use crate::{
    log::{Entry, What},
    market::Market,
    segment::Segment,
    shared::Shared,
};

impl Market {
    /// Whether its clock is lower than it can be at its time, if the era were ours.
    pub(crate) fn has_fallen(&self, shared: &Shared, segment: &Segment) -> bool {
        let Some(start) = segment.placing() else { return false };
        let Some(s) = start.shown.clock.filter(|&s| self.started && s < self.clock) else {
            return false;
        };
        let Some(after) = self.log.first_after(s) else { return false };
        let slack = shared.config.era_slack.as_nanos() as i64;
        // By the exchange's own clock where it is known: no queue and no host's clock moves that.
        let behind_ns = shared.behind_ns(segment.lane);
        let shown = start.from.wall_ns.saturating_sub(behind_ns.unwrap_or(0));
        let time_of =
            |entry: &Entry| behind_ns.and_then(|_| told_ns(entry)).unwrap_or(entry.from.wall_ns);
        let head = self.log.last().map_or(i64::MIN, time_of);
        // While our era went on, no other had begun.
        shown > time_of(&after).saturating_add(slack) && shown > head.saturating_sub(slack)
    }

    /// Whether something tells that a fallen snapshot was not just late: its lane's next delta, in any market, or that trading
    /// had stopped. It is waited for as for a lane that could fill a hole.
    pub(crate) fn is_era_shown(&self, shared: &Shared, at: usize, now: Moment) -> bool {
        let segment = &self.segments[at];
        let waited =
            segment.placing().is_none_or(|s| now.since(s.since) >= shared.config.hole_wait);
        waited || shared.behind_ns(segment.lane).is_some() || self.stopped_before(shared, at)
    }

    /// Whether the exchange was known to have stopped between our head and the snapshot.
    pub(crate) fn stopped_before(&self, shared: &Shared, at: usize) -> bool {
        let head = self.log.last().map_or(i64::MIN, |entry| entry.from.wall_ns);
        let receipt = self.segments[at].placing().map_or(i64::MIN, |start| start.from.wall_ns);
        head <= shared.paused_wall && shared.paused_wall <= receipt
    }
}

/// The exchange's time of an entry, Unix ns, if it has one.
fn told_ns(entry: &Entry) -> Option<i64> {
    match entry.what {
        What::Delta(change) if change.ts_ms != 0 => Some(change.ts_ms.saturating_mul(1_000_000)),
        _ => None,
    }
}
