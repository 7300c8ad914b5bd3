//! Fills tables, asks questions, and says what it took.

use std::time::{Duration, Instant};

use clickhouse::{Client, Compression, Row, error::Error};
use clickhouse_dev::ClickHouse;
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use schema::{Role, migrations, rows::OrderbookEvent};
use serde::Deserialize;

use crate::{
    events::{DAY_START_MS, ticker},
    tables::Variant,
};

const REPEATS: usize = 9;
const HOUR_MS: i64 = 3_600_000;

/// A database with the canonical tables.
pub(crate) struct Database {
    client: Client,
}

impl Database {
    pub(crate) async fn new(engine: &ClickHouse) -> Result<Self, Error> {
        // Without it small inserts wait 40 ms for an acknowledgement of a packet.
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        let client = Client::with_http_client(http)
            .with_url(engine.url())
            .with_compression(Compression::Lz4);
        client.query("CREATE DATABASE measure").execute().await?;
        let database = Self { client: client.with_database("measure") };
        for statement in migrations(Role::Canonical).iter().flat_map(|m| &m.statements) {
            database.run(statement).await?;
        }
        Ok(database)
    }

    async fn run(&self, statement: &str) -> Result<Duration, Error> {
        let started = now();
        self.client.query(statement).execute().await?;
        Ok(started.elapsed())
    }

    /// How many rows the keys and indexes leave to be read: says what time is too noisy to say.
    async fn rows_read(&self, query: &str) -> Result<u64, Error> {
        let query = format!("SELECT sum(rows) FROM (EXPLAIN ESTIMATE {query})");
        self.client.query(&query).fetch_one().await
    }

