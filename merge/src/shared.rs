//! What all markets share: configuration, gatherers, outputs, timers, counters.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use exchange::Moment;
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    input::{GathererIndex, Source},
    lane::Session,
    minutes::{Cell, FATES, Fate, Minutes},
    output::{Alarm, AlarmKind, Output},
    record::Record,
    segment::LaneKey,
    totals::CanonicalTotals,
};

/// No lane is waited for because it is served later than this: Kalshi ends such a connection (error 25).
const LATE_MAX_NS: i64 = 600_000_000_000;

/// Deltas after which a gatherer that is served later and later, everywhere, counts as one whose clock is ahead.
const AHEAD_SLOWLY: i64 = 64;

const MINUTE_NS: i64 = 60_000_000_000;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) gatherers: Vec<Gatherer>,
    pub(crate) canonical: CanonicalTotals,
    pub(crate) minutes: Minutes,
    /// The current minute of frames that belong to no market.
    cells: Vec<Cell>,
    /// When trading was last known to be stopped, by the exchange's clock.
    pub(crate) paused_ns: i64,
    /// Whether trading was stopped when somebody last told.
    pub(crate) halted: bool,
    /// When it began again.
    #[serde(skip)]
    pub(crate) trading_since: Moment,
    pub(crate) pending: usize,
    pub(crate) remembered: usize,
    #[serde(skip)]
    pub(crate) outputs: VecDeque<Output>,
    #[serde(skip)]
    timers: BinaryHeap<Reverse<(Moment, u32)>>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Gatherer {
    pub(crate) name: String,
    pub(crate) connected: bool,
    /// When we last heard anything of it.
    #[serde(skip)]
    pub(crate) heard: Moment,
    /// Everything it received before this receipt has been handed over.
    pub(crate) progress: i64,
    pub(crate) sessions: Vec<Session>,
    /// About how much its clock is ahead of the exchange's, in ns.
    ahead_ns: Option<i64>,
    pub(crate) frames: u64,
    pub(crate) fates: [u64; FATES],
    pub(crate) breaks: u64,
    pub(crate) without_clock: u64,
    pub(crate) unknown_fields: u64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            gatherers: Vec::new(),
            canonical: CanonicalTotals::default(),
            minutes: Minutes::default(),
            cells: Vec::new(),
            paused_ns: i64::MIN,
            halted: false,
            trading_since: Moment::default(),
            pending: 0,
            remembered: 0,
            outputs: VecDeque::new(),
            timers: BinaryHeap::new(),
        }
    }

    pub(crate) fn gatherer(&self, index: GathererIndex) -> &Gatherer {
        &self.gatherers[index.0 as usize]
    }

    pub(crate) fn gatherer_mut(&mut self, index: GathererIndex) -> &mut Gatherer {
        &mut self.gatherers[index.0 as usize]
    }

    pub(crate) fn emit(&mut self, record: Record) {
        self.outputs.push_back(Output::Record(record));
    }

    pub(crate) fn refresh(&mut self, source: Source, ticker: &str) {
        self.outputs.push_back(Output::Refresh { source, market_ticker: ticker.into() });
    }

    pub(crate) fn alarm(
        &mut self,
        kind: AlarmKind,
        source: Option<Source>,
        market: (u32, &str),
        clock: u64,
    ) {
        self.canonical.alarms += 1;
        let (sid, ticker) = market;
        let alarm = Alarm { kind, source, sid, market_ticker: ticker.into(), clock };
        self.outputs.push_back(Output::Alarm(alarm));
    }

    /// Enters a frame that belongs to no market.
    pub(crate) fn account(&mut self, gatherer: GathererIndex, wall_ns: i64, fate: Fate) {
        let mut cells = std::mem::take(&mut self.cells);
        self.account_in(&mut cells, (gatherer, 0, wall_ns), fate, None);
        self.cells = cells;
    }

    /// Enters a frame: `what` is (gatherer, canonical sid, receipt).
    pub(crate) fn account_in(
        &mut self,
        cells: &mut Vec<Cell>,
        what: (GathererIndex, u32, i64),
        fate: Fate,
        skew_us: Option<u64>,
    ) {
        self.gatherers[what.0.0 as usize].fates[fate as usize] += 1;
        self.in_cell(cells, what, |cell| {
            cell.count(fate);
            if let Some(skew_us) = skew_us {
                cell.skew(skew_us);
            }
        });
    }

    /// Counts that a lane lost frames.
    pub(crate) fn broke(&mut self, gatherer: GathererIndex, wall_ns: i64) {
        self.gatherers[gatherer.0 as usize].breaks += 1;
        let mut cells = std::mem::take(&mut self.cells);
        self.in_cell(&mut cells, (gatherer, 0, wall_ns), Cell::broke);
        self.cells = cells;
    }

    fn in_cell(
        &mut self,
        cells: &mut Vec<Cell>,
        (gatherer, sid, wall_ns): (GathererIndex, u32, i64),
        change: impl FnOnce(&mut Cell),
    ) {
        let minute = wall_ns.div_euclid(MINUTE_NS);
        let kept = self.config.minutes_kept;
        let Some(cell) = cells.iter_mut().find(|cell| cell.gatherer() == gatherer) else {
            let mut cell = Cell::new(gatherer, sid, minute);
            change(&mut cell);
            cells.push(cell);
            return;
        };
        if cell.minute() == minute {
            change(cell);
        } else {
            let mut other = Cell::new(gatherer, sid, minute);
            change(&mut other);
            if cell.minute() < minute {
                std::mem::swap(cell, &mut other);
            }
            self.minutes.put(other, kept);
        }
    }

    /// Moves the current cells of minutes before `before_minute` to the closed ones.
    pub(crate) fn flush(&mut self, cells: &mut Vec<Cell>, before_minute: i64) {
        let kept = self.config.minutes_kept;
        cells.retain(|cell| {
            let stays = cell.minute() >= before_minute;
            if !stays {
                self.minutes.put(cell.clone(), kept);
            }
            stays
        });
    }

    pub(crate) fn flush_own(&mut self, before_minute: i64) {
        let mut cells = std::mem::take(&mut self.cells);
        self.flush(&mut cells, before_minute);
        self.cells = cells;
    }

    /// Whether everything that this gatherer received before `at_ns`, by the exchange's clock, was handed over.
    pub(crate) fn heard_beyond(&self, gatherer: GathererIndex, at_ns: i64) -> bool {
        self.exchange_ns(gatherer, self.gatherer(gatherer).progress) >= at_ns
    }

    /// The newest receipt that was heard of, by the exchange's clock.
    pub(crate) fn newest_heard(&self) -> i64 {
        let heard = |index| self.exchange_ns(index, self.gatherer(index).progress);
        self.indices().map(heard).max().unwrap_or(i64::MIN)
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = GathererIndex> {
        (0..=u8::MAX).take(self.gatherers.len()).map(GathererIndex)
    }

    /// Whether the lane has delivered what happened before `at_ns`, by the exchange's clock: everything that was received
    /// before then was handed over, and so much more as the exchange serves this lane late.
    pub(crate) fn told_beyond(&self, lane: LaneKey, at_ns: i64) -> bool {
        let ahead_ns = self.gatherer(lane.gatherer).ahead_ns();
        let late = self.behind_ns(lane).map(|behind_ns| behind_ns.saturating_sub(ahead_ns));
        let late = late.filter(|late| (0..=LATE_MAX_NS).contains(late)).unwrap_or(0);
        self.heard_beyond(lane.gatherer, at_ns.saturating_add(late))
    }

    /// A receipt by the exchange's clock, as far as the gatherer's deltas tell how that is related to its own.
    pub(crate) fn exchange_ns(&self, gatherer: GathererIndex, wall_ns: i64) -> i64 {
        wall_ns.saturating_sub(self.gatherer(gatherer).ahead_ns())
    }

    /// A gatherer was told that trading is stopped.
    pub(crate) fn stopped(&mut self, gatherer: GathererIndex, wall_ns: i64) {
        self.paused_ns = self.paused_ns.max(self.exchange_ns(gatherer, wall_ns));
    }

    /// How much later than the exchange's time a lane's frames are received, in ns, if one of its deltas told.
    pub(crate) fn behind_ns(&self, lane: LaneKey) -> Option<i64> {
        let mut sessions = self.gatherer(lane.gatherer).sessions.iter();
        sessions.find(|held| held.session == lane.session)?.behind_ns(lane.sid)
    }

    /// Whether the gatherer said nothing for so long.
    pub(crate) fn silent_for(
        &self,
        gatherer: GathererIndex,
        wait: std::time::Duration,
        now: Moment,
    ) -> bool {
        now.since(self.gatherer(gatherer).heard) >= wait
    }

    pub(crate) fn wake(&mut self, at: Moment, market: u32) {
        self.timers.push(Reverse((at, market)));
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn due(&mut self, now: Moment) -> Option<(Moment, u32)> {
        if self.next_wake()? > now {
            return None;
        }
        self.timers.pop().map(|Reverse(due)| due)
    }
}

impl Gatherer {
    /// A delta came so much later than the exchange's time: the least of late is what its clock is ahead.
    pub(crate) fn delta_came(&mut self, behind_ns: i64) {
        let known = *self.ahead_ns.get_or_insert(behind_ns);
        self.ahead_ns = Some(
            behind_ns.min(known.saturating_add(behind_ns.saturating_sub(known) / AHEAD_SLOWLY)),
        );
    }

    /// How much its clock is ahead. What is further off is no clock, but an old feed that is played again, or a lie: nobody
    /// is to be waited for by that much.
    fn ahead_ns(&self) -> i64 {
        let told = self.ahead_ns.filter(|ahead_ns| ahead_ns.unsigned_abs() <= LATE_MAX_NS as u64);
        told.unwrap_or(0)
    }

    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            connected: true,
            heard: Moment::default(),
            progress: i64::MIN,
            sessions: Vec::new(),
            ahead_ns: None,
            frames: 0,
            fates: [0; FATES],
            breaks: 0,
            without_clock: 0,
            unknown_fields: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_lanes_are_late_is_the_clock_and_what_one_is_late_is_not() {
        let after = |late: &[i64]| {
            let mut gatherer = Gatherer::new("east");
            late.iter().for_each(|late| gatherer.delta_came(*late));
            gatherer.ahead_ns()
        };
        assert_eq!(after(&[]), 0);
        assert_eq!(after(&[70, 50, 90]), 50);
        assert_eq!(after(&[50, -9_000]), -9_000, "stepped back");
        let stepped: Vec<i64> = std::iter::once(50).chain([90_050; 1_000]).collect();
        assert!((89_000..=90_050).contains(&after(&stepped)), "stepped forward");
        assert_eq!(after(&[LATE_MAX_NS + 1]), 0, "no clock is so wrong");
    }
}
