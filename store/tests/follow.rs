//! A log, followed into a real engine, arrives once however often the follower is cut.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::time::Duration;

use clickhouse_dev::ClickHouse;
use schema::rows::{RawFrame, UnixMicros};
use service::clock::Clock;
use service::redacted::Secret;
use spool::{Options, Position, Spool, Writer};
use store::{FollowConfig, Progress, Rows, Store, StoreConfig, StoreError, follow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Each record is a number as text; its row's `session` is that number.
#[derive(Default)]
struct Numbers(Vec<RawFrame>);

impl Rows for Numbers {
    fn push(&mut self, at: Position, payload: &[u8]) -> anyhow::Result<()> {
        let frame = String::from_utf8(payload.to_vec())?;
        self.0.push(RawFrame {
            session: frame.parse()?,
            position_incarnation: at.incarnation,
            position_offset: at.offset,
            // Recent: the table drops what is older than its TTL.
            recv_ts: UnixMicros(Clock::start().wall_ns() / 1000),
            frame,
        });
        Ok(())
    }

    fn rows(&self) -> usize {
        self.0.len()
    }

    async fn write(&self, store: &Store, token: &str) -> Result<(), StoreError> {
        store.insert("raw_frames", &self.0, token).await
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

fn store(url: &str) -> Store {
    let config = StoreConfig {
        url: url.to_owned(),
        user: "default".to_owned(),
        password: Secret::default(),
        database: "kalshi".to_owned(),
    };
    Store::new(&config).unwrap()
}

fn config(dir: &Path, batch_rows: usize) -> FollowConfig {
    FollowConfig {
        name: "numbers".to_owned(),
        dir: dir.to_owned(),
        batch_rows,
        flush_every: Duration::from_millis(5),
        role: schema::Role::Gatherer,
        clock: Clock::start(),
    }
}

fn append(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        writer.append(number.to_string().as_bytes()).unwrap();
    }
    writer.commit().unwrap();
}

async fn count_and_distinct(store: &Store) -> (u64, u64) {
    store
        .client()
        .query("SELECT count(), uniqExact(session) FROM raw_frames")
        .fetch_one()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_arrives_once_however_often_the_follower_is_cut() {
    let engine = ClickHouse::for_tests(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, log, _) = Spool::open(dir.path(), Options::default()).unwrap();
    let store = store(engine.url());
    let mut appended = 0;
    for round in 0..12_u64 {
        append(&mut writer, appended..appended + 997);
        appended += 997;
        // Dropped in mid-flight, at another place each time: before the intent, between the rows
        // and the cursor, after it.
        let (progress, _watched) = watch::channel(Progress::default());
        let following = follow(
            &store,
            log.clone(),
            config(dir.path(), 100 + 37 * round as usize),
            Numbers::default(),
            progress,
            CancellationToken::new(),
        );
        let cut = tokio::time::timeout(Duration::from_millis(20 + 9 * round), following).await;
        assert!(cut.is_err(), "{cut:?}");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    let (progress, watched) = watch::channel(Progress::default());
    follow(&store, log.clone(), config(dir.path(), 5000), Numbers::default(), progress, stop)
        .await
        .unwrap();
    assert_eq!(watched.borrow().cursor, Some(log.durable()));
    assert_eq!(count_and_distinct(&store).await, (appended, appended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_waited_for() {
    let mut engine = ClickHouse::for_tests(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, log, _) = Spool::open(dir.path(), Options::default()).unwrap();
    append(&mut writer, 0..100);
    let store = store(engine.url());
    engine.kill();
    let (progress, mut watched) = watch::channel(Progress::default());
    let stop = CancellationToken::new();
    let end = log.durable();
    let (outside, to_stop) = (store.clone(), stop.clone());
    let breaking = async move {
        watched.wait_for(|progress| progress.last_error.is_some()).await.unwrap();
        engine.restart().unwrap();
        watched.wait_for(|progress| progress.cursor == Some(end)).await.unwrap();
        to_stop.cancel();
        assert_eq!(count_and_distinct(&outside).await, (100, 100));
        assert_eq!(watched.borrow().last_error, None);
    };
    let following =
        follow(&store, log, config(dir.path(), 1000), Numbers::default(), progress, stop);
    let (followed, ()) = tokio::join!(following, breaking);
    followed.unwrap();
}
