//! What ClickHouse holds besides the books, when the program goes on from it: every frame of the spools comes
//! again, and must lead to nothing twice.
//!
//! Trades, tickers and lifecycle messages are remembered. The accounts: the minutes that a gatherer had left
//! behind are closed for good, and its frames of them are not counted again; its last minutes may be stored in
//! part only, so they are taken out of `lane_minutes` and counted anew.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use clickhouse::{RowOwned, RowRead};
use exchange::{Price, Side, Size};
use merge::{
    GathererIndex, LaneMinute, LifecycleRecord, Merge, Provenance, Record, TickerRecord,
    TradeRecord,
};
use schema::rows::{self, MarketLifecycle, TakerSide, Ticker, Trade, UnixMicros};
use spool::CursorFile;
use store::Store;

/// Older trades are late whatever is remembered: an hour more than the merge's day. Of the others: longer than
/// any spool keeps them.
const TRADES: &str = "SELECT * FROM trades \
    WHERE ts >= (SELECT max(ts) FROM trades) - INTERVAL 25 HOUR \
    ORDER BY ingest_ts DESC LIMIT ?";
const TICKERS: &str = "SELECT * FROM tickers \
    WHERE ts >= (SELECT max(ts) FROM tickers) - INTERVAL 8 DAY \
    ORDER BY ingest_ts DESC LIMIT ?";
const LIFECYCLE: &str = "SELECT * FROM market_lifecycle \
    WHERE ts >= (SELECT max(ts) FROM market_lifecycle) - INTERVAL 8 DAY \
    ORDER BY ingest_ts DESC LIMIT ?";

/// Rows of holes have no gatherer, and another number where the checkpoint's stands.
const CHECKPOINT: &str = "SELECT max(checkpoint) FROM lane_minutes WHERE gatherer != ''";
const COUNTED: &str = "SELECT toString(gatherer), intDiv(toInt64(toUnixTimestamp(max(minute))), 60) \
    FROM lane_minutes WHERE gatherer != '' GROUP BY gatherer";
const UNCOUNT: &str =
    "DELETE FROM lane_minutes WHERE gatherer = ? AND minute >= toDateTime(?, 'UTC')";
/// Minutes that may be stored in part: a frame is counted when its fate is known, and that takes
/// longer than its minute at times.
const OPEN_MINUTES: i64 = 2;

/// ```text
/// sinks/counted: a spool cursor file that holds version u8 = 1 | JSON: Unix minute by gatherer
/// ```
const VERSION: u8 = 1;
const FILE: &str = "counted";

/// By gatherer: the first minute (Unix minutes) whose frames are counted here; those of earlier ones were
/// counted by a deduplicator that lost its disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counted(BTreeMap<String, i64>);

impl Counted {
    /// What a former start left; empty if none took over.
    pub(crate) fn load(beside: &Path) -> anyhow::Result<Self> {
        let Some(bytes) = CursorFile::open(beside.join(FILE))?.load()? else {
            return Ok(Self::default());
        };
        let (_, json) = bytes
            .split_first()
            .filter(|(version, _)| **version == VERSION)
            .with_context(|| format!("{FILE} was written by another version"))?;
        Ok(Self(serde_json::from_slice(json).with_context(|| format!("{FILE} is no JSON"))?))
    }

    fn store(&self, beside: &Path) -> anyhow::Result<()> {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, &self.0)?;
        Ok(CursorFile::open(beside.join(FILE))?.store(&bytes)?)
    }

    /// The rows that nobody has counted yet; `name` tells a gatherer's.
    pub(crate) fn without<'n>(
        &self,
        mut rows: Vec<LaneMinute>,
        name: impl Fn(GathererIndex) -> &'n str,
    ) -> Vec<LaneMinute> {
        if !self.0.is_empty() {
            rows.retain(|row| {
                self.0.get(name(row.gatherer)).is_none_or(|from| row.minute >= *from)
            });
        }
        rows
    }
}

/// The number of the last checkpoint whose accounts are stored.
pub(super) async fn checkpoint(store: &Store) -> anyhow::Result<u64> {
    store.client().query(CHECKPOINT).fetch_one().await.context("cannot read lane_minutes")
}

/// Settles which minutes of these gatherers are counted, and takes their last ones back. May be done
/// again: a start that was cut short takes a few minutes more.
pub(super) async fn count_from(
    store: &Store,
    gatherers: &[String],
    beside: &Path,
) -> anyhow::Result<Counted> {
    let newest: Vec<(String, i64)> =
        store.client().query(COUNTED).fetch_all().await.context("cannot read lane_minutes")?;
    let mut counted = Counted::default();
    for (gatherer, minute) in newest {
        // One that is not asked any more will not tell its frames again.
        if !gatherers.contains(&gatherer) {
            continue;
        }
        let from = minute - OPEN_MINUTES;
        store
            .client()
            .query(UNCOUNT)
            .bind(&gatherer)
            .bind(from * 60)
            .execute()
            .await
            .context("cannot take back the last minutes of lane_minutes")?;
        counted.0.insert(gatherer, from);
    }
    counted.store(beside)?;
    Ok(counted)
}

