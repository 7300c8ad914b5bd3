//! Which of the exchange's trades are not stored, and storing those.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context as _;
use clickhouse::Row;
use exchange::Side;
use exchange::rest::RestTrade;
use schema::rows::{Price, Size, Table as _, TakerSide, Trade, UnixMicros, UnixMillis};
use serde::Deserialize;
use store::Store;
use uuid::Uuid;

use crate::ledger::NAMED_MAX;

#[derive(Row, Deserialize)]
struct Stored {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
}

/// Those of `trades` that are not stored, each once.
pub(crate) async fn missing(
    store: &Store,
    trades: Vec<RestTrade>,
) -> anyhow::Result<Vec<RestTrade>> {
    let (Some(first), Some(last)) = (
        trades.iter().map(|trade| trade.created_ms).min(),
        trades.iter().map(|trade| trade.created_ms).max(),
    ) else {
        return Ok(trades);
    };
    let tickers: BTreeSet<&str> = trades.iter().map(|trade| trade.ticker.as_str()).collect();
    let tickers: Vec<&str> = tickers.into_iter().collect();
    let time = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
    let sql = format!(
        "SELECT DISTINCT trade_id AS id FROM trades WHERE market_ticker IN ? AND ts BETWEEN {} AND {}",
        time(first),
        time(last)
    );
    let mut known = HashSet::new();
    for tickers in tickers.chunks(NAMED_MAX) {
        let query = store.client().query(&sql).bind(tickers);
        let stored = query.fetch_all::<Stored>().await.context("cannot read trades")?;
        known.extend(stored.into_iter().map(|stored| stored.id));
    }
    Ok(trades.into_iter().filter(|trade| known.insert(trade.trade_id)).collect())
}

/// Stores trades as fetched again. An insert may touch a hundred partitions; a page of trades lies
/// in a few months at most.
pub(crate) async fn store(store: &Store, trades: &[RestTrade], now_us: i64) -> anyhow::Result<()> {
    let rows: Vec<Trade> = trades.iter().map(|trade| row(trade, now_us)).collect();
    // Never the token of an earlier run: what was stored and lost since must be stored again. The
    // key of the row keeps a trade from standing twice.
    let token = format!("gap-recovery/{}", Uuid::new_v4());
    store.insert(Trade::TABLE, &rows, &token).await.context("cannot write trades")
}

fn row(trade: &RestTrade, now_us: i64) -> Trade {
    let price = |price: exchange::Price| Price(i32::from(price.units()));
    Trade {
        trade_id: trade.trade_id,
        market_ticker: trade.ticker.as_str().into(),
        yes_price: price(trade.yes_price),
        no_price: price(trade.no_price),
        count: Size(trade.count.units()),
        taker_side: match trade.taker {
            Side::Yes => TakerSide::Yes,
            Side::No => TakerSide::No,
        },
        is_block_trade: trade.is_block_trade.unwrap_or(false),
        ts: UnixMillis(trade.created_ms),
        ingest_ts: UnixMicros(now_us),
        gatherer: "".into(),
        session: 0,
        source_sid: 0,
        source_seq: 0,
        recovered: true,
    }
}
