//! Reads the canonical ClickHouse for the oracle.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clickhouse::{Client, Row, RowOwned, RowRead};
use exchange::Side;
use serde::Deserialize;
use uuid::Uuid;

use crate::oracle::{
    EventRow, GapRow, Kind, LatestRow, LifecycleRow, Origin, TickerRow, TickerTruth, TradeRow,
    TradeTruth,
};

const DATABASE: &str = "kalshi";

/// A client for the database that every program of a run uses; the URL may name user and password.
pub(super) fn client(url: &str) -> Client {
    let known = url.strip_prefix("http://").and_then(|rest| rest.split_once('@'));
    let client = match known.and_then(|(who, host)| Some((who.split_once(':')?, host))) {
        Some(((user, password), host)) => Client::default()
            .with_url(format!("http://{host}"))
            .with_user(user)
            .with_password(password),
        None => Client::default().with_url(url).with_user("default"),
    };
    client.with_database(DATABASE)
}

/// A market's stream in the record.
#[derive(Row, Deserialize)]
pub(super) struct Stream {
    pub(super) sid: u32,
    pub(super) ticker: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub(super) id: Uuid,
}

#[derive(Row, Deserialize)]
struct StoredEvent {
    sid: u32,
    seq: u64,
    kind: i8,
    side_: i8,
    price: i32,
    qty: i64,
    ts: i64,
    era: u16,
    clock: u64,
    clock_ord: u16,
    origin_: i8,
}

#[derive(Row, Deserialize)]
struct StoredTrade {
    #[serde(with = "clickhouse::serde::uuid")]
    trade_id: Uuid,
    ticker: String,
    yes_price: i32,
    no_price: i32,
    count: i64,
    taker: i8,
    ts: i64,
}

#[derive(Row, Deserialize)]
struct StoredTicker {
    ticker: String,
    ts: i64,
    price: i32,
    yes_bid: i32,
    yes_ask: i32,
    yes_bid_size: i64,
    yes_ask_size: i64,
    last_trade_size: i64,
    volume: i64,
    open_interest: i64,
    dollar_volume: i64,
    dollar_open_interest: i64,
}

#[derive(Row, Deserialize)]
struct StoredGap {
    ticker: String,
    era: u16,
    from_clock: u64,
    to_clock: u64,
    cause_: String,
}

#[derive(Row, Deserialize)]
struct StoredLevel {
    ticker: String,
    side_: i8,
    price: i32,
    size: i64,
}

/// The streams of the record.
pub(super) async fn streams(client: &Client) -> anyhow::Result<Vec<Stream>> {
    let sql = "SELECT DISTINCT sid, toString(market_ticker) AS ticker, market_id AS id \
               FROM orderbook_events";
    all(client, sql).await
}

/// Every row of `orderbook_events`, without FINAL: a row that stands there twice must be seen.
pub(super) async fn events(client: &Client) -> anyhow::Result<Vec<EventRow>> {
    let sql = "SELECT sid, seq, toInt8(type) AS kind, toInt8(side) AS side_, price, qty, ts, era, \
               clock, clock_ord, toInt8(origin) AS origin_ FROM orderbook_events";
    let mut cursor = client.query(sql).fetch::<StoredEvent>().context("orderbook_events")?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().await.context("orderbook_events")? {
        rows.push(row.checked()?);
    }
    Ok(rows)
}

impl StoredEvent {
    fn checked(self) -> anyhow::Result<EventRow> {
        Ok(EventRow {
            sid: self.sid,
            seq: self.seq,
            kind: kind(self.kind)?,
            side: side(self.side_)?,
            price: price(self.price)?,
            qty: self.qty,
            ts_ms: self.ts,
            era: self.era,
            clock: self.clock,
            ord: self.clock_ord,
            origin: origin(self.origin_)?,
        })
    }
}

/// Every row of `trades`.
pub(super) async fn trades(client: &Client) -> anyhow::Result<Vec<TradeRow>> {
    let sql = "SELECT trade_id, toString(market_ticker) AS ticker, yes_price, no_price, count, \
               toInt8(taker_side) AS taker, ts FROM trades";
    let checked = |row: StoredTrade| {
        let trade = TradeTruth {
            market: row.ticker,
            yes_price: price(row.yes_price)?,
            count: row.count,
            taker: side(row.taker)?,
            ts_ms: row.ts,
        };
        Ok(TradeRow { id: row.trade_id, no_price: price(row.no_price)?, trade })
    };
    all(client, sql).await?.into_iter().map(checked).collect()
}

