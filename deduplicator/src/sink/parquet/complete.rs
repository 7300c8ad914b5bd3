//! After the loss of the deduplicator's disk: what ClickHouse holds and no file does is written to files.
//!
//! The chunk in hand was lost with its journal, and what ClickHouse holds is not merged again. Only the newest
//! days are looked at: a chunk ends where a later day begins, so it holds nothing of older ones but stragglers.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{Schema, UInt64Type};
use arrow::row::{RowConverter, SortField};
use clickhouse::{RowOwned, RowRead};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schema::rows::{MarketLifecycle, OrderbookEvent, Ticker, Trade};
use sha2::{Digest as _, Sha256};
use store::Store;

use super::Setting;
use super::columns::ArchiveRow;
use super::manifest::Manifest;
use super::part::{Finished, Part};
use super::place::{Begun, Place};

/// Rows looked at in one go.
const BATCH_ROWS: usize = 8_192;

/// A dataset's table, and what tells its rows apart.
trait Stored: ArchiveRow + RowOwned + RowRead {
    const TABLE: &'static str;
    /// The table's own order, so that the server need not sort a day.
    const ORDER: &'static str;
    /// What of the table belongs into the archive.
    const ARCHIVED: &'static str = "1";
    const KEY: &'static [&'static str];
    /// Rows of one key are archived in this column's order: the highest tells for all.
    const RANK: Option<&'static str> = None;
}

impl Stored for OrderbookEvent {
    const TABLE: &'static str = "orderbook_events";
    const ORDER: &'static str = "market_ticker, seq, side, price";
    const KEY: &'static [&'static str] = &["market_ticker"];
    const RANK: Option<&'static str> = Some("seq");
}

impl Stored for Trade {
    const TABLE: &'static str = "trades";
    const ORDER: &'static str = "market_ticker, ts, trade_id";
    /// Fetched again over REST: in ClickHouse only.
    const ARCHIVED: &'static str = "NOT recovered";
    const KEY: &'static [&'static str] = &["trade_id"];
}

impl Stored for Ticker {
    const TABLE: &'static str = "tickers";
    const ORDER: &'static str = "market_ticker, ts";
    const KEY: &'static [&'static str] = &[
        "market_ticker",
        "ts",
        "price",
        "yes_bid",
        "yes_ask",
        "volume",
        "open_interest",
        "dollar_volume",
        "dollar_open_interest",
        "yes_bid_size",
        "yes_ask_size",
        "last_trade_size",
    ];
}

impl Stored for MarketLifecycle {
    const TABLE: &'static str = "market_lifecycle";
    const ORDER: &'static str = "market_ticker, event_ticker, ts";
    const KEY: &'static [&'static str] = &["kind", "body"];
}

/// Writes what is missing; how many rows that were. Files that are in place before a crash are found by the
/// next start.
pub(crate) async fn complete(setting: &Setting, store: &Store) -> anyhow::Result<u64> {
    let place = Place::open(&setting.archive.place, &setting.staging)?;
    let manifest = Manifest::open(setting.catalog.clone(), setting.journal, &setting.beside)?;
    let job = Job { setting, store, place, manifest };
    Ok(job.dataset::<OrderbookEvent>().await?
        + job.dataset::<Trade>().await?
        + job.dataset::<Ticker>().await?
        + job.dataset::<MarketLifecycle>().await?)
}

struct Job<'a> {
    setting: &'a Setting,
    store: &'a Store,
    place: Place,
    manifest: Manifest,
}