/// Makes the merge remember what is stored, as much as its memory holds.
pub(super) async fn remember(
    merge: &mut Merge,
    store: &Store,
    config: &merge::Config,
) -> anyhow::Result<()> {
    // One more than is kept: then the merge knows that it has forgotten some, and up to when.
    let (trades, messages) = (config.trades_kept as u64 + 1, config.messages_kept as u64 + 1);
    apply(merge, (store, TRADES, trades), trade).await?;
    apply(merge, (store, TICKERS, messages), ticker).await?;
    apply(merge, (store, LIFECYCLE, messages), lifecycle).await
}

/// The newest rows of a table, in the order in which they came.
async fn apply<R: RowOwned + RowRead>(
    merge: &mut Merge,
    (store, newest, most): (&Store, &str, u64),
    record: impl Fn(R) -> anyhow::Result<Record>,
) -> anyhow::Result<()> {
    const READ: &str = "cannot read what ClickHouse holds";
    let query = format!("SELECT ?fields FROM ({newest}) ORDER BY ingest_ts");
    let mut rows = store.client().query(&query).bind(most).fetch::<R>().context(READ)?;
    while let Some(row) = rows.next().await.context(READ)? {
        merge.remember(&record(row)?);
    }
    Ok(())
}

fn trade(row: Trade) -> anyhow::Result<Record> {
    Ok(Record::Trade(Box::new(TradeRecord {
        trade_id: row.trade_id,
        market_ticker: row.market_ticker.to_string(),
        yes_price: price(row.yes_price)?,
        no_price: price(row.no_price)?,
        count: size(row.count),
        taker: if row.taker_side == TakerSide::No { Side::No } else { Side::Yes },
        is_block_trade: Some(row.is_block_trade),
        ts_ms: row.ts.0,
        from: from(row.ingest_ts, row.session, (row.source_sid, row.source_seq)),
    })))
}

fn ticker(row: Ticker) -> anyhow::Result<Record> {
    Ok(Record::Ticker(Box::new(TickerRecord {
        market_ticker: row.market_ticker.to_string(),
        market_id: row.market_id,
        price: price(row.price)?,
        yes_bid: price(row.yes_bid)?,
        yes_ask: price(row.yes_ask)?,
        yes_bid_size: size(row.yes_bid_size),
        yes_ask_size: size(row.yes_ask_size),
        last_trade_size: size(row.last_trade_size),
        volume: size(row.volume),
        open_interest: size(row.open_interest),
        dollar_volume: row.dollar_volume,
        dollar_open_interest: row.dollar_open_interest,
        ts_ms: row.ts.0,
        from: from(row.ingest_ts, row.session, (row.source_sid, 0)),
    })))
}

fn lifecycle(row: MarketLifecycle) -> anyhow::Result<Record> {
    let text = |text: &rows::Text| (!text.is_empty()).then(|| text.to_string());
    Ok(Record::Lifecycle(Box::new(LifecycleRecord {
        kind: row.kind.to_string(),
        market_ticker: text(&row.market_ticker),
        event_ticker: text(&row.event_ticker),
        event_type: text(&row.event_type),
        open_ts: None,
        close_ts: None,
        msg: row.body,
        from: from(row.ingest_ts, row.session, (row.source_sid, row.source_seq)),
    })))
}

fn price(stored: rows::Price) -> anyhow::Result<Price> {
    let units = u16::try_from(stored.0).ok().and_then(Price::from_units);
    units.with_context(|| format!("{} is no price", stored.0))
}

fn size(stored: rows::Size) -> Size {
    Size::from_units(stored.0)
}

/// Whoever it was then: only the receipt matters to what comes.
fn from(ingest_ts: UnixMicros, session: u64, (sid, seq): (u32, u64)) -> Provenance {
    let wall_ns = ingest_ts.0.saturating_mul(1_000);
    Provenance { gatherer: GathererIndex(0), session, sid, seq, wall_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_bytes_never_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let counted = Counted(BTreeMap::from([("east".to_owned(), 29_000_001)]));
        counted.store(dir.path()).expect("writes");
        let file = CursorFile::open(dir.path().join(FILE)).expect("opens");
        let bytes = file.load().expect("reads").expect("is there");
        assert_eq!(bytes, b"\x01{\"east\":29000001}");
        assert_eq!(Counted::load(dir.path()).expect("reads"), counted);
        file.store(b"\x02{}").expect("writes");
        assert!(Counted::load(dir.path()).is_err(), "another version");
    }

    #[test]
    fn minutes_that_were_counted_before_are_not_counted_again() {
        let counted = Counted(BTreeMap::from([("east".to_owned(), 10)]));
        let row = |gatherer, minute| LaneMinute {
            gatherer: GathererIndex(gatherer),
            minute,
            ..LaneMinute::default()
        };
        let name = |gatherer: GathererIndex| ["east", "west"][usize::from(gatherer.0)];
        let rows = vec![row(0, 9), row(0, 10), row(1, 9)];
        assert_eq!(counted.without(rows.clone(), name), [row(0, 10), row(1, 9)]);
        assert_eq!(Counted::default().without(rows.clone(), name), rows);
    }
}
