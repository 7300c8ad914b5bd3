//! The audit finds what is wrong in the stores and heals it; the catalog knows who took part; a book
//! of the past is the book that was.

mod world;

use std::time::Duration;

use catalog::{Catalog, CatalogUrl};
use clickhouse_dev::ClickHouse;
use serde_json::Value;
use world::gatherer::{Scripted, wall_ns};
use world::program::{Program, Setting, get, program_log};
use world::script::{Truth, ticker};
use world::until;

const MARKETS: usize = 3;
const CHANGES: usize = 3_000;

struct World {
    truth: Truth,
    engine: ClickHouse,
    setting: Setting,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(flags: &[&str]) -> Self {
        let url = std::env::var_os("CLICKHOUSE_URL").and_then(|url| url.into_string().ok());
        let engine = tokio::task::spawn_blocking(move || ClickHouse::for_tests(url.as_deref()))
            .await
            .expect("no panic")
            .expect("an engine");
        let truth = Truth::new(5, (MARKETS, CHANGES), wall_ns() - 60_000_000_000, 1_000_000);
        let mut settings = Vec::new();
        for (name, behind_us) in [("east", 0), ("west", 700)] {
            let captures = truth.captures(behind_us);
            let scripted = Scripted::start(name, captures, 500, Duration::from_millis(1)).await;
            settings.push(scripted.setting());
        }
        let dir = tempfile::tempdir().expect("a folder");
        let setting = Setting {
            dir: dir.path().to_owned(),
            gatherers: settings.join(","),
            clickhouse: engine.url().to_owned(),
            database: format!("audit_{}", uuid::Uuid::new_v4().simple()),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        };
        Self { truth, engine, setting, _dir: dir }
    }

    fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(self.engine.url())
            .with_user(self.engine.user())
            .with_database(&self.setting.database)
    }

    async fn run(&self, statement: &str) {
        self.client().query(statement).execute().await.expect("a statement");
    }

    async fn stored(&self, program: &Program) {
        let events = (CHANGES + MARKETS) as u64;
        until("all events to be stored", async || {
            let health = program.health().await;
            health["canonical"]["events"].as_u64() >= Some(events)
                && health["clickhouse"]["lag_bytes"] == 0
        })
        .await;
    }

    /// `latest_book` of a market: side, price, size.
    async fn latest(&self, market: usize) -> Vec<(String, String, String)> {
        let query = "SELECT toString(side), toDecimalString(price, 4), toDecimalString(size, 2) \
             FROM latest_book WHERE market_ticker = ? ORDER BY side, price";
        self.client().query(query).bind(ticker(market)).fetch_all().await.expect("a query")
    }
}

/// The levels of an answer of `/book`, in the form of `latest_book`.
fn levels(book: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut all = Vec::new();
    for side in ["yes", "no"] {
        let levels = book[side].as_array().unwrap_or_else(|| panic!("a book: {book}"));
        all.extend(levels.iter().map(|level| (side.to_owned(), text(&level[0]), text(&level[1]))));
    }
    all
}

async fn book(program: &Program, market: usize, more: &str) -> Value {
    let body = get(&program.http, &format!("/book/{}{more}", ticker(market))).await;
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("no book: {body}"))
}

