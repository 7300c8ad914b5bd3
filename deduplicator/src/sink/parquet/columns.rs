//! The columns of each dataset, named and scaled as in ClickHouse.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use schema::rows::{
    EventType, MarketLifecycle, OrderbookEvent, Origin, Price, Side, Size, TakerSide, Ticker, Trade,
};

/// A row that has a dataset.
pub(super) trait ArchiveRow {
    /// Folder below the archive's root.
    const DATASET: &'static str;
    /// Columns that rise within a row group, more or less.
    const RISING: &'static [&'static str];
    /// Rows of a row group: as few as compression stays good with, since they wait in memory.
    const GROUP_ROWS: usize;
    fn ts_ms(&self) -> i64;
    fn ingest_us(&self) -> i64;
    fn order(&self, other: &Self) -> Ordering;
    fn fields() -> Vec<Field>;
    fn columns(rows: &[Self]) -> anyhow::Result<Vec<ArrayRef>>
    where
        Self: Sized;
}

const PRICE: DataType = DataType::Decimal128(5, 4);
const SIZE: DataType = DataType::Decimal128(18, 2);

fn field(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn text<'a, R>(rows: &'a [R], of: impl Fn(&'a R) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
}

fn uuids<R>(rows: &[R], of: impl Fn(&R) -> uuid::Uuid) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| of(row).to_string())))
}

fn prices<R>(rows: &[R], of: impl Fn(&R) -> Price) -> anyhow::Result<ArrayRef> {
    let values = Decimal128Array::from_iter_values(rows.iter().map(|row| of(row).0.into()));
    Ok(Arc::new(values.with_precision_and_scale(5, 4)?))
}

fn sizes<R>(rows: &[R], of: impl Fn(&R) -> Size) -> anyhow::Result<ArrayRef> {
    let values = Decimal128Array::from_iter_values(rows.iter().map(|row| of(row).0.into()));
    Ok(Arc::new(values.with_precision_and_scale(18, 2)?))
}

fn u64s<R>(rows: &[R], of: impl Fn(&R) -> u64) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(rows.iter().map(of)))
}

fn u32s<R>(rows: &[R], of: impl Fn(&R) -> u32) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(rows.iter().map(of)))
}

fn i64s<R>(rows: &[R], of: impl Fn(&R) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
}

fn ts<R: ArchiveRow>(rows: &[R]) -> ArrayRef {
    let values = TimestampMillisecondArray::from_iter_values(rows.iter().map(R::ts_ms));
    Arc::new(values.with_timezone("UTC"))
}

fn ingest_ts<R: ArchiveRow>(rows: &[R]) -> ArrayRef {
    let values = TimestampMicrosecondArray::from_iter_values(rows.iter().map(R::ingest_us));
    Arc::new(values.with_timezone("UTC"))
}

fn event_type(kind: EventType) -> &'static str {
    match kind {
        EventType::Snapshot => "snapshot",
        EventType::Delta => "delta",
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Yes => "yes",
        Side::No => "no",
    }
}

fn taker(side: TakerSide) -> &'static str {
    match side {
        TakerSide::Unknown => "unknown",
        TakerSide::Yes => "yes",
        TakerSide::No => "no",
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Live => "live",
        Origin::GetSnapshot => "get_snapshot",
        Origin::Checkpoint => "checkpoint",
        Origin::Rest => "rest",
    }
}