impl Job<'_> {
    async fn dataset<R: Stored>(&self) -> anyhow::Result<u64> {
        let days = format!(
            "SELECT DISTINCT intDiv(toUnixTimestamp64Milli(ts), 86400000) AS day FROM {table} \
             WHERE toDate(ts) >= (SELECT toDate(max(ts)) FROM {table} \
             WHERE ts <= now() + INTERVAL 1 DAY) - 1 ORDER BY day",
            table = R::TABLE
        );
        let days: Vec<i64> = self.store.client().query(&days).fetch_all().await?;
        let mut written = 0;
        for day in days {
            let rows = self.day::<R>(day).await;
            written +=
                rows.with_context(|| format!("the archive of {} cannot be completed", R::DATASET))?;
        }
        Ok(written)
    }

    async fn day<R: Stored>(&self, day: i64) -> anyhow::Result<u64> {
        let schema = Arc::new(Schema::new(R::fields()));
        let keys = Keys::of::<R>(&schema)?;
        let mut held = HashMap::new();
        let taken = self.place.files(R::DATASET, day).await?;
        for path in &taken {
            self.hold::<R>(path, &keys, &mut held).await.with_context(|| path.clone())?;
        }
        let query = format!(
            "SELECT ?fields FROM {} FINAL WHERE toDate(ts) = toDate(?) AND {} ORDER BY {}",
            R::TABLE,
            R::ARCHIVED,
            R::ORDER
        );
        let mut rows = self.store.client().query(&query).bind(day).fetch::<R>()?;
        let mut waiting = Vec::with_capacity(BATCH_ROWS);
        let mut writing = Writing { job: self, day, taken, part: None, files: Vec::new() };
        loop {
            let row = rows.next().await?;
            let last = row.is_none();
            waiting.extend(row);
            if waiting.len() >= BATCH_ROWS || last {
                let batch = RecordBatch::try_new(Arc::clone(&schema), R::columns(&waiting)?)?;
                let told = keys.told::<R>(&batch)?;
                for (row, (key, rank)) in waiting.drain(..).zip(told) {
                    if held.get(&key).is_none_or(|held| *held < rank) {
                        writing.push(row).await?;
                    }
                }
            }
            if last {
                return writing.end().await;
            }
        }
    }

    /// Takes in what a file holds.
    async fn hold<R: Stored>(
        &self,
        path: &str,
        keys: &Keys,
        held: &mut HashMap<u128, u64>,
    ) -> anyhow::Result<()> {
        let bytes = self.place.read(path).await?;
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
            for (key, rank) in keys.told::<R>(&batch?)? {
                let most = held.entry(key).or_insert(rank);
                *most = rank.max(*most);
            }
        }
        Ok(())
    }
}

/// Keys of rows, whichever way they came.
struct Keys(RowConverter);

impl Keys {
    fn of<R: Stored>(schema: &Schema) -> anyhow::Result<Self> {
        let sorts = R::KEY.iter().map(|name| {
            let field = schema.field_with_name(name)?;
            Ok(SortField::new(field.data_type().clone()))
        });
        Ok(Self(RowConverter::new(sorts.collect::<anyhow::Result<_>>()?)?))
    }

    fn told<R: Stored>(&self, batch: &RecordBatch) -> anyhow::Result<Vec<(u128, u64)>> {
        let column = |name: &str| -> anyhow::Result<ArrayRef> {
            batch.column_by_name(name).cloned().with_context(|| format!("it has no column {name}"))
        };
        let columns: Vec<ArrayRef> =
            R::KEY.iter().map(|name| column(name)).collect::<anyhow::Result<_>>()?;
        let rank = R::RANK.map(column).transpose()?;
        let rank = rank.as_ref().map(|rank| rank.as_primitive::<UInt64Type>().values());
        let rows = self.0.convert_columns(&columns)?;
        let one = |(at, row): (usize, arrow::row::Row<'_>)| {
            (digest(row.as_ref()), rank.map_or(0, |rank| rank[at]))
        };
        Ok(rows.iter().enumerate().map(one).collect())
    }
}

fn digest(bytes: &[u8]) -> u128 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}

/// The files of a day in the making.
struct Writing<'a, R> {
    job: &'a Job<'a>,
    day: i64,
    /// Names in place: the manifest that listed them may be lost.
    taken: Vec<String>,
    part: Option<Part<R>>,
    files: Vec<Finished>,
}

impl<R: Stored> Writing<'_, R> {
    async fn push(&mut self, row: R) -> anyhow::Result<()> {
        if self.part.as_ref().is_some_and(|part| part.bytes() >= self.job.setting.archive.max_bytes)
        {
            self.end_part()?;
        }
        let part = match &mut self.part {
            Some(part) => part,
            None => {
                let begun = self.begun(row.ingest_us()).await?;
                self.part.insert(Part::begin(begun)?)
            }
        };
        part.push(row)
    }

    async fn begun(&mut self, mut first_us: i64) -> anyhow::Result<Begun> {
        let Job { place, manifest, .. } = self.job;
        loop {
            let begun = place.begin(R::DATASET, self.day, first_us, manifest).await?;
            if !self.taken.contains(&begun.path) {
                self.taken.push(begun.path.clone());
                return Ok(begun);
            }
            first_us += 1;
        }
    }

    fn end_part(&mut self) -> anyhow::Result<()> {
        self.files.extend(self.part.take().map(Part::finish).transpose()?);
        Ok(())
    }

    /// Puts the files in place and lists them.
    async fn end(mut self) -> anyhow::Result<u64> {
        self.end_part()?;
        if self.files.is_empty() {
            return Ok(0);
        }
        for file in &self.files {
            self.job.place.publish(file).await?;
        }
        let at = self.job.setting.log.oldest();
        self.job.manifest.list(&self.files, at, at).await?;
        for file in &self.files {
            crate::telemetry::parquet_file_listed(file.dataset, &file.path, file.rows, file.bytes);
        }
        Ok(self.files.iter().map(|file| file.rows).sum())
    }
}