    /// Best time of a question that is read to its end: others use this machine meanwhile.
    async fn ask(&self, query: &str) -> Result<f64, Error> {
        let mut best = Duration::MAX;
        for _ in 0..REPEATS {
            let started = now();
            let mut answer = self.client.query(query).fetch_bytes("RowBinary")?;
            while answer.next().await?.is_some() {}
            best = best.min(started.elapsed());
        }
        Ok(best.as_secs_f64() * 1e3)
    }
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch is what this program is")]
fn now() -> Instant {
    Instant::now()
}

/// Leaves `orderbook_events` filled: the variants are filled from it.
pub(crate) async fn insert_rate(
    database: &Database,
    events: &[OrderbookEvent],
    batch: usize,
) -> Result<String, Error> {
    database.run("TRUNCATE TABLE orderbook_events").await?;
    // Enough batches to see the rate; all of them at the last size.
    let part = if batch < 100_000 { &events[..events.len().min(batch * 100)] } else { events };
    let started = now();
    for rows in part.chunks(batch) {
        let mut insert = database.client.insert::<OrderbookEvent>("orderbook_events").await?;
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await?;
    }
    let rate = part.len() as f64 / started.elapsed().as_secs_f64();
    Ok(format!("  batches of {batch:>7}: {rate:>9.0} rows/s"))
}

pub(crate) async fn variant(
    database: &Database,
    variant: &Variant,
    rows: usize,
) -> Result<String, Error> {
    let create = variant.create.replacen("orderbook_events", "variant", 1);
    database.run("DROP TABLE IF EXISTS variant SYNC").await?;
    database.run(&create).await?;
    let fill = "INSERT INTO variant SELECT * FROM orderbook_events ORDER BY ingest_ts \
         SETTINGS max_threads = 1, max_insert_threads = 1, max_memory_usage = 3000000000";
    let first = database.run(fill).await?;
    database.run("TRUNCATE TABLE variant").await?;
    let filled = first.min(database.run(fill).await?);
    let merged = database.run("OPTIMIZE TABLE variant FINAL").await?;
    let bytes = "SELECT sum(data_compressed_bytes) / sum(rows) FROM system.parts \
         WHERE database = 'measure' AND table = 'variant' AND active";
    let bytes: f64 = database.client.query(bytes).fetch_one().await?;
    let (busy, quiet) = (ticker(0), ticker(250));
    let from = DAY_START_MS + 13 * HOUR_MS;
    Ok(format!(
        "  {:<30} {:>8.0} rows/s, merge {:>4.1} s, {bytes:>5.2} B | hour busy {:>5.1} ({:>6} rows read) \
         quiet {:>5.1} ({:>5}) | book at {:>5.1} | heads {:>5.1} | by hour {:>5.1}",
        variant.name,
        rows as f64 / filled.as_secs_f64(),
        merged.as_secs_f64(),
        database.ask(&hour(&busy, from)).await?,
        database.rows_read(&hour(&busy, from)).await?,
        database.ask(&hour(&quiet, from)).await?,
        database.rows_read(&hour(&quiet, from)).await?,
        database.ask(&book_at(&busy, from)).await?,
        database.ask("SELECT market_ticker, max(seq) FROM variant GROUP BY market_ticker").await?,
        database.ask("SELECT toHour(ts) h, count() FROM variant GROUP BY h ORDER BY h").await?,
    ))
}

/// What a researcher asks first: one market over an hour, in order.
fn hour(ticker: &str, from: i64) -> String {
    let to = from + HOUR_MS;
    format!(
        "SELECT type, seq, side, price, qty, ts FROM variant WHERE market_ticker = '{ticker}' \
         AND ts >= fromUnixTimestamp64Milli({from}) AND ts < fromUnixTimestamp64Milli({to}) \
         ORDER BY seq"
    )
}

/// And second: the book at a moment, from one snapshot and the deltas after it.
fn book_at(ticker: &str, at: i64) -> String {
    let until = format!("market_ticker = '{ticker}' AND ts <= fromUnixTimestamp64Milli({at})");
    format!(
        "SELECT side, price, sum(qty) size FROM variant WHERE {until} AND seq >= (SELECT max(seq) \
         FROM variant WHERE {until} AND type = 'snapshot') GROUP BY side, price HAVING size > 0"
    )
}

#[derive(Row, Deserialize)]
struct Column {
    name: String,
    bytes: f64,
}

pub(crate) async fn columns(database: &Database) -> Result<String, Error> {
    database.run("OPTIMIZE TABLE orderbook_events FINAL").await?;
    let rows = "SELECT count() FROM orderbook_events";
    let rows: u64 = database.client.query(rows).fetch_one().await?;
    let query = format!(
        "SELECT name, data_compressed_bytes / {rows} AS bytes FROM system.columns \
         WHERE database = 'measure' AND table = 'orderbook_events' ORDER BY bytes DESC"
    );
    let columns: Vec<Column> = database.client.query(&query).fetch_all().await?;
    let told: Vec<String> = columns
        .iter()
        .filter(|column| column.bytes >= 0.005)
        .map(|column| format!("{} {:.2}", column.name, column.bytes))
        .collect();
    Ok(format!("  {}", told.join(", ")))
}

/// The book of every market from a day of upserts, a batch a second, half of them not merged yet.
pub(crate) async fn levels(database: &Database) -> Result<Vec<String>, Error> {
    let fill = "INSERT INTO latest_levels SELECT market_id, market_ticker, side, price, \
         if(cityHash64(seq, price) % 3 = 0, 0, abs(qty)) AS size, ts, ingest_ts, seq \
         FROM orderbook_events WHERE seq > 0 AND cityHash64(market_ticker, seq) % 20 = ";
    for part in 0..20 {
        database.run(&format!("{fill}{part}")).await?;
    }
    let aggregated = "SELECT market_id, market_ticker, side, price, argMax(size, seq) AS resting, \
         max(seq) FROM latest_levels GROUP BY market_id, market_ticker, side, price \
         HAVING resting > 0";
    let one = format!("SELECT * FROM latest_book WHERE market_ticker = '{}'", ticker(0));
    let mut lines = Vec::new();
    for state in ["as inserted", "merged"] {
        if state == "merged" {
            database.run("OPTIMIZE TABLE latest_levels FINAL").await?;
        }
        let rows = "SELECT count() FROM latest_levels";
        let rows: u64 = database.client.query(rows).fetch_one().await?;
        lines.push(format!(
            "  {state:<12} {rows:>8} rows | one book {:>6.1} ms | all books: FINAL {:>6.1} ms, \
             argMax {:>6.1} ms",
            database.ask(&one).await?,
            database.ask("SELECT * FROM latest_book").await?,
            database.ask(aggregated).await?,
        ));
    }
    Ok(lines)
}

/// Thirty days of far more holes than there should ever be.
pub(crate) async fn gaps(database: &Database) -> Result<String, Error> {
    let fill = "INSERT INTO gaps SELECT concat('M-', toString(number % 300)), 0, number, number + 5, \
         fromUnixTimestamp64Milli(1789948800000 + toInt64(number) * 25920), \
         fromUnixTimestamp64Milli(1789948800000 + toInt64(number) * 25920 + 900), \
         'disconnected', 'open', '', 1 FROM numbers(100000)";
    database.run(fill).await?;
    let question = "SELECT toDate(from_ts) d, state, count(), sum(to_ts - from_ts) FROM gaps FINAL \
         GROUP BY d, state ORDER BY d";
    Ok(format!("  100000 gaps, by day and state: {:.1} ms", database.ask(question).await?))
}