impl ArchiveRow for OrderbookEvent {
    const DATASET: &'static str = "orderbook";
    const RISING: &'static [&'static str] = &["seq", "ts", "ingest_ts", "clock", "source_seq"];
    const GROUP_ROWS: usize = 65_536;

    fn ts_ms(&self) -> i64 {
        self.ts.0
    }

    fn ingest_us(&self) -> i64 {
        self.ingest_ts.0
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |row: &Self| (row.seq, row.side, row.price);
        self.market_ticker.cmp(&other.market_ticker).then_with(|| key(self).cmp(&key(other)))
    }

    fn fields() -> Vec<Field> {
        vec![
            field("type", DataType::Utf8),
            field("sid", DataType::UInt32),
            field("seq", DataType::UInt64),
            field("market_id", DataType::Utf8),
            field("market_ticker", DataType::Utf8),
            field("side", DataType::Utf8),
            field("price", PRICE),
            field("qty", SIZE),
            field("ts", millis()),
            field("ingest_ts", micros()),
            field("era", DataType::UInt16),
            field("clock", DataType::UInt64),
            field("clock_ord", DataType::UInt16),
            field("gatherer", DataType::Utf8),
            field("session", DataType::UInt64),
            field("source_sid", DataType::UInt32),
            field("source_seq", DataType::UInt64),
            field("origin", DataType::Utf8),
            field("flags", DataType::UInt8),
        ]
    }

    fn columns(rows: &[Self]) -> anyhow::Result<Vec<ArrayRef>> {
        let u16s = |of: fn(&Self) -> u16| -> ArrayRef {
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(of)))
        };
        Ok(vec![
            text(rows, |row| event_type(row.event_type)),
            u32s(rows, |row| row.sid),
            u64s(rows, |row| row.seq),
            uuids(rows, |row| row.market_id),
            text(rows, |row| &row.market_ticker),
            text(rows, |row| side(row.side)),
            prices(rows, |row| row.price)?,
            sizes(rows, |row| row.qty)?,
            ts(rows),
            ingest_ts(rows),
            u16s(|row| row.era),
            u64s(rows, |row| row.clock),
            u16s(|row| row.clock_ord),
            text(rows, |row| &row.gatherer),
            u64s(rows, |row| row.session),
            u32s(rows, |row| row.source_sid),
            u64s(rows, |row| row.source_seq),
            text(rows, |row| origin(row.origin)),
            Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.flags))),
        ])
    }
}

impl ArchiveRow for Trade {
    const DATASET: &'static str = "trades";
    const RISING: &'static [&'static str] = &["ts", "ingest_ts", "source_seq"];
    const GROUP_ROWS: usize = 16_384;

    fn ts_ms(&self) -> i64 {
        self.ts.0
    }

    fn ingest_us(&self) -> i64 {
        self.ingest_ts.0
    }

    fn order(&self, other: &Self) -> Ordering {
        let key = |row: &Self| (row.ts, row.trade_id);
        self.market_ticker.cmp(&other.market_ticker).then_with(|| key(self).cmp(&key(other)))
    }

    fn fields() -> Vec<Field> {
        vec![
            field("trade_id", DataType::Utf8),
            field("market_ticker", DataType::Utf8),
            field("yes_price", PRICE),
            field("no_price", PRICE),
            field("count", SIZE),
            field("taker_side", DataType::Utf8),
            field("is_block_trade", DataType::Boolean),
            field("ts", millis()),
            field("ingest_ts", micros()),
            field("gatherer", DataType::Utf8),
            field("session", DataType::UInt64),
            field("source_sid", DataType::UInt32),
            field("source_seq", DataType::UInt64),
            field("recovered", DataType::Boolean),
        ]
    }

    fn columns(rows: &[Self]) -> anyhow::Result<Vec<ArrayRef>> {
        let flags = |of: fn(&Self) -> bool| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
        };
        Ok(vec![
            uuids(rows, |row| row.trade_id),
            text(rows, |row| &row.market_ticker),
            prices(rows, |row| row.yes_price)?,
            prices(rows, |row| row.no_price)?,
            sizes(rows, |row| row.count)?,
            text(rows, |row| taker(row.taker_side)),
            flags(|row| row.is_block_trade),
            ts(rows),
            ingest_ts(rows),
            text(rows, |row| &row.gatherer),
            u64s(rows, |row| row.session),
            u32s(rows, |row| row.source_sid),
            u64s(rows, |row| row.source_seq),
            flags(|row| row.recovered),
        ])
    }
}

