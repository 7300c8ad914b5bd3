//! Whether a snapshot with a lower clock shows a new era, or one that the exchange served late.
//!
//! After maintenance the exchange counts from a lower clock. A snapshot that waited in the exchange's queue for a connection
//! has a lower clock too, and is of our era: taken for a new one, it would bring back events that the record has.

use exchange::Moment;

use crate::{
    log::{Entry, What},
    market::Market,
    record::Provenance,
    segment::{Says, Segment, Stage},
    shared::Shared,
};

impl Market {
    /// Whether its clock is lower than it can be at its time, if the era were ours. By the exchange's own time where a delta
    /// told it: no queue and no host's clock moves that.
    pub(crate) fn has_fallen(&self, shared: &Shared, segment: &Segment) -> bool {
        let Some(start) = segment.placing() else { return false };
        let Some(s) = start.shown.clock.filter(|&s| self.started && s < self.clock) else {
            return false;
        };
        let slack = shared.config.era_slack.as_nanos() as i64;
        let is_told = behind_ns(shared, segment).is_some();
        // While our era went on, no other had begun.
        let before = if is_told { self.log.last_timed() } else { self.log.first_after(s) };
        let shown = shown_ns(shared, segment);
        before.is_some_and(|entry| shown > time_of(shared, entry).saturating_add(slack))
    }

    /// Whether it ended before our record did and left nothing but a book of before.
    pub(crate) fn has_nothing_new(&self, shared: &Shared, segment: &Segment) -> bool {
        let ended = !segment.open && segment.pending.is_empty();
        ended && shown_ns(shared, segment) < self.head_ns(shared)
    }

    /// Whether something tells that a fallen snapshot was not just late: its lane's next delta, in any market, or that trading
    /// had stopped. It is waited for as for a lane that could fill a hole.
    pub(crate) fn is_era_shown(&self, shared: &Shared, at: usize, now: Moment) -> bool {
        let segment = &self.segments[at];
        let waited =
            segment.placing().is_none_or(|s| now.since(s.since) >= shared.config.hole_wait);
        waited || behind_ns(shared, segment).is_some() || self.stopped_before(shared, at)
    }

    /// Whether the exchange was known to have stopped between our head and the snapshot.
    pub(crate) fn stopped_before(&self, shared: &Shared, at: usize) -> bool {
        let shown = shown_ns(shared, &self.segments[at]);
        (self.head_ns(shared)..=shown).contains(&shared.paused_ns)
    }

    /// Everything that was is past; what was shown before the border belongs to it.
    pub(crate) fn open_era(&mut self, shared: &mut Shared, from: &Provenance) {
        let (head, shown) = (self.head_ns(shared), shared.exchange_ns(from.gatherer, from.wall_ns));
        let between = head.saturating_add(shown.saturating_sub(head) / 2);
        let paused = (head..=shown).contains(&shared.paused_ns);
        self.era_from = if paused { shared.paused_ns } else { between };
        self.era += 1;
        shared.remembered -= self.log.restart();
        for segment in &mut self.segments {
            if !matches!(segment.stage, Stage::Placing(_)) {
                segment.stage = Stage::Past;
            }
        }
    }

    /// Whether everything that its gatherer received before our head was handed over.
    pub(crate) fn is_heard_to_the_head(&self, shared: &Shared, segment: &Segment) -> bool {
        shared.heard_beyond(segment.lane.gatherer, self.head_ns(shared))
    }

    /// When our last event happened, by the exchange's clock.
    fn head_ns(&self, shared: &Shared) -> i64 {
        self.log.last().map_or(i64::MIN, |entry| time_of(shared, entry))
    }
}

/// When a snapshot that is not placed was shown, by the exchange's clock, Unix ns.
pub(crate) fn shown_ns(shared: &Shared, segment: &Segment) -> i64 {
    let Some(from) = segment.placing().map(|start| start.from) else { return i64::MIN };
    match behind_ns(shared, segment) {
        Some(behind_ns) => from.wall_ns.saturating_sub(behind_ns),
        None => shared.exchange_ns(from.gatherer, from.wall_ns),
    }
}

/// How much later than the exchange's time it was received, in ns: as the first delta behind its snapshot tells, or else the
/// newest of its lane.
fn behind_ns(shared: &Shared, segment: &Segment) -> Option<i64> {
    let told = segment.pending.iter().find_map(|item| match &item.says {
        Says::Delta(change) if change.ts_ms != 0 => Some((item.from.wall_ns, change.ts_ms)),
        _ => None,
    });
    match told {
        Some((wall_ns, ts_ms)) => Some(wall_ns.saturating_sub(ts_ms.saturating_mul(1_000_000))),
        None => shared.behind_ns(segment.lane),
    }
}

/// When an entry happened by the exchange's clock, Unix ns: as a delta says, or as its receipt tells.
fn time_of(shared: &Shared, entry: &Entry) -> i64 {
    match entry.what {
        What::Delta(change) if change.ts_ms != 0 => change.ts_ms.saturating_mul(1_000_000),
        _ => shared.exchange_ns(entry.from.gatherer, entry.from.wall_ns),
    }
}
