//! The same journal and manifest give the same bytes, whatever was interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exchange::{Price, Side, Size};
use merge::{DeltaRecord, GathererIndex, Provenance, Record, TradeRecord};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest as _, Sha256};
use spool::{Options, Spool, Writer};

use super::*;
use crate::config::ArchivePlace;

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 20_000 * DAY_MS + DAY_MS - 1_000;

fn provenance(ts_ms: i64) -> Provenance {
    let gatherer = GathererIndex(0);
    Provenance { gatherer, session: 1, sid: 2, seq: 3, wall_ns: (ts_ms + 5) * 1_000_000 }
}

fn delta(sid: u32, seq: u64) -> Record {
    // Two seconds that cross midnight, with an older straggler now and then.
    let back = if seq.is_multiple_of(97) { 1_500 } else { 0 };
    let ts_ms = START_MS + i64::try_from(seq).expect("small") / 10 - back;
    Record::Delta(DeltaRecord {
        sid,
        seq,
        era: 0,
        clock: seq,
        ord: 0,
        side: if seq.is_multiple_of(2) { Side::Yes } else { Side::No },
        price: Price::from_units((seq * 7 % 9_999) as u16).expect("within a dollar"),
        delta: Size::from_units((seq * 31 % 1_000) as i64 - 500),
        resting: Size::from_units(1),
        ts_ms,
        from: provenance(ts_ms),
        disputed: false,
    })
}

fn trade(seq: u64) -> Record {
    let ts_ms = START_MS + i64::try_from(seq).expect("small") / 10;
    Record::Trade(Box::new(TradeRecord {
        trade_id: Uuid::from_u128(seq.into()),
        market_ticker: "A".to_owned(),
        yes_price: Price::from_units(4_000).expect("within a dollar"),
        no_price: Price::from_units(6_000).expect("within a dollar"),
        count: Size::from_units(100),
        taker: Side::No,
        is_block_trade: None,
        ts_ms,
        from: provenance(ts_ms),
    }))
}

/// Twenty thousand deltas of two markets, and some trades.
fn fill(writer: &mut Writer) {
    let mut bytes = Vec::new();
    let mut append = |record: &Record| {
        codec::encode(record, &mut bytes);
        writer.append(&bytes).expect("room");
    };
    append(&Record::Gatherer { index: GathererIndex(0), name: "east".to_owned() });
    for (sid, ticker) in [(1, "A"), (2, "B")] {
        let market_id = Uuid::from_u128(sid.into());
        append(&Record::Market { sid, market_id, ticker: ticker.to_owned() });
    }
    for seq in 1..=10_000 {
        append(&delta(1, seq));
        append(&delta(2, seq));
        if seq.is_multiple_of(10) {
            append(&trade(seq));
        }
    }
    writer.commit().expect("a healthy disk");
}

async fn catalog(root: &Path) -> Catalog {
    let folder = root.join("catalog");
    std::fs::create_dir_all(&folder).expect("a folder");
    let url = catalog::CatalogUrl::sqlite(folder.join("catalog.sqlite"));
    Catalog::open(&url).await.expect("opens")
}

struct World {
    log: Log,
    _writer: Writer,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut writer, log, _) =
            Spool::open(&dir.path().join("log"), Options::default()).expect("a new log");
        fill(&mut writer);
        Self { log, _writer: writer, dir }
    }

    async fn sink(&self, archive: &str, max_bytes: u64) -> ArchiveSink {
        let root = self.dir.path().join(archive);
        std::fs::create_dir_all(&root).expect("a folder");
        let setting = Setting {
            archive: Archive { place: ArchivePlace::Folder(root.join("files")), max_bytes },
            catalog: catalog(&root).await,
            staging: root.join("staging"),
            journal: Uuid::from_u128(7),
            beside: root.join("beside"),
            stored: None,
            names: Names::default(),
            log: self.log.clone(),
        };
        ArchiveSink::open(setting, watch::channel(ParquetStatus::default()).0).await.expect("opens")
    }

    /// Archives the whole journal and stops gracefully.
    async fn archive(&self, archive: &str, max_bytes: u64) -> BTreeMap<String, String> {
        let stopped = CancellationToken::new();
        stopped.cancel();
        self.sink(archive, max_bytes).await.run(stopped).await.expect("works");
        self.files(archive)
    }

    /// Path and hash of every file below the archive.
    fn files(&self, archive: &str) -> BTreeMap<String, String> {
        let root = self.dir.path().join(archive).join("files");
        let mut files = BTreeMap::new();
        walk(&root, &mut |path| {
            let bytes = std::fs::read(path).expect("readable");
            let name = path.strip_prefix(&root).expect("below").display().to_string();
            files.insert(name, format!("{:x?}", Sha256::digest(bytes)));
        });
        files
    }
}