impl ArchiveRow for Ticker {
    const DATASET: &'static str = "tickers";
    const RISING: &'static [&'static str] = &["ts", "ingest_ts"];
    const GROUP_ROWS: usize = 16_384;

    fn ts_ms(&self) -> i64 {
        self.ts.0
    }

    fn ingest_us(&self) -> i64 {
        self.ingest_ts.0
    }

    fn order(&self, other: &Self) -> Ordering {
        self.market_ticker.cmp(&other.market_ticker).then_with(|| self.ts.cmp(&other.ts))
    }

    fn fields() -> Vec<Field> {
        vec![
            field("market_id", DataType::Utf8),
            field("market_ticker", DataType::Utf8),
            field("price", PRICE),
            field("yes_bid", PRICE),
            field("yes_ask", PRICE),
            field("volume", SIZE),
            field("open_interest", SIZE),
            field("dollar_volume", DataType::Int64),
            field("dollar_open_interest", DataType::Int64),
            field("yes_bid_size", SIZE),
            field("yes_ask_size", SIZE),
            field("last_trade_size", SIZE),
            field("ts", millis()),
            field("ingest_ts", micros()),
            field("gatherer", DataType::Utf8),
            field("session", DataType::UInt64),
            field("source_sid", DataType::UInt32),
        ]
    }

    fn columns(rows: &[Self]) -> anyhow::Result<Vec<ArrayRef>> {
        Ok(vec![
            uuids(rows, |row| row.market_id),
            text(rows, |row| &row.market_ticker),
            prices(rows, |row| row.price)?,
            prices(rows, |row| row.yes_bid)?,
            prices(rows, |row| row.yes_ask)?,
            sizes(rows, |row| row.volume)?,
            sizes(rows, |row| row.open_interest)?,
            i64s(rows, |row| row.dollar_volume),
            i64s(rows, |row| row.dollar_open_interest),
            sizes(rows, |row| row.yes_bid_size)?,
            sizes(rows, |row| row.yes_ask_size)?,
            sizes(rows, |row| row.last_trade_size)?,
            ts(rows),
            ingest_ts(rows),
            text(rows, |row| &row.gatherer),
            u64s(rows, |row| row.session),
            u32s(rows, |row| row.source_sid),
        ])
    }
}

impl ArchiveRow for MarketLifecycle {
    const DATASET: &'static str = "lifecycle";
    const RISING: &'static [&'static str] = &["ts", "ingest_ts", "source_seq"];
    const GROUP_ROWS: usize = 16_384;

    fn ts_ms(&self) -> i64 {
        self.ts.0
    }

    fn ingest_us(&self) -> i64 {
        self.ingest_ts.0
    }

    fn order(&self, other: &Self) -> Ordering {
        self.market_ticker.cmp(&other.market_ticker).then_with(|| self.ts.cmp(&other.ts))
    }

    fn fields() -> Vec<Field> {
        vec![
            field("kind", DataType::Utf8),
            field("market_ticker", DataType::Utf8),
            field("event_ticker", DataType::Utf8),
            field("event_type", DataType::Utf8),
            field("ts", millis()),
            field("body", DataType::Utf8),
            field("ingest_ts", micros()),
            field("gatherer", DataType::Utf8),
            field("session", DataType::UInt64),
            field("source_sid", DataType::UInt32),
            field("source_seq", DataType::UInt64),
        ]
    }

    fn columns(rows: &[Self]) -> anyhow::Result<Vec<ArrayRef>> {
        Ok(vec![
            text(rows, |row| &row.kind),
            text(rows, |row| &row.market_ticker),
            text(rows, |row| &row.event_ticker),
            text(rows, |row| &row.event_type),
            ts(rows),
            text(rows, |row| &row.body),
            ingest_ts(rows),
            text(rows, |row| &row.gatherer),
            u64s(rows, |row| row.session),
            u32s(rows, |row| row.source_sid),
            u64s(rows, |row| row.source_seq),
        ])
    }
}
