//! Reads the Parquet archive for the oracle.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Int64Type, TimeUnit,
};
use exchange::Side;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uuid::Uuid;

use super::stores;
use crate::oracle::{
    EventRow, Kind, LifecycleRow, Origin, TickerRow, TickerTruth, TradeRow, TradeTruth,
};

/// Every row of `orderbook/`.
pub(super) fn events(root: &Path) -> anyhow::Result<Vec<EventRow>> {
    let mut rows = Vec::new();
    read(root, "orderbook", |batch| {
        let [sid, seq, price, qty] = numbers(batch, ["sid", "seq", "price", "qty"])?;
        let [era, clock, ord] = numbers(batch, ["era", "clock", "clock_ord"])?;
        let ts = millis(batch, "ts")?;
        let [kind, side, origin] = words(batch, ["type", "side", "origin"])?;
        for i in 0..batch.num_rows() {
            rows.push(EventRow {
                sid: u32::try_from(sid[i])?,
                seq: u64::try_from(seq[i])?,
                kind: kind_of(kind.value(i))?,
                side: side_of(side.value(i))?,
                price: u16::try_from(price[i])?,
                qty: qty[i],
                ts_ms: ts[i],
                era: u16::try_from(era[i])?,
                clock: u64::try_from(clock[i])?,
                ord: u16::try_from(ord[i])?,
                origin: origin_of(origin.value(i))?,
            });
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Every row of `trades/`.
pub(super) fn trades(root: &Path) -> anyhow::Result<Vec<TradeRow>> {
    let mut rows = Vec::new();
    read(root, "trades", |batch| {
        let [yes, no, count] = numbers(batch, ["yes_price", "no_price", "count"])?;
        let ts = millis(batch, "ts")?;
        let [ticker, taker] = words(batch, ["market_ticker", "taker_side"])?;
        let ids = uuids(batch, "trade_id")?;
        for (i, id) in ids.into_iter().enumerate() {
            let trade = TradeTruth {
                market: ticker.value(i).to_owned(),
                yes_price: u16::try_from(yes[i])?,
                count: count[i],
                taker: side_of(taker.value(i))?,
                ts_ms: ts[i],
            };
            rows.push(TradeRow { id, no_price: u16::try_from(no[i])?, trade });
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Every row of `tickers/`.
pub(super) fn tickers(root: &Path) -> anyhow::Result<Vec<TickerRow>> {
    let mut rows = Vec::new();
    read(root, "tickers", |batch| {
        let prices = numbers(batch, ["price", "yes_bid", "yes_ask"])?;
        let sizes = ["yes_bid_size", "yes_ask_size", "last_trade_size", "volume", "open_interest"];
        let sizes = numbers(batch, sizes)?;
        let dollars = numbers(batch, ["dollar_volume", "dollar_open_interest"])?;
        let ts = millis(batch, "ts")?;
        let [ticker] = words(batch, ["market_ticker"])?;
        for i in 0..batch.num_rows() {
            let [price, bid, ask] =
                [&prices[0], &prices[1], &prices[2]].map(|c| u16::try_from(c[i]));
            rows.push(TickerTruth {
                market: ticker.value(i).to_owned(),
                ts_ms: ts[i],
                prices: [price?, bid?, ask?],
                sizes: sizes.each_ref().map(|column| column[i]),
                dollars: dollars.each_ref().map(|column| column[i]),
            });
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Every row of `lifecycle/`, as the store's rows are compared.
pub(super) fn lifecycle(root: &Path) -> anyhow::Result<Vec<LifecycleRow>> {
    let mut rows = Vec::new();
    read(root, "lifecycle", |batch| {
        let [kind, market, event, what] =
            words(batch, ["kind", "market_ticker", "event_ticker", "event_type"])?;
        rows.extend((0..batch.num_rows()).map(|i| {
            let subject = Some(market.value(i)).filter(|ticker| !ticker.is_empty());
            let subject = subject.unwrap_or_else(|| event.value(i));
            format!("{} {subject} {}", kind.value(i), what.value(i))
        }));
        Ok(())
    })?;
    Ok(rows)
}

fn read(
    root: &Path,
    table: &str,
    mut each: impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for path in files(&root.join(table))? {
        let named = || format!("cannot read {}", path.display());
        let file = File::open(&path).with_context(named)?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).with_context(named)?;
        for batch in reader.with_batch_size(65_536).build().with_context(named)? {
            each(&batch.with_context(named)?).with_context(named)?;
        }
    }
    Ok(())
}

/// Every `*.parquet` below a folder, in order of name; what is still being written has another name.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> anyhow::Result<&'a ArrayRef> {
    batch.column_by_name(name).with_context(|| format!("there is no column {name}"))
}

fn numbers<const N: usize>(batch: &RecordBatch, names: [&str; N]) -> anyhow::Result<[Vec<i64>; N]> {
    let mut all: [Vec<i64>; N] = std::array::from_fn(|_| Vec::new());
    for (out, name) in all.iter_mut().zip(names) {
        *out = units(column(batch, name)?).with_context(|| format!("column {name}"))?;
    }
    Ok(all)
}

/// Whole numbers, or a decimal's units.
fn units(array: &ArrayRef) -> anyhow::Result<Vec<i64>> {
    Ok(match array.data_type() {
        DataType::Decimal32(..) => {
            array.as_primitive::<Decimal32Type>().values().iter().map(|v| i64::from(*v)).collect()
        }
        DataType::Decimal64(..) => array.as_primitive::<Decimal64Type>().values().to_vec(),
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values().iter();
            values.map(|v| i64::try_from(*v)).collect::<Result<_, _>>()?
        }
        _ => cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec(),
    })
}

fn millis(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<i64>> {
    let utc = column(batch, name)?;
    let zone = match utc.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        other => bail!("column {name} is {other}, not a time"),
    };
    let array = cast(utc, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
    let array = array.as_any().downcast_ref::<TimestampMillisecondArray>();
    Ok(array.context("it was cast to this")?.values().to_vec())
}

fn words<const N: usize>(
    batch: &RecordBatch,
    names: [&str; N],
) -> anyhow::Result<[StringArray; N]> {
    let mut all: [StringArray; N] = std::array::from_fn(|_| StringArray::new_null(0));
    for (out, name) in all.iter_mut().zip(names) {
        let text = cast(column(batch, name)?, &DataType::Utf8)?;
        *out = text.as_string::<i32>().clone();
    }
    Ok(all)
}

fn uuids(batch: &RecordBatch, name: &str) -> anyhow::Result<Vec<Uuid>> {
    let array = column(batch, name)?;
    if let DataType::FixedSizeBinary(16) = array.data_type() {
        let bytes = array.as_fixed_size_binary();
        return (0..bytes.len()).map(|i| Ok(Uuid::from_slice(bytes.value(i))?)).collect();
    }
    let [text] = words(batch, [name])?;
    (0..text.len()).map(|i| Ok(text.value(i).parse()?)).collect()
}

/// An enumeration is written as its word, or as its number.
fn kind_of(word: &str) -> anyhow::Result<Kind> {
    match word {
        "snapshot" => Ok(Kind::Snapshot),
        "delta" => Ok(Kind::Delta),
        number => stores::kind(number.parse().context(format!("type {number:?}"))?),
    }
}

fn side_of(word: &str) -> anyhow::Result<Side> {
    match word {
        "yes" => Ok(Side::Yes),
        "no" => Ok(Side::No),
        number => stores::side(number.parse().context(format!("side {number:?}"))?),
    }
}

fn origin_of(word: &str) -> anyhow::Result<Origin> {
    match word {
        "live" => Ok(Origin::Live),
        "get_snapshot" => Ok(Origin::GetSnapshot),
        "checkpoint" => Ok(Origin::Checkpoint),
        "rest" => Ok(Origin::Rest),
        number => stores::origin(number.parse().context(format!("origin {number:?}"))?),
    }
}
