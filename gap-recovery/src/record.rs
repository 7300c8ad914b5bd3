//! Asks the canonical record what stands around a hole.

use std::collections::HashMap;

use anyhow::Context as _;
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use store::Store;

use crate::hole::Hole;
use crate::ledger::NAMED_MAX;

/// A canonical snapshot that is not our own repetition.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) ticker: String,
    pub(crate) seq: u64,
    pub(crate) at_era: u16,
    pub(crate) at_clock: u64,
    pub(crate) received_ms: i64,
    pub(crate) how: String,
}

impl Start {
    /// Whether it can be the one that ends `hole`.
    fn ends(&self, hole: &Hole) -> bool {
        let later =
            self.at_era > hole.era || (self.at_era == hole.era && self.at_clock >= hole.to_clock);
        later && self.received_ms >= hole.to_ms
    }
}

/// For each hole the canonical snapshot that ends it, if it is stored.
pub(crate) async fn starts(store: &Store, holes: &[Hole]) -> anyhow::Result<Vec<Option<Start>>> {
    let mut tickers: Vec<&str> = holes.iter().map(|hole| hole.ticker.as_str()).collect();
    tickers.sort_unstable();
    tickers.dedup();
    let from_ms = holes.iter().map(|hole| hole.to_ms).min().unwrap_or(0);
    let sql = format!(
        "SELECT toString(market_ticker) AS ticker, seq, any(era) AS at_era, any(clock) AS at_clock, \
         min(intDiv(toUnixTimestamp64Micro(ingest_ts), 1000)) AS received_ms, \
         toString(any(origin)) AS how FROM orderbook_events \
         WHERE type = 'snapshot' AND origin != 'checkpoint' AND market_ticker IN ? \
         AND ingest_ts >= fromUnixTimestamp64Milli(toInt64({from_ms}), 'UTC') \
         GROUP BY market_ticker, seq ORDER BY market_ticker, seq"
    );
    let mut by_ticker: HashMap<String, Vec<Start>> = HashMap::new();
    for tickers in tickers.chunks(NAMED_MAX) {
        let query = store.client().query(&sql).bind(tickers);
        let found = query.fetch_all::<Start>().await.context("cannot read the snapshots")?;
        for start in found {
            by_ticker.entry(start.ticker.clone()).or_default().push(start);
        }
    }
    let of = |hole: &Hole| by_ticker.get(&hole.ticker)?.iter().find(|s| s.ends(hole)).cloned();
    Ok(holes.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hole::tests::hole;

    #[test]
    fn a_hole_ends_with_a_later_snapshot_of_its_era_or_with_a_newer_era() {
        let hole = hole("A", 10, 20);
        let start = |at_era, at_clock, received_ms| Start {
            ticker: "A".to_owned(),
            seq: 1,
            at_era,
            at_clock,
            received_ms,
            how: "live".to_owned(),
        };
        for (at, ends) in [
            (start(0, 9, 20_000), true),
            (start(0, 30, 25_000), true),
            (start(0, 8, 20_000), false),
            (start(0, 9, 19_999), false),
            (start(1, 2, 20_000), true),
        ] {
            assert_eq!(at.ends(&hole), ends, "{at:?}");
        }
    }
}