fn differences(health: &Value, kind: &str) -> u64 {
    health["audit"][kind]["different"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_latest_book_is_found_named_and_healed() {
    let world = World::new(&["--audit-every=1s"]).await;
    let program = Program::start(&world.setting).await;
    world.stored(&program).await;
    let checked = async |kind: &str, times: u64| {
        let before = program.health().await["audit"][kind]["checked"].as_u64().unwrap_or(0);
        until("some comparisons", async || {
            let now = program.health().await["audit"][kind]["checked"].as_u64().unwrap_or(0);
            now >= before + times
        })
        .await;
    };
    checked("latest_levels", 2 * MARKETS as u64).await;
    let health = program.health().await;
    assert_eq!(differences(&health, "latest_levels"), 0, "a false alarm: {}", health["audit"]);
    assert_eq!(differences(&health, "events"), 0, "a false alarm: {}", health["audit"]);

    let name = ticker(1);
    // A level that never was, one of another size, and one from a future that will never be.
    for (row, seq) in [
        ("'yes', 0.9999, 7", "1"),
        ("side, price, size + 5", "seq"),
        ("'no', 0.9998, 3", "1000000000000"),
    ] {
        let from = format!("latest_book WHERE market_ticker = '{name}' LIMIT 1");
        world
            .run(&format!(
                "INSERT INTO latest_levels SELECT market_id, market_ticker, {row}, ts, ingest_ts, \
                 {seq} FROM {from}"
            ))
            .await;
    }
    until("the difference to be found", async || {
        differences(&program.health().await, "latest_levels") >= 1
    })
    .await;
    let live = levels(&book(&program, 1, "").await);
    until("the book to heal", async || world.latest(1).await == live).await;
    // A market whose rows are all gone is not an empty one.
    let live = levels(&book(&program, 2, "").await);
    assert!(!live.is_empty(), "a market that means something");
    let before = differences(&program.health().await, "latest_levels");
    world.run(&format!("DELETE FROM latest_levels WHERE market_ticker = '{}'", ticker(2))).await;
    until("the loss to be found", async || {
        differences(&program.health().await, "latest_levels") > before
    })
    .await;
    until("the lost book to come back", async || world.latest(2).await == live).await;
    // What was found until then is shown a moment later.
    checked("latest_levels", MARKETS as u64).await;
    let before = differences(&program.health().await, "latest_levels");
    checked("latest_levels", 2 * MARKETS as u64).await;
    let health = program.health().await;
    assert_eq!(differences(&health, "latest_levels"), before, "healed for good");
    assert_eq!(differences(&health, "events"), 0, "the record was never wrong");
    let metrics = get(&program.metrics, "/metrics").await;
    assert!(metrics.contains("audit_differences_total{kind=\"latest_levels\"}"), "{metrics}");
    assert!(program.stop().await.success(), "{}", program_log(&world.setting.dir));
    let log = program_log(&world.setting.dir);
    let told = log.lines().find(|line| line.contains("audit_difference")).expect("an alarm");
    assert!(told.contains(&name), "{told}");
}

/// The model's book of a market after all changes up to a moment.
fn model(truth: &Truth, market: usize, at_ms: i64) -> Vec<(String, String, String)> {
    let mut book = std::collections::BTreeMap::new();
    let until = truth.changes.iter().filter(|change| change.market == market);
    for change in until.filter(|change| change.ts_ms <= at_ms) {
        *book.entry((change.no, change.price)).or_insert(0) += change.delta;
    }
    let resting = book.into_iter().filter(|(_, size)| *size > 0);
    let text = |((no, price), size): ((bool, u16), i64)| {
        let side = if no { "no" } else { "yes" };
        (side.to_owned(), format!("0.{price:04}"), format!("{}.{:02}", size / 100, size % 100))
    };
    resting.map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_of_the_past_is_the_book_that_was_and_the_catalog_knows_who_brought_it() {
    let world = World::new(&["--audit-every=none"]).await;
    let program = Program::start(&world.setting).await;
    world.stored(&program).await;
    // The snapshots that begin the record have no exchange time: their receipt counts.
    let (first, last) = (world.truth.changes[40].ts_ms, world.truth.changes[CHANGES - 1].ts_ms);
    for market in 0..MARKETS {
        for part in 1..=6 {
            let at_ms = first + (last - first) * part / 6;
            let shown = book(&program, market, &format!("?at={at_ms}")).await;
            assert_eq!(levels(&shown), model(&world.truth, market, at_ms), "at {at_ms}: {shown}");
            assert_eq!((&shown["hole"], &shown["at_ms"]), (&Value::Null, &Value::from(at_ms)));
        }
        let now = book(&program, market, &format!("?at={}", wall_ns() / 1_000_000)).await;
        assert_eq!(levels(&now), levels(&book(&program, market, "").await), "now is live");
    }
    for (question, told) in [
        ("?at=soon", "RFC 3339"),
        ("?at=9999999999999", "future"),
        ("?at=2020-01-01T00:00:00Z", "nothing is known"),
    ] {
        let answer = get(&program.http, &format!("/book/{}{question}", ticker(0))).await;
        assert!(answer.contains(told), "{question}: {answer}");
    }
    assert!(program.stop().await.success(), "{}", program_log(&world.setting.dir));

    let url = CatalogUrl::sqlite(world.setting.dir.join("data/catalog.sqlite"));
    let catalog = Catalog::open(&url).await.expect("opens");
    let gatherers = catalog.gatherers().await.expect("reads");
    let known: Vec<_> = gatherers.iter().map(|one| (&*one.name, &*one.version)).collect();
    assert_eq!(known, [("east", "scripted"), ("west", "scripted")]);
    let sessions = catalog.sessions(Some("west"), 10).await.expect("reads");
    assert_eq!((sessions.len(), sessions[0].session), (1, 1 << 32 | 1));
    assert!(catalog.archive_totals().await.expect("reads").rows > 0, "the manifest is there");
}
