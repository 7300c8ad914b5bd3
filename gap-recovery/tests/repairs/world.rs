//! A database, an exchange that has traded for a while and is at rest, and the program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use catalog::{Action, Catalog, CatalogUrl, RecoveryFilter};
use clap::Parser as _;
use clickhouse::Client;
use clickhouse_dev::ClickHouse;
use serde_json::Value;
use service::redacted::Secret;
use store::{Store, StoreConfig};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Long enough that nothing of the simulated exchange is too young for long.
const MARGIN: &str = "1s";
/// No condition takes longer than this on a machine that works.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// More than a page of one market is not needed; some of the busiest are.
const TRADES_MIN: usize = 20;
/// The simulated exchange wants to know one client (this key is the example of RFC 8410); nobody logs in.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

pub(crate) struct World {
    engine: ClickHouse,
    folder: TempDir,
    rest: String,
    /// Market of every trade that the exchange has.
    traded: Vec<String>,
    ended_ms: i64,
    _stop: oneshot::Sender<()>,
    _running: JoinSet<anyhow::Result<()>>,
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl World {
    pub(crate) async fn open() -> Self {
        let engine = tokio::task::spawn_blocking(|| ClickHouse::for_tests(None)).await;
        let engine = engine.expect("no panic").expect("an engine");
        let (user, database) = (engine.user().to_owned(), "kalshi".to_owned());
        let config =
            StoreConfig { url: engine.url().to_owned(), user, password: Secret::new(""), database };
        Store::new(&config).unwrap().migrate(schema::Role::Canonical).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("public.pem");
        std::fs::write(&key, PUBLIC_KEY).unwrap();
        let typed = "sim --listen 127.0.0.1:0 --markets 3 --rate 3000 --lifecycle-every 0 --seed 7";
        let mut typed: Vec<OsString> = typed.split(' ').map(Into::into).collect();
        typed.extend(["--public-key".into(), key.into()]);
        let args = exchange_sim::Args::try_parse_from(typed).unwrap();
        let config = exchange_sim::Config::from_args(args).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            exchange_sim::run(config, stopped, |address| ready.send(address).unwrap()).await
        });
        let rest = format!("http://{}", address.await.unwrap());
        let (_stop, _running) = (stop, running);
        let mut world =
            Self { engine, folder, rest, traded: Vec::new(), ended_ms: 0, _stop, _running };
        let traded = tokio::time::timeout(LIMIT, world.trading()).await;
        world.traded = traded.expect("the exchange trades");
        world.ended_ms = world.now_ms().await;
        world
    }

    /// Waits until there are trades enough; then the exchange rests.
    async fn trading(&self) -> Vec<String> {
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        let http = reqwest::Client::new();
        let trades = async || {
            let url = format!("{}/trade-api/v2/markets/trades?limit=1000", self.rest);
            let page: Value = http.get(url).send().await.unwrap().json().await.unwrap();
            let ticker = |trade: &Value| trade["ticker"].as_str().unwrap().to_owned();
            list(&page["trades"]).iter().map(ticker).collect::<Vec<String>>()
        };
        while trades().await.len() < TRADES_MIN {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let paused = http.post(format!("{}/sim/pause", self.rest)).send().await.unwrap();
        assert!(paused.status().is_success());
        trades().await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The market with the most trades.
    pub(crate) fn busiest(&self) -> &str {
        self.traded.iter().max_by_key(|ticker| (self.trades_of(ticker), *ticker)).unwrap()
    }

    pub(crate) fn trades_of(&self, ticker: &str) -> u64 {
        self.traded.iter().filter(|traded| *traded == ticker).count() as u64
    }

    fn client(&self) -> Client {
        Client::default()
            .with_url(self.engine.url())
            .with_user(self.engine.user())
            .with_database("kalshi")
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client().query(sql).execute().await.unwrap();
    }

    pub(crate) async fn count(&self, table: &str, which: &str) -> u64 {
        let sql = format!("SELECT count() FROM {table} FINAL WHERE {which}");
        self.client().query(&sql).fetch_one().await.unwrap()
    }

    /// How many trades are stored as fetched again.
    pub(crate) async fn stored(&self) -> u64 {
        self.count("trades", "recovered").await
    }

    async fn now_ms(&self) -> i64 {
        let sql = "SELECT toUnixTimestamp64Milli(now64(3))";
        self.client().query(sql).fetch_one().await.unwrap()
    }

    /// Waits until no trade is younger than the margin, and what ended with them can be settled.
    pub(crate) async fn settled(&self) {
        while self.now_ms().await < self.ended_ms + 2_100 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A hole of a market over all that the exchange did; it can be settled on return.
    pub(crate) async fn hole(&self, cause: &str, ticker: &str, clock: u64) {
        let cause = if cause.is_empty() { "made" } else { cause };
        let to = format!("fromUnixTimestamp64Milli(toInt64({}), 'UTC')", self.ended_ms);
        let row = format!(
            "('{ticker}', 0, {clock}, {clock} + 9, {to} - INTERVAL 5 MINUTE, {to}, '{cause}', 'open', '', 1)"
        );
        self.run(&format!("INSERT INTO gaps VALUES {row}")).await;
        self.settled().await;
    }

    /// The snapshot that ends such a hole.
    pub(crate) async fn snapshot(&self, ticker: &str, clock: u64) {
        let columns =
            "type, seq, market_ticker, side, price, qty, ts, ingest_ts, era, clock, origin";
        let values = format!(
            "('snapshot', 8, '{ticker}', 'yes', 0, 0, now64(3), now64(6), 0, {clock} + 9, 'live')"
        );
        self.run(&format!("INSERT INTO orderbook_events ({columns}) VALUES {values}")).await;
    }

    /// A hole of some seconds, of a market that nobody knows.
    pub(crate) async fn gap(&self, ticker: &str, from: &str, seconds: u32) {
        let from = format!("toDateTime64('{from}', 3, 'UTC')");
        let row = format!(
            "SELECT '{ticker}', 0, toUnixTimestamp64Milli({from}) AS c, c + 9, {from}, \
             {from} + {seconds}, 'made', 'open', '', 1"
        );
        self.run(&format!("INSERT INTO gaps {row}")).await;
    }

    /// What the audit says, oldest first.
    pub(crate) async fn audit(&self) -> Vec<Action> {
        let catalog =
            Catalog::open(&CatalogUrl::sqlite(self.path("catalog.sqlite"))).await.unwrap();
        let found = catalog.recoveries(&RecoveryFilter::default()).await.unwrap();
        found.into_iter().rev().map(|entry| entry.action).collect()
    }

    /// Trades of the audit's entries with an outcome.
    pub(crate) async fn rows_of(&self, outcome: &str) -> u64 {
        let told = self.audit().await.into_iter();
        let told = told.filter(|action| action.action == "trades" && action.outcome == outcome);
        told.map(|action| action.rows_written).sum()
    }

    /// Runs the program and reads its JSON; it must end with `code`.
    pub(crate) async fn recovery(&self, typed: &[&str], code: i32) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gap-recovery"));
        command.env_clear().current_dir(self.folder.path()).args(typed).arg("--json");
        command.env("CLICKHOUSE_URL", self.engine.url()).env("RECOVERY_MARGIN", MARGIN);
        command.env("REST_URL", format!("{}/trade-api/v2", self.rest)).env("REST_RATE", "500");
        command.env("CATALOG_URL", format!("sqlite:{}", self.path("catalog.sqlite").display()));
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("no panic").expect("the program starts");
        let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        let out = String::from_utf8_lossy(&out).into_owned();
        assert_eq!(output.status.code(), Some(code), "{typed:?}\n{out}{err}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }
}