/// Every row of `tickers`.
pub(super) async fn tickers(client: &Client) -> anyhow::Result<Vec<TickerRow>> {
    let sql = "SELECT toString(market_ticker) AS ticker, ts, price, yes_bid, yes_ask, \
               yes_bid_size, yes_ask_size, last_trade_size, volume, open_interest, \
               dollar_volume, dollar_open_interest FROM tickers";
    let checked = |row: StoredTicker| {
        Ok(TickerTruth {
            market: row.ticker,
            ts_ms: row.ts,
            prices: [price(row.price)?, price(row.yes_bid)?, price(row.yes_ask)?],
            sizes: [
                row.yes_bid_size,
                row.yes_ask_size,
                row.last_trade_size,
                row.volume,
                row.open_interest,
            ],
            dollars: [row.dollar_volume, row.dollar_open_interest],
        })
    };
    all(client, sql).await?.into_iter().map(checked).collect()
}

const LIFECYCLE: &str =
    "concat(kind, ' ', if(market_ticker = '', event_ticker, market_ticker), ' ', event_type)";

/// Every row of `market_lifecycle`.
pub(super) async fn lifecycle(client: &Client) -> anyhow::Result<Vec<LifecycleRow>> {
    all(client, &format!("SELECT {LIFECYCLE} FROM market_lifecycle")).await
}

/// The same of a gatherer's store, where a frame that came twice stands twice.
pub(super) async fn lifecycle_frames(client: &Client) -> anyhow::Result<Vec<LifecycleRow>> {
    let frames = "GROUP BY session, source_sid, source_seq";
    all(client, &format!("SELECT any({LIFECYCLE}) FROM market_lifecycle {frames}")).await
}

/// The rows of `gaps` that stand.
pub(super) async fn gaps(client: &Client) -> anyhow::Result<Vec<GapRow>> {
    let sql = "SELECT toString(market_ticker) AS ticker, era, from_clock, to_clock, \
               toString(cause) AS cause_ FROM gaps FINAL";
    let rows: Vec<StoredGap> = all(client, sql).await?;
    let told = |row: StoredGap| GapRow {
        market: row.ticker,
        era: row.era,
        from_clock: row.from_clock,
        to_clock: row.to_clock,
        cause: row.cause_,
    };
    Ok(rows.into_iter().map(told).collect())
}

/// `latest_book`, as a person sees it.
pub(super) async fn latest(client: &Client) -> anyhow::Result<Vec<LatestRow>> {
    let sql = "SELECT toString(market_ticker) AS ticker, toInt8(side) AS side_, price, size \
               FROM latest_book";
    let checked = |row: StoredLevel| {
        let level = (side(row.side_)?, price(row.price)?);
        Ok(LatestRow { market: row.ticker, level, size: row.size })
    };
    all(client, sql).await?.into_iter().map(checked).collect()
}

/// Frames per gatherer and minute, as the ledger has them: every fate counted on its own.
pub(super) async fn ledger(client: &Client) -> anyhow::Result<BTreeMap<(String, u32), u64>> {
    let sql = "SELECT toString(gatherer) AS name, toUInt32(minute) AS at, \
               sum(first_arrivals + copies + unverified + snapshots + uncovered + late \
               + divergences + quarantined + repeats + control + undecodable) AS frames \
               FROM lane_minutes FINAL GROUP BY name, at";
    let rows: Vec<(String, u32, u64)> = all(client, sql).await?;
    Ok(rows.into_iter().map(|(name, minute, frames)| ((name, minute), frames)).collect())
}

pub(super) async fn all<T: RowOwned + RowRead>(
    client: &Client,
    sql: &str,
) -> anyhow::Result<Vec<T>> {
    client.query(sql).fetch_all().await.with_context(|| sql.to_owned())
}

pub(super) fn kind(value: i8) -> anyhow::Result<Kind> {
    match value {
        1 => Ok(Kind::Snapshot),
        2 => Ok(Kind::Delta),
        _ => anyhow::bail!("column type has the value {value}"),
    }
}

pub(super) fn side(value: i8) -> anyhow::Result<Side> {
    match value {
        1 => Ok(Side::Yes),
        2 => Ok(Side::No),
        _ => anyhow::bail!("column side has the value {value}"),
    }
}

pub(super) fn origin(value: i8) -> anyhow::Result<Origin> {
    match value {
        1 => Ok(Origin::Live),
        2 => Ok(Origin::GetSnapshot),
        3 => Ok(Origin::Checkpoint),
        4 => Ok(Origin::Rest),
        _ => anyhow::bail!("column origin has the value {value}"),
    }
}

pub(super) fn price(value: i32) -> anyhow::Result<u16> {
    u16::try_from(value).ok().with_context(|| format!("a price of {value}/10,000 dollar"))
}
