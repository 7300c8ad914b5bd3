//! One chunk: its open files, and where it must end.

use std::collections::BTreeMap;

use merge::Record;
use schema::rows::{MarketLifecycle, OrderbookEvent, Ticker, Trade};
use spool::Position;

use super::columns::ArchiveRow;
use super::part::{Finished, Part};
use super::place::Begun;
use crate::sink::names::Names;
use crate::sink::rows;

const DAY_MS: i64 = 86_400_000;
/// Days that one chunk may touch, so that a wild clock does not open files without end.
const PARTS_MAX: usize = 16;

/// Opens the file of (dataset, day), named for the first row's receipt.
pub(super) type Open<'a> = dyn FnMut(&'static str, i64, i64) -> anyhow::Result<Begun> + 'a;

/// A stretch of the journal on its way into files.
pub(super) struct Chunk {
    from: Position,
    max_bytes: u64,
    newest_day: Option<i64>,
    orderbook: BTreeMap<i64, Part<OrderbookEvent>>,
    trades: BTreeMap<i64, Part<Trade>>,
    tickers: BTreeMap<i64, Part<Ticker>>,
    lifecycle: BTreeMap<i64, Part<MarketLifecycle>>,
}

impl Chunk {
    pub(super) fn new(from: Position, max_bytes: u64) -> Self {
        Self {
            from,
            max_bytes,
            newest_day: None,
            orderbook: BTreeMap::new(),
            trades: BTreeMap::new(),
            tickers: BTreeMap::new(),
            lifecycle: BTreeMap::new(),
        }
    }

    pub(super) fn from(&self) -> Position {
        self.from
    }

    /// Whether a later day begins with this record.
    pub(super) fn ends_before(&self, record: &Record) -> bool {
        let day = day_of(record);
        day.is_some_and(|day| self.newest_day.is_some_and(|newest| newest < day))
    }

    /// Whether a file has reached its size.
    pub(super) fn is_full(&self) -> bool {
        let parts = self.orderbook.len() + self.trades.len() + self.tickers.len();
        self.largest() >= self.max_bytes || parts + self.lifecycle.len() >= PARTS_MAX
    }

    /// Bytes of the files so far; what waits for its row group is not counted.
    pub(super) fn bytes(&self) -> u64 {
        fn sum<R: ArchiveRow>(parts: &BTreeMap<i64, Part<R>>) -> u64 {
            parts.values().map(Part::bytes).sum()
        }
        sum(&self.orderbook) + sum(&self.trades) + sum(&self.tickers) + sum(&self.lifecycle)
    }

    fn largest(&self) -> u64 {
        fn most<R: ArchiveRow>(parts: &BTreeMap<i64, Part<R>>) -> u64 {
            parts.values().map(Part::bytes).max().unwrap_or(0)
        }
        most(&self.orderbook)
            .max(most(&self.trades))
            .max(most(&self.tickers))
            .max(most(&self.lifecycle))
    }

    pub(super) fn push(
        &mut self,
        record: &Record,
        names: &mut Names,
        open: &mut Open<'_>,
    ) -> anyhow::Result<()> {
        self.newest_day = self.newest_day.max(day_of(record));
        match record {
            Record::Delta(delta) => put(&mut self.orderbook, rows::delta(delta, names)?, open),
            Record::Snapshot(snapshot) => rows::snapshot(snapshot, names)?
                .into_iter()
                .try_for_each(|row| put(&mut self.orderbook, row, open)),
            Record::Trade(trade) => put(&mut self.trades, rows::trade(trade, names)?, open),
            Record::Ticker(ticker) => put(&mut self.tickers, rows::ticker(ticker, names)?, open),
            Record::Lifecycle(record) => {
                put(&mut self.lifecycle, rows::lifecycle(record, names)?, open)
            }
            Record::Gatherer { .. }
            | Record::Market { .. }
            | Record::Hole(_)
            | Record::LaneMinutes(_)
            | Record::RestBooks(_) => Ok(()),
        }
    }

    /// Completes every file; they are not in place yet.
    pub(super) fn finish(self) -> anyhow::Result<Vec<Finished>> {
        let mut files = Vec::new();
        finish(self.orderbook, &mut files)?;
        finish(self.trades, &mut files)?;
        finish(self.tickers, &mut files)?;
        finish(self.lifecycle, &mut files)?;
        Ok(files)
    }
}

fn put<R: ArchiveRow>(
    parts: &mut BTreeMap<i64, Part<R>>,
    row: R,
    open: &mut Open<'_>,
) -> anyhow::Result<()> {
    let day = row.ts_ms().div_euclid(DAY_MS);
    if let Some(part) = parts.get_mut(&day) {
        return part.push(row);
    }
    let mut part = Part::begin(open(R::DATASET, day, row.ingest_us())?)?;
    part.push(row)?;
    parts.insert(day, part);
    Ok(())
}

fn finish<R: ArchiveRow>(
    parts: BTreeMap<i64, Part<R>>,
    files: &mut Vec<Finished>,
) -> anyhow::Result<()> {
    for part in parts.into_values() {
        files.push(part.finish()?);
    }
    Ok(())
}

/// The day (UTC, exchange time) of what goes into files.
fn day_of(record: &Record) -> Option<i64> {
    let (ts_ms, from) = match record {
        Record::Delta(delta) => (delta.ts_ms, &delta.from),
        Record::Snapshot(snapshot) => (snapshot.ts_ms, &snapshot.from),
        Record::Trade(trade) => (trade.ts_ms, &trade.from),
        Record::Ticker(ticker) => (ticker.ts_ms, &ticker.from),
        Record::Lifecycle(lifecycle) => (0, &lifecycle.from),
        _ => return None,
    };
    let ms = if ts_ms == 0 { from.wall_ns.div_euclid(1_000_000) } else { ts_ms };
    Some(ms.div_euclid(DAY_MS))
}
