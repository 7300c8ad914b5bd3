//! What the record's events tell somebody who watches: which markets are busy, which holes were recorded, how far each
//! gatherer is behind the first.
//!
//! One addition an event; everything else happens when the pipeline shows itself.

use std::collections::VecDeque;
use std::sync::Arc;

use exchange::{Level, Side};
use merge::{GathererIndex, HoleCause, HoleRecord, LaneMinute, Merge, Record};
use serde::Serialize;

use crate::telemetry;

/// Markets shown.
const BUSIEST: usize = 20;
/// Rates are over this time: shorter ones jump, longer ones lag.
const WINDOW_NS: u64 = 3_000_000_000;
/// Holes remembered; older ones are in table `gaps`.
const HOLES_MAX: usize = 500;

/// A market among the busiest.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BusyMarket {
    ticker: String,
    events_per_second: f64,
    /// Best bid and ask: price in dollars, contracts.
    bid: Option<(String, String)>,
    ask: Option<(String, String)>,
    seq: u64,
    ts_ms: i64,
    /// Gatherers that cover its head.
    covered_by: usize,
    /// Something of it waits for a decision.
    waiting: bool,
}

/// A hole, for people.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HoleView {
    ticker: String,
    cause: &'static str,
    /// Between two eras, when the exchange's clock restarted: nobody lost anything.
    pub(crate) planned: bool,
    era: u16,
    from_clock: u64,
    /// `None`: it has not ended.
    to_clock: Option<u64>,
    from_ts_ms: i64,
    /// If it has not ended, when it was told.
    pub(crate) to_ts_ms: i64,
    sid: u32,
}

/// How far a gatherer's copies came behind the first, in the last minute that was closed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct BehindFirst {
    pub(crate) copies: u64,
    /// Of the median copy and of the slowest in a hundred, averaged over markets by copies.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// What is shown of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActivityView {
    pub(crate) busiest: Arc<[BusyMarket]>,
    /// The oldest first.
    pub(crate) holes: Arc<[HoleView]>,
    /// By the merge's index.
    pub(crate) behind_first: Vec<BehindFirst>,
}

/// The counting.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Deltas by canonical sid, since `since_ns`.
    deltas: Vec<u32>,
    since_ns: u64,
    fresh: Vec<HoleRecord>,
    holes: VecDeque<HoleView>,
    view: ActivityView,
}

impl HoleView {
    /// Whether both begin at one place.
    fn is_of(&self, hole: &HoleRecord) -> bool {
        (self.sid, self.era, self.from_clock) == (hole.sid, hole.era, hole.from_clock)
    }
}

impl Activity {
    /// An event of the record.
    pub(crate) fn note(&mut self, record: &Record) {
        match record {
            Record::Delta(delta) => {
                let sid = delta.sid as usize;
                if self.deltas.len() <= sid {
                    self.deltas.resize(sid + 1, 0);
                }
                self.deltas[sid] += 1;
            }
            Record::Hole(hole) => self.fresh.push(**hole),
            _ => {}
        }
    }

    /// Accounts of closed minutes.
    pub(crate) fn minutes(&mut self, rows: &[LaneMinute]) {
        let newest = rows.iter().filter(|row| row.skew_count > 0).map(|row| row.minute).max();
        for row in rows.iter().filter(|row| Some(row.minute) == newest) {
            let GathererIndex(index) = row.gatherer;
            let index = usize::from(index);
            if self.view.behind_first.len() <= index {
                self.view.behind_first.resize(index + 1, BehindFirst::default());
            }
            self.view.behind_first[index] = BehindFirst::default();
        }
        for row in rows.iter().filter(|row| Some(row.minute) == newest && row.skew_count > 0) {
            let behind = &mut self.view.behind_first[usize::from(row.gatherer.0)];
            behind.copies += u64::from(row.skew_count);
            let share = f64::from(row.skew_count) / behind.copies as f64;
            let ms = |us: u64| us as f64 / 1e3;
            behind.p50_ms += (ms(row.skew_p50_us) - behind.p50_ms) * share;
            behind.p99_ms += (ms(row.skew_p99_us) - behind.p99_ms) * share;
        }
    }

