//! The gatherer's own ClickHouse.

use clickhouse_dev::ClickHouse;
use tokio::task::spawn_blocking;

use crate::harness::{Kept, Venue, http, until};

/// A query's answer as text.
async fn query(url: &str, sql: &str) -> Result<String, String> {
    let answer = http().post(url).body(sql.to_owned()).send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(text.trim().to_owned()) } else { Err(text) }
}

async fn count(url: &str, what: &str) -> usize {
    let answer = query(url, &format!("SELECT count() FROM kalshi.{what}")).await.expect("a table");
    answer.parse().expect("a number")
}

async fn engine() -> ClickHouse {
    let started = spawn_blocking(|| ClickHouse::for_tests(None)).await.expect("no panic");
    started.expect("an engine")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_spool_is_in_the_tables_once_over_a_restart() {
    let engine = engine().await;
    let url = engine.url().to_owned();
    let venue = Venue::open(&["--markets", "4", "--rate", "400"]).await;
    venue.tell("resume", "").await;
    let flags = ["--clickhouse-url", &url, "--batch-flush-secs", "1", "--admin-token", "t"];
    let flags = [&flags[..], &["--poll-every-secs", "0"]].concat();
    for frames in [300, 200] {
        let gatherer = venue.gatherer("east", &flags).await;
        gatherer.until_frames(frames).await;
        gatherer
            .until("rows", |health| health["clickhouse"]["rows_total"].as_u64() > Some(0))
            .await;
        let ticker = query(&url, "SELECT any(market_ticker) FROM kalshi.orderbook_events").await;
        let poll = format!("{}/admin/poll-market?ticker={}", gatherer.http, ticker.expect("one"));
        let polled = http().post(poll).bearer_auth("t").send().await.expect("an answer");
        assert_eq!(polled.status(), 200, "{}", polled.text().await.unwrap_or_default());
        gatherer.stop().await;
    }
    let kept = Kept::read(&venue.data_dir("east"));
    let frames = kept.frames();
    assert_eq!(count(&url, "raw_frames").await, frames.len());
    let kind = |wanted: &str| {
        let needle = format!("\"type\":\"{wanted}\"");
        frames.iter().filter(|(_, text)| text.contains(&needle)).count()
    };
    assert_eq!(count(&url, "orderbook_events WHERE type = 'delta'").await, kind("orderbook_delta"));
    assert_eq!(count(&url, "trades").await, kind("trade"));
    assert_eq!(count(&url, "orderbook_snapshots").await, 2);
    spawn_blocking(move || engine.stop()).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_holds_nothing_up_and_is_caught_up_with() {
    let mut engine = engine().await;
    let url = engine.url().to_owned();
    engine.kill();
    let venue = Venue::open(&["--markets", "4", "--rate", "400"]).await;
    venue.tell("resume", "").await;
    let flags = ["--clickhouse-url", &url, "--batch-flush-secs", "1"];
    let gatherer = venue.gatherer("east", &flags).await;
    let health = gatherer.until_frames(500).await;
    assert_eq!(health["clickhouse"]["reachable"], false);
    assert_eq!(health["status"], "degraded");
    let engine = spawn_blocking(move || engine.restart().map(|()| engine)).await;
    let engine = engine.expect("no panic").expect("it starts again");
    venue.tell("pause", "").await;
    let frames = gatherer.health().await["frames_total"].as_u64().expect("a number") as usize;
    until("all frames in the table", || async {
        let answer = query(&url, "SELECT count() FROM kalshi.raw_frames").await.ok()?;
        (answer.parse::<usize>().ok()? >= frames).then_some(())
    })
    .await;
    gatherer.until("a store that answers", |health| health["status"] == "ok").await;
    gatherer.stop().await;
    spawn_blocking(move || engine.stop()).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_url_the_engine_is_embedded_and_ends_with_the_gatherer() {
    let venue = Venue::open(&["--markets", "2", "--rate", "100"]).await;
    venue.tell("resume", "").await;
    let flags = ["--clickhouse-url", "", "--batch-flush-secs", "1"];
    let gatherer = venue.gatherer("east", &flags).await;
    gatherer.until("rows", |health| health["clickhouse"]["rows_total"].as_u64() > Some(0)).await;
    gatherer.stop().await;
    // A second run finds the folder free and its cursor in the tables.
    let gatherer = venue.gatherer("east", &flags).await;
    gatherer.until("a cursor", |health| health["clickhouse"]["cursor"].is_string()).await;
    gatherer.stop().await;
}
