//! A store with too little memory for a batch takes it in pieces, each row once.

use std::time::Duration;

use clickhouse_dev::{ClickHouse, Options as Engine};
use schema::rows::{RawFrame, UnixMicros};
use service::clock::Clock;
use service::redacted::Secret;
use spool::{Options, Position, Spool};
use store::{FollowConfig, Progress, Rows, Store, StoreConfig, StoreError, follow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Too much for the query's memory at once, and little enough in pieces.
const RECORDS: usize = 8_000;
const RECORD_BYTES: usize = 4_000;
const QUERY_MEMORY: u64 = 24 << 20;

#[derive(Default)]
struct Frames(Vec<RawFrame>);

impl Rows for Frames {
    fn push(&mut self, at: Position, payload: &[u8]) -> anyhow::Result<()> {
        self.0.push(RawFrame {
            session: 1,
            position_incarnation: at.incarnation,
            position_offset: at.offset,
            // Recent: the table drops what is older than its TTL.
            recv_ts: UnixMicros(Clock::start().wall_ns() / 1000),
            frame: String::from_utf8(payload.to_vec())?,
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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_large_for_the_stores_memory_is_stored_once_in_pieces() {
    let engine =
        ClickHouse::start(Engine { query_memory_bytes: Some(QUERY_MEMORY), ..Engine::default() })
            .unwrap();
    let config = StoreConfig {
        url: engine.url().to_owned(),
        user: "default".to_owned(),
        password: Secret::default(),
        database: "kalshi".to_owned(),
    };
    let store = Store::new(&config).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, log, _) = Spool::open(dir.path(), Options::default()).unwrap();
    for number in 0..RECORDS {
        // Hard to compress, so that memory is what it looks like.
        let text = format!("{:x}", u128::MAX / (number as u128 + 3));
        writer.append(text.repeat(RECORD_BYTES / text.len()).as_bytes()).unwrap();
    }
    let end = writer.commit().unwrap();
    let (progress, mut watched) = watch::channel(Progress::default());
    let stop = CancellationToken::new();
    let follow_config = FollowConfig {
        name: "pieces".to_owned(),
        dir: dir.path().to_owned(),
        batch_rows: RECORDS,
        flush_every: Duration::from_secs(60),
        role: schema::Role::Gatherer,
        clock: Clock::start(),
    };
    let following = follow(&store, log, follow_config, Frames::default(), progress, stop.clone());
    let mut refusals = 0;
    let watching = async {
        loop {
            watched.changed().await.unwrap();
            let now = watched.borrow_and_update().clone();
            refusals +=
                usize::from(now.last_error.is_some_and(|error| error.contains("memory_limit")));
            if now.cursor == Some(end) {
                break;
            }
        }
        stop.cancel();
    };
    let (followed, ()) = tokio::join!(following, watching);
    followed.unwrap();
    assert!(refusals > 0, "the batch was never refused: the test proves nothing");
    let counted: (u64, u64) = store
        .client()
        .query("SELECT count(), uniqExact(position_offset) FROM raw_frames")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(counted, (RECORDS as u64, RECORDS as u64), "after {refusals} refusals");
}