fn walk(dir: &Path, each: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, each) } else { each(&path) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_journal_gives_the_same_bytes() {
    let world = World::new();
    let once = world.archive("once", 1 << 30).await;
    let again = world.archive("again", 1 << 30).await;
    assert_eq!(once, again);
    // Two days of each dataset, and the stragglers of the first day that came in the second.
    assert!(once.len() >= 4, "{once:?}");
    assert!(once.keys().all(|name| name.ends_with(".parquet")), "{once:?}");
    assert!(once.keys().any(|name| name.starts_with("trades/date=2024-10-05/")), "{once:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_in_the_file_of_its_day_and_once() {
    let world = World::new();
    let files = world.archive("archive", 1 << 30).await;
    let mut rows = 0;
    for name in files.keys().filter(|name| name.starts_with("orderbook/")) {
        let path = world.dir.path().join("archive/files").join(name);
        let file = std::fs::File::open(path).expect("readable");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
        for batch in reader.expect("Parquet") {
            let batch = batch.expect("rows");
            let ts = batch.column_by_name("ts").expect("ts").clone();
            let ts = ts
                .as_any()
                .downcast_ref::<arrow::array::TimestampMillisecondArray>()
                .expect("milliseconds");
            let late = name.contains("date=2024-10-05");
            let day = START_MS.div_euclid(DAY_MS) + i64::from(late);
            assert!(ts.values().iter().all(|ts| ts.div_euclid(DAY_MS) == day), "{name}");
            rows += batch.num_rows();
        }
    }
    assert_eq!(rows, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_was_not_listed_is_made_again_the_same() {
    let world = World::new();
    let whole = world.archive("whole", 1 << 30).await;
    // A crash after the files were put in place and before they were listed: catalog gone back.
    let crashed = world.archive("crashed", 1 << 30).await;
    assert_eq!(whole, crashed);
    std::fs::remove_dir_all(world.dir.path().join("crashed/catalog")).expect("it is there");
    std::fs::remove_dir_all(world.dir.path().join("crashed/beside")).expect("it is there");
    std::fs::write(
        world
            .dir
            .path()
            .join("crashed/files")
            .join(format!("{}.tmp", crashed.keys().next().expect("a file"))),
        b"half a file",
    )
    .expect("writes");
    assert_eq!(world.archive("crashed", 1 << 30).await, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_is_not_made_again() {
    let world = World::new();
    let first = world.archive("archive", 1 << 30).await;
    let second = world.archive("archive", 1 << 30).await;
    assert_eq!(first, second);
    let catalog = catalog(&world.dir.path().join("archive")).await;
    let beside = world.dir.path().join("archive/beside");
    let manifest = Manifest::open(catalog, Uuid::from_u128(7), &beside).expect("opens");
    let (files, rows, _) = manifest.totals().await.expect("readable");
    assert_eq!((files as usize, rows), (first.len(), 21_000));
    assert_eq!(manifest.cursor().await.expect("readable"), Some(world.log.durable()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_makes_nothing_twice() {
    let world = World::new();
    let first = world.archive("archive", 1 << 30).await;
    std::fs::remove_dir_all(world.dir.path().join("archive/catalog")).expect("it is there");
    assert_eq!(world.archive("archive", 1 << 20).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_never_ahead_of_clickhouse() {
    let world = World::new();
    let stopping = CancellationToken::new();
    stopping.cancel();
    let at = |cursor| store::Progress { cursor, ..store::Progress::default() };
    // ClickHouse ends before it has everything: nothing is put in place, and that is no failure.
    let (stored, seen) = watch::channel(at(Some(world.log.oldest())));
    let mut sink = world.sink("archive", 1 << 30).await;
    sink.setting.stored = Some(seen);
    drop(stored);
    sink.run(stopping.clone()).await.expect("the next start makes it again");
    assert!(world.files("archive").keys().all(|name| name.ends_with(".tmp")), "too early");
    // It has everything a moment later.
    let (stored, seen) = watch::channel(at(None));
    let mut sink = world.sink("archive", 1 << 30).await;
    sink.setting.stored = Some(seen);
    let end = world.log.durable();
    let late = async move {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stored.send_replace(at(Some(end)));
        stored
    };
    let (ran, _stored) = tokio::join!(sink.run(stopping), late);
    ran.expect("works");
    let whole = world.archive("whole", 1 << 30).await;
    assert_eq!(world.files("archive"), whole);
}