    /// What to show; holes are told to the log on the way.
    pub(crate) fn show(&mut self, merge: &Merge, mono_ns: u64) -> ActivityView {
        if !self.fresh.is_empty() {
            self.take_holes(merge);
        }
        let passed_ns = mono_ns.saturating_sub(self.since_ns);
        if passed_ns >= WINDOW_NS {
            self.view.busiest = self.rank(merge, passed_ns as f64 / 1e9);
            self.since_ns = mono_ns;
        }
        self.view.clone()
    }

    fn take_holes(&mut self, merge: &Merge) {
        let name = |sid| merge.market(sid).map_or_else(String::new, |m| m.ticker.to_owned());
        let told = |holes: &VecDeque<HoleView>, hole: &HoleRecord| {
            let is_it = |held: &HoleView| held.to_clock.is_none() && held.is_of(hole);
            holes.iter().rposition(is_it)
        };
        let mut new = std::mem::take(&mut self.fresh);
        let all = new.clone();
        new.retain(|hole| !hole.takes_back() && told(&self.holes, hole).is_none());
        if let Some(first) = new.first() {
            telemetry::holes_recorded(&new, &name(first.sid));
        }
        for hole in all {
            // It takes the place of one without end, or takes it back.
            if let Some(at) = told(&self.holes, &hole) {
                self.holes.remove(at);
            }
            if hole.takes_back() {
                continue;
            }
            self.holes.push_back(HoleView {
                ticker: name(hole.sid),
                cause: hole.cause.as_str(),
                planned: hole.cause == HoleCause::Maintenance,
                era: hole.era,
                from_clock: hole.from_clock,
                to_clock: (!hole.has_no_end()).then_some(hole.to_clock),
                from_ts_ms: hole.from_ts_ms,
                to_ts_ms: hole.to_ts_ms,
                sid: hole.sid,
            });
        }
        while self.holes.len() > HOLES_MAX {
            self.holes.pop_front();
        }
        self.view.holes = self.holes.iter().cloned().collect();
    }

    fn rank(&mut self, merge: &Merge, seconds: f64) -> Arc<[BusyMarket]> {
        let mut counted: Vec<(u32, u32)> = (0_u32..)
            .zip(&mut self.deltas)
            .filter_map(|(sid, count)| Some((std::mem::take(count), sid)).filter(|c| c.0 > 0))
            .collect();
        counted.sort_unstable_by(|one, other| other.cmp(one));
        counted.truncate(BUSIEST);
        let busy = |(count, sid): (u32, u32)| {
            let market = merge.market(sid)?;
            let (bids, asks) = (market.levels(Side::Yes), market.levels(Side::No));
            Some(BusyMarket {
                ticker: market.ticker.to_owned(),
                events_per_second: f64::from(count) / seconds,
                bid: bids.last().map(level),
                ask: asks.first().map(level),
                seq: market.seq,
                ts_ms: market.ts_ms,
                covered_by: market.covering.len(),
                waiting: market.waiting,
            })
        };
        counted.into_iter().filter_map(busy).collect()
    }
}

fn level(level: &Level) -> (String, String) {
    crate::book::side(std::slice::from_ref(level)).remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(gatherer: u8, minute: i64, copies: u32, p50_us: u64) -> LaneMinute {
        LaneMinute {
            gatherer: GathererIndex(gatherer),
            minute,
            skew_count: copies,
            skew_p50_us: p50_us,
            skew_p99_us: 2 * p50_us,
            ..LaneMinute::default()
        }
    }

    #[test]
    fn the_newest_minute_counts_and_markets_weigh_by_their_copies() {
        let mut activity = Activity::default();
        activity.minutes(&[row(1, 7, 90, 1_000), row(1, 7, 10, 11_000), row(1, 6, 500, 9_000)]);
        let behind = activity.view.behind_first[1];
        assert_eq!((behind.copies, behind.p50_ms.round(), behind.p99_ms.round()), (100, 2.0, 4.0));
        assert_eq!(activity.view.behind_first[0].copies, 0);
        activity.minutes(&[]);
        assert_eq!(activity.view.behind_first[1].copies, 100, "nothing new was closed");
        activity.minutes(&[row(1, 8, 0, 0), row(1, 8, 4, 3_000)]);
        assert_eq!(activity.view.behind_first[1].p50_ms, 3.0);
    }
}
