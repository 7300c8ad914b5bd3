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

/// No lane is waited for because it is served later than this (Kalshi ends such a connection, error 25): the host's clock is
/// wrong, or a recording is played.
const LATE_MAX_NS: i64 = 600_000_000_000;

const MINUTE_NS: i64 = 60_000_000_000;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) gatherers: Vec<Gatherer>,
    pub(crate) canonical: CanonicalTotals,
    pub(crate) minutes: Minutes,
    /// The current minute of frames that belong to no market.
    cells: Vec<Cell>,
    /// The last receipt at which trading was known to be stopped.
    pub(crate) paused_wall: i64,
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
            paused_wall: i64::MIN,
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

    /// Whether everything that this gatherer received before `wall_ns` was handed over.
    pub(crate) fn heard_beyond(&self, gatherer: GathererIndex, wall_ns: i64) -> bool {
        self.gatherer(gatherer).progress >= wall_ns
    }

    /// Whether the lane has delivered what happened before `wall_ns`: everything that was received before then was handed
    /// over, and so much more as the exchange serves this lane late.
    pub(crate) fn told_beyond(&self, lane: LaneKey, wall_ns: i64) -> bool {
        let late = self.behind_ns(lane).filter(|late| (0..=LATE_MAX_NS).contains(late));
        self.heard_beyond(lane.gatherer, wall_ns.saturating_add(late.unwrap_or(0)))
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
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            connected: true,
            heard: Moment::default(),
            progress: i64::MIN,
            sessions: Vec::new(),
            frames: 0,
            fates: [0; FATES],
            breaks: 0,
            without_clock: 0,
            unknown_fields: 0,
        }
    }
}
