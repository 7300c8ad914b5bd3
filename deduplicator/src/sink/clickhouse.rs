//! Journal records as rows of the canonical ClickHouse tables, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use merge::Record;
use schema::rows::{
    Gap, LaneMinute, LatestLevel, MarketLifecycle, OrderbookEvent, OrderbookSnapshot, Price, Side,
    Table, Ticker, Trade,
};
use spool::Position;
use store::{Rows, Store, StoreError};

use super::names::Names;
use super::rows;
use crate::journal::{codec, receipt};
use crate::latency::Latency;

/// The batch in hand.
pub(crate) struct CanonicalRows {
    names: Names,
    latency: Arc<Latency>,
    events: Vec<OrderbookEvent>,
    /// The last state of each level in the batch: earlier ones would lose to it at once.
    levels: BTreeMap<(u32, Side, Price), LatestLevel>,
    trades: Vec<Trade>,
    tickers: Vec<Ticker>,
    lifecycle: Vec<MarketLifecycle>,
    gaps: Vec<Gap>,
    minutes: Vec<LaneMinute>,
    books: Vec<OrderbookSnapshot>,
    receipts: Vec<i64>,
}

impl CanonicalRows {
    pub(crate) fn new(names: Names, latency: Arc<Latency>) -> Self {
        Self {
            names,
            latency,
            events: Vec::new(),
            levels: BTreeMap::new(),
            trades: Vec::new(),
            tickers: Vec::new(),
            lifecycle: Vec::new(),
            gaps: Vec::new(),
            minutes: Vec::new(),
            books: Vec::new(),
            receipts: Vec::new(),
        }
    }

    fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        if self.names.learn(record)? {
            return Ok(());
        }
        let names = &mut self.names;
        match record {
            Record::Delta(delta) => {
                self.events.push(rows::delta(delta, names)?);
                let level = rows::level_after(delta, names)?;
                self.levels.insert((delta.sid, level.side, level.price), level);
            }
            Record::Snapshot(snapshot) => {
                self.events.extend(rows::snapshot(snapshot, names)?);
                for level in rows::levels_after(snapshot, names)? {
                    self.levels.insert((snapshot.sid, level.side, level.price), level);
                }
            }
            Record::Hole(hole) => {
                self.gaps.push(rows::gap(hole, names)?);
                if !hole.has_no_end() && !hole.takes_back() {
                    self.minutes.push(rows::hole_minute(hole, names)?);
                }
            }
            Record::Trade(trade) => self.trades.push(rows::trade(trade, names)?),
            Record::Ticker(ticker) => self.tickers.push(rows::ticker(ticker, names)?),
            Record::Lifecycle(record) => self.lifecycle.push(rows::lifecycle(record, names)?),
            Record::LaneMinutes(minutes) => self.minutes.extend(rows::minutes(minutes, names)?),
            Record::RestBooks(books) => self.books.extend(rows::rest_books(books, names)?),
            Record::Gatherer { .. } | Record::Market { .. } => {}
        }
        Ok(())
    }
}

impl Rows for CanonicalRows {
    fn push(&mut self, _at: Position, payload: &[u8]) -> anyhow::Result<()> {
        let record = codec::decode(payload)?;
        self.take(&record)?;
        self.receipts.extend(receipt(&record));
        Ok(())
    }

    fn rows(&self) -> usize {
        self.events.len()
            + self.levels.len()
            + self.trades.len()
            + self.tickers.len()
            + self.lifecycle.len()
            + self.gaps.len()
            + self.minutes.len()
            + self.books.len()
    }

    async fn write(&self, store: &Store, token: &str) -> Result<(), StoreError> {
        store.insert(OrderbookEvent::TABLE, &self.events, token).await?;
        let levels: Vec<LatestLevel> = self.levels.values().cloned().collect();
        store.insert(LatestLevel::TABLE, &levels, token).await?;
        store.insert(Trade::TABLE, &self.trades, token).await?;
        store.insert(Ticker::TABLE, &self.tickers, token).await?;
        store.insert(MarketLifecycle::TABLE, &self.lifecycle, token).await?;
        store.insert(Gap::TABLE, &self.gaps, token).await?;
        store.insert(LaneMinute::TABLE, &self.minutes, token).await?;
        store.insert(OrderbookSnapshot::TABLE, &self.books, token).await
    }

    fn clear(&mut self) {
        self.latency.to_row.reached(self.receipts.drain(..));
        self.events.clear();
        self.levels.clear();
        self.trades.clear();
        self.tickers.clear();
        self.lifecycle.clear();
        self.gaps.clear();
        self.minutes.clear();
        self.books.clear();
    }
}
