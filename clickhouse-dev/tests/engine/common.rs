//! What these tests share: a table, its rows, and a client.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use clickhouse::{Client, Compression, Row};
use clickhouse_dev::{ClickHouse, Options};
use serde::{Deserialize, Serialize};

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS dev.t (id UInt64, price Decimal(5, 4), \
     at DateTime64(6, 'UTC'), name LowCardinality(String)) ENGINE = MergeTree ORDER BY id \
     SETTINGS non_replicated_deduplication_window = 1000";

#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) price: i32,
    pub(crate) at: i64,
    pub(crate) name: String,
}

pub(crate) fn events(ids: std::ops::Range<u64>) -> Vec<Event> {
    ids.map(|id| Event {
        id,
        price: i32::try_from(id % 10_000).expect("below 10,000"),
        at: 1_700_000_000_000_000 + id.cast_signed(),
        name: format!("M-{}", id % 7),
    })
    .collect()
}

pub(crate) fn start() -> ClickHouse {
    ClickHouse::for_tests(None).expect("an engine starts")
}

pub(crate) fn in_folder(folder: &std::path::Path) -> Options {
    Options { data: Some(folder.to_owned()), ..Options::default() }
}

pub(crate) fn client(engine: &ClickHouse) -> Client {
    Client::default()
        .with_url(engine.url())
        .with_user(engine.user())
        .with_compression(Compression::Lz4)
        .with_setting("async_insert", "0")
}

pub(crate) async fn with_table(engine: &ClickHouse) -> Client {
    let client = client(engine);
    run(&client, "CREATE DATABASE IF NOT EXISTS dev").await;
    run(&client, TABLE).await;
    client.with_database("dev")
}

pub(crate) async fn run(client: &Client, statement: &str) {
    client.query(statement).execute().await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

pub(crate) async fn insert(
    client: &Client,
    rows: &[Event],
    token: &str,
) -> Result<(), clickhouse::error::Error> {
    let client = client.clone().with_setting("insert_deduplication_token", token);
    let mut insert = client.insert::<Event>("t").await?;
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

pub(crate) async fn number(client: &Client, query: &str) -> u64 {
    client.query(query).fetch_one().await.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Whether a process of this id is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
    let state = String::from_utf8(output.expect("ps runs").stdout).expect("text");
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

#[expect(clippy::disallowed_methods, reason = "a test's time limit")]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
