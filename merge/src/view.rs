//! What can be looked at from outside, without touching the decisions.

use exchange::{Level, Side};
use uuid::Uuid;

use crate::{
    input::{GathererIndex, Source},
    market::Market,
    merge::Merge,
    totals::{GathererTotals, Totals},
};

/// One market as it stands.
#[derive(Clone, Debug)]
pub struct MarketView<'a> {
    /// The canonical sid.
    pub sid: u32,
    /// The exchange's ticker.
    pub ticker: &'a str,
    /// The exchange's stable id.
    pub market_id: Uuid,
    /// The era of the head.
    pub era: u16,
    /// The clock of the head; `None` before the market's start.
    pub clock: Option<u64>,
    /// The last event's time, Unix ms.
    pub ts_ms: i64,
    /// The canonical seq of the last event, 0 before the first.
    pub seq: u64,
    /// Gatherers that have a lane covering the head.
    pub covering: Vec<GathererIndex>,
    /// Whether something waits for a decision.
    pub waiting: bool,
    market: &'a Market,
}

impl MarketView<'_> {
    /// One side of the book, rising by price, sizes above zero.
    pub fn levels(&self, side: Side) -> Vec<Level> {
        self.market.book.levels(side == Side::No)
    }

    /// The sessions that have a lane covering the head.
    pub fn sources(&self) -> Vec<Source> {
        let covers = self.market.segments.iter().filter(|segment| segment.covers());
        covers.map(|segment| segment.lane.source()).collect()
    }
}

impl Merge {
    /// Every market seen, by canonical sid.
    pub fn markets(&self) -> impl Iterator<Item = MarketView<'_>> {
        self.markets.iter().map(view)
    }

    /// One market.
    pub fn market(&self, sid: u32) -> Option<MarketView<'_>> {
        self.markets.get((sid as usize).checked_sub(1)?).map(view)
    }

    /// All counters. Looks at every market: for health and metrics, not for every frame.
    pub fn totals(&self) -> Totals {
        let mut gatherers: Vec<GathererTotals> = Vec::new();
        for gatherer in &self.shared.gatherers {
            let lanes = || gatherer.sessions.iter().flat_map(|session| &session.lanes);
            let broken = lanes().filter(|lane| lane.broken).count() as u64;
            let mut totals = GathererTotals {
                name: gatherer.name.clone(),
                connected: gatherer.connected,
                frames: gatherer.frames,
                breaks: gatherer.breaks,
                without_clock: gatherer.without_clock,
                unknown_fields: gatherer.unknown_fields,
                lanes_broken: broken,
                lanes_live: lanes().count() as u64 - broken,
                ..GathererTotals::default()
            };
            totals.set_fates(&gatherer.fates);
            gatherers.push(totals);
        }
        let mut canonical = self.shared.canonical;
        for market in &self.markets {
            for index in covering(market) {
                gatherers[index.0 as usize].markets_covered += 1;
            }
            for (index, totals) in gatherers.iter_mut().enumerate() {
                let out = market.is_out(GathererIndex(index as u8));
                totals.markets_quarantined += u64::from(out);
            }
            canonical.waiting += u64::from(market.is_undecided());
            canonical.uncovered += u64::from(market.is_abandoned());
            canonical.told_uncovered += u64::from(market.told_from().is_some());
        }
        canonical.markets = self.markets.len() as u64;
        canonical.pending = self.shared.pending as u64;
        canonical.remembered = self.shared.remembered as u64;
        Totals { gatherers, canonical, halted: self.shared.halted }
    }
}

fn view(market: &Market) -> MarketView<'_> {
    MarketView {
        sid: market.sid,
        ticker: &market.ticker,
        market_id: market.market_id,
        era: market.era,
        clock: market.started.then_some(market.clock),
        ts_ms: market.ts_ms,
        seq: market.seq,
        covering: covering(market),
        waiting: market.is_undecided(),
        market,
    }
}

fn covering(market: &Market) -> Vec<GathererIndex> {
    let covers = market.segments.iter().filter(|segment| segment.covers());
    let mut covering: Vec<GathererIndex> = covers.map(|segment| segment.lane.gatherer).collect();
    covering.sort_unstable();
    covering.dedup();
    covering
}
