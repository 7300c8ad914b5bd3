//! Whatever kills the program, the canonical record holds every event once, in ClickHouse and in
//! Parquet, and the accounts add up.

mod world;

use std::time::Duration;

use clickhouse_dev::ClickHouse;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use world::gatherer::{Scripted, wall_ns};
use world::program::{Program, Setting, program_log};
use world::script::{Truth, ticker};
use world::until;

const MARKETS: usize = 5;
const CHANGES: usize = 30_000;
const BATCH: usize = 50;
const PAUSE: Duration = Duration::from_millis(4);

/// A delta as stored: market, clock, ord, side, price, qty.
type Stored = (String, u64, u16, i8, String, String);

struct World {
    truth: Truth,
    gatherers: Vec<Scripted>,
    engine: ClickHouse,
    setting: Setting,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(seed: u64, database: &str) -> Self {
        Self::lasting(seed, database, Duration::from_secs(3), PAUSE).await
    }

    /// A feed whose changes were received over so long a time, a while ago.
    async fn lasting(seed: u64, database: &str, received: Duration, pause: Duration) -> Self {
        let url = std::env::var_os("CLICKHOUSE_URL").and_then(|url| url.into_string().ok());
        let engine = tokio::task::spawn_blocking(move || ClickHouse::for_tests(url.as_deref()))
            .await
            .expect("no panic")
            .expect("an engine");
        let received_ns = i64::try_from(received.as_nanos()).expect("minutes");
        let from_ns = wall_ns() - 60_000_000_000 - received_ns;
        let truth = Truth::new(seed, (MARKETS, CHANGES), from_ns, received_ns / CHANGES as i64);
        let mut gatherers = Vec::new();
        for (name, behind_us) in [("east", 0), ("west", 700), ("north", 2_500)] {
            let captures = truth.captures(behind_us);
            gatherers.push(Scripted::start(name, captures, BATCH, pause).await);
        }
        let dir = tempfile::tempdir().expect("a folder");
        let settings: Vec<String> = gatherers.iter().map(Scripted::setting).collect();
        let setting = Setting {
            dir: dir.path().to_owned(),
            gatherers: settings.join(","),
            clickhouse: engine.url().to_owned(),
            database: format!("{database}_{}", std::process::id()),
            flags: vec!["--checkpoint-every=300ms".to_owned()],
        };
        Self { truth, gatherers, engine, setting, _dir: dir }
    }

    fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(self.engine.url())
            .with_user(self.engine.user())
            .with_database(&self.setting.database)
    }

    /// Waits until every frame was handed over and stored.
    async fn finished(&self, program: &Program) {
        let frames = 3 * self.truth.frames();
        until("all frames to be merged and stored", async || {
            let health = program.health().await;
            let seen: u64 = health["gatherers"].as_object().map_or(0, |gatherers| {
                gatherers.values().filter_map(|gatherer| gatherer["frames"].as_u64()).sum()
            });
            seen >= frames
                && health["canonical"]["pending"] == 0
                && health["clickhouse"]["lag_bytes"] == 0
        })
        .await;
    }

    /// Everything that must hold at the end.
    async fn check(&self) {
        self.check_events().await;
        self.check_accounts().await;
        let rows = self.count("SELECT count() FROM orderbook_events").await;
        assert_eq!(self.parquet_rows(), rows, "the archive holds what ClickHouse holds");
    }

    async fn count(&self, query: &str) -> u64 {
        self.client().query(query).fetch_one().await.expect("a query")
    }

    /// Every change of the truth once, in its place, and the books that follow from them.
    async fn check_events(&self) {
        let client = self.client();
        let stored: Vec<Stored> = client
            .query(
                "SELECT toString(market_ticker), clock, clock_ord, CAST(side AS Int8), \
                 toString(price), toString(qty) FROM orderbook_events WHERE type = 'delta' \
                 ORDER BY market_ticker, seq",
            )
            .fetch_all()
            .await
            .expect("a query");
        let mut truth = self.truth.changes.clone();
        truth.sort_by_key(|change| change.market);
        let expected: Vec<Stored> = truth
            .iter()
            .map(|change| {
                let qty = change.delta as f64 / 100.0;
                let price = f64::from(change.price) / 10_000.0;
                let side = if change.no { 2 } else { 1 };
                let ticker = ticker(change.market);
                (ticker, change.clock, change.ord, side, format!("{price}"), format!("{qty}"))
            })
            .collect();
        let differs =
            stored.iter().zip(&expected).position(|(stored, expected)| stored != expected);
        if let Some(at) = differs {
            panic!(
                "{:?} where {:?} is due; around it: {:#?}\n{}",
                stored[at],
                expected[at],
                self.around(&stored[at]).await,
                program_log(&self.setting.dir)
            );
        }
        assert_eq!(stored.len(), expected.len(), "{}", program_log(&self.setting.dir));

        assert_eq!(self.count("SELECT count() FROM gaps").await, 0);
        let rows = self.count("SELECT count() FROM orderbook_events").await;
        let keys = "SELECT uniqExact(market_ticker, seq, side, price) FROM orderbook_events";
        assert_eq!(rows, self.count(keys).await, "a row is stored twice");
        let wrong = "SELECT count() FROM (SELECT market_ticker, side, price, sum(qty) AS qty \
            FROM orderbook_events WHERE type = 'delta' GROUP BY ALL HAVING qty != 0) AS book \
            FULL JOIN latest_book AS latest USING (market_ticker, side, price) \
            WHERE book.qty != latest.size";
        assert_eq!(self.count(wrong).await, 0, "latest_book is the sum of the changes");
    }

    /// What stands around a row, with its numbers: a step in `seq` tells a row that the store lost
    /// from an event that was never told; the sources tell whose word stands there.
    async fn around(&self, row: &Stored) -> Vec<(u64, u64, u16, String, u64)> {
        let query = "SELECT seq, clock, clock_ord, toString(gatherer), source_seq \
            FROM orderbook_events WHERE market_ticker = ? AND clock BETWEEN ? AND ? ORDER BY seq";
        let (from, to) = (row.1.saturating_sub(20), row.1 + 20);
        let rows = self.client().query(query).bind(&row.0).bind(from).bind(to).fetch_all();
        rows.await.expect("a query")
    }

    /// Every frame of every gatherer is accounted for once.
    async fn check_accounts(&self) {
        for gatherer in ["east", "west", "north"] {
            let sum =
                format!("SELECT sum(frames) FROM lane_minutes FINAL WHERE gatherer = '{gatherer}'");
            assert_eq!(self.count(&sum).await, self.truth.frames(), "the accounts of {gatherer}");
        }
    }

    fn parquet_rows(&self) -> u64 {
        let root = self.setting.dir.join("data/parquet/orderbook");
        let elsewhere = self.setting.dir.join("archive/orderbook");
        let lost = elsewhere.exists();
        let root = if lost { elsewhere } else { root };
        let mut rows = 0;
        for day in std::fs::read_dir(root).expect("a folder") {
            for file in std::fs::read_dir(day.expect("a day").path()).expect("a folder") {
                let path = file.expect("a file").path();
                let end = path.extension().and_then(|end| end.to_str());
                // What a chunk that was lost with its disk had begun.
                if lost && end == Some("tmp") {
                    continue;
                }
                assert_eq!(end, Some("parquet"));
                let file = std::fs::File::open(path).expect("readable");
                let reader =
                    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)
                        .expect("Parquet");
                rows += reader.metadata().file_metadata().num_rows().cast_unsigned();
            }
        }
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_whole_feeds_become_one_record_and_a_stop_loses_nothing() {
    let world = World::new(1, "whole").await;
    let program = Program::start(&world.setting).await;
    world.finished(&program).await;
    let book = world::program::get(&program.http, &format!("/book/{}", ticker(0))).await;
    assert!(book.contains("\"seq\""), "{book}");
    let metrics = world::program::get(&program.metrics, "/metrics").await;
    for name in ["dedup_gatherer_health", "dedup_sync_lag_seconds", "dedup_duplicate_ratio"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    eprintln!("{:#}", program.health().await);
    let status = program.stop().await;
    assert!(status.success(), "{status}\n{}", program_log(&world.setting.dir));
    world.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_record_is_the_same() {
    let seed = u64::from(std::process::id());
    let world = World::new(seed, "killed").await;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..6 {
        let program = Program::start(&world.setting).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..1_200))).await;
        program.crash();
    }
    let program = Program::start(&world.setting).await;
    world.finished(&program).await;
    let status = program.stop().await;
    assert!(status.success(), "seed {seed}: {status}\n{}", program_log(&world.setting.dir));
    world.check().await;
    for gatherer in &world.gatherers {
        assert!(gatherer.acked() > 0, "seed {seed}: never acknowledged");
        assert_eq!(gatherer.asked_below_acked(), 0, "seed {seed}: what is acked may be gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let world = World::new(3, "damaged").await;
    let program = Program::start(&world.setting).await;
    until("three checkpoints", async || {
        program.health().await["journal"]["checkpoint"].as_u64().unwrap_or(0) >= 3
    })
    .await;
    program.crash();
    let checkpoints = world.setting.dir.join("data/checkpoints");
    let names =
        std::fs::read_dir(&checkpoints).expect("a folder").map(|one| one.expect("one").path());
    let newest = names.filter(|path| path.extension().is_none()).max().expect("at least one");
    let mut bytes = std::fs::read(&newest).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&newest, bytes).expect("writes");
    let program = Program::start(&world.setting).await;
    world.finished(&program).await;
    assert!(program.stop().await.success(), "{}", program_log(&world.setting.dir));
    let log = program_log(&world.setting.dir);
    assert!(log.contains(newest.to_str().expect("text")), "the damaged file is named: {log}");
    world.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_is_replaced_from_clickhouse_and_the_spools() {
    // Ten minutes of receipts, so that the accounts of some minutes are closed when the disk is lost.
    let slow = 4 * PAUSE;
    let mut world = World::lasting(4, "lost", Duration::from_secs(600), slow).await;
    let archive = world.setting.dir.join("archive");
    world.setting.flags.push(format!("--parquet-dir={}", archive.display()));
    let deltas = "SELECT count() FROM orderbook_events WHERE type = 'delta'";
    let stored = async |least: u64| {
        until("a good part to be stored", async || {
            // There is no table yet at first.
            world.client().query(deltas).fetch_one::<u64>().await.unwrap_or(0) > least
        })
        .await;
    };
    // A part is in the archive, the next one only in the chunk that is lost with the disk.
    let program = Program::start(&world.setting).await;
    stored(4_000).await;
    assert!(program.stop().await.success(), "{}", program_log(&world.setting.dir));
    let archived = world.parquet_rows();
    let program = Program::start(&world.setting).await;
    stored(14_000).await;
    program.crash();
    let before = world.count(deltas).await;
    assert!(before < CHANGES as u64, "the crash came too late to tell anything");
    assert_eq!(world.parquet_rows(), archived, "a chunk is open");
    assert!(archived < before, "nothing of the chunk is stored");
    let minutes = "SELECT uniqExact(minute) FROM lane_minutes";
    assert!(world.count(minutes).await > 3, "all accounts are open");
    std::fs::remove_dir_all(world.setting.dir.join("data")).expect("it is there");
    let program = Program::start(&world.setting).await;
    world.finished(&program).await;
    assert!(program.stop().await.success(), "{}", program_log(&world.setting.dir));
    assert!(program_log(&world.setting.dir).contains("took_over"));
    world.check().await;
}
