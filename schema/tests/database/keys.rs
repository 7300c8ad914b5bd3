//! The second net: a row that comes twice is one row, and the newest state is the one that is read.

use schema::{
    Role, SINK_CURSOR,
    rows::{
        Gap, GapState, LaneMinute, LatestLevel, MarketLifecycle, OrderbookEvent, SinkCursor,
        Ticker, Trade,
    },
};

use crate::{
    base::{Database, insert_into, run},
    sample,
};

#[tokio::test]
async fn an_event_that_is_stored_twice_is_one_event() {
    let database = Database::new(Role::Canonical).await;
    let mut again = sample::event(1);
    // The same event, as another gatherer's copy would tell it after a deduplicator lost its disk.
    again.gatherer = "west".into();
    again.ingest_ts.0 += 50;
    database.insert(&[sample::event(1)]).await;
    database.insert(&[again.clone(), sample::event(2)]).await;
    assert_eq!(database.all::<OrderbookEvent>().await, [again, sample::event(2)]);
}

#[tokio::test]
async fn a_batch_under_the_same_token_is_stored_once_in_every_table_that_takes_batches() {
    let database = Database::new(Role::Canonical).await;
    let unprotected = "SELECT count() FROM system.tables WHERE database = currentDatabase() \
         AND engine LIKE '%MergeTree' AND name != 'schema_migrations' \
         AND create_table_query NOT LIKE '%non_replicated_deduplication_window = 10000%'";
    assert_eq!(database.number(unprotected).await, 0);
    let client = database.client.clone().with_setting("insert_deduplication_token", "7-1000");
    for _ in 0..2 {
        insert_into(&client, "orderbook_events", &[sample::event(1), sample::event(2)]).await;
    }
    // Without FINAL: the rows themselves, not what the key makes of them.
    assert_eq!(database.number("SELECT count() FROM orderbook_events").await, 2);
}

#[tokio::test]
async fn a_vanished_level_is_not_in_the_book_whatever_order_its_states_came_in() {
    let database = Database::new(Role::Canonical).await;
    run(&database.client, "SYSTEM STOP MERGES latest_levels").await;
    for (seq, size) in [(1, 500), (3, 0), (2, 700)] {
        database.insert(&[sample::level(seq, size)]).await;
    }
    let resting = "SELECT count() FROM latest_book";
    assert_eq!(database.number(resting).await, 0, "seq 3 is the newest and is empty");
    assert_eq!(database.number("SELECT count() FROM latest_book WHERE size >= 500").await, 0);
    database.insert(&[sample::level(4, 900)]).await;
    let book = database.client.query("SELECT ?fields FROM latest_book").fetch_all::<LatestLevel>();
    assert_eq!(book.await.expect("the book"), [sample::level(4, 900)]);
}

#[tokio::test]
async fn a_live_trade_outlives_the_same_one_fetched_again() {
    let database = Database::new(Role::Canonical).await;
    let mut recovered = sample::trade(1);
    recovered.recovered = true;
    recovered.gatherer = "".into();
    database.insert(&[recovered.clone()]).await;
    assert_eq!(database.all::<Trade>().await, [recovered.clone()]);
    database.insert(&[sample::trade(1)]).await;
    // Not the same bytes as the first batch, which the window would drop.
    recovered.ingest_ts.0 += 1;
    database.insert(&[recovered]).await;
    assert_eq!(database.all::<Trade>().await, [sample::trade(1)]);
}

#[tokio::test]
async fn tickers_and_lifecycle_are_told_apart_by_content() {
    let database = Database::new(Role::Canonical).await;
    for _ in 0..2 {
        database.insert(&[sample::ticker(4_800), sample::ticker(4_900)]).await;
        database.insert(&[sample::lifecycle("{\"a\":1}"), sample::lifecycle("{\"a\":2}")]).await;
    }
    assert_eq!(database.all::<Ticker>().await.len(), 2);
    assert_eq!(database.all::<MarketLifecycle>().await.len(), 2);
}

#[tokio::test]
async fn a_gap_has_its_newest_state() {
    let database = Database::new(Role::Canonical).await;
    database.insert(&[sample::gap(GapState::Repaired, 2)]).await;
    database.insert(&[sample::gap(GapState::Open, 1)]).await;
    assert_eq!(database.all::<Gap>().await, [sample::gap(GapState::Repaired, 2)]);
}

#[tokio::test]
async fn a_minute_is_the_sum_of_its_checkpoints_each_counted_once() {
    let database = Database::new(Role::Canonical).await;
    database.insert(&[sample::minute(1, 10)]).await;
    database.insert(&[sample::minute(1, 10), sample::minute(2, 5)]).await;
    assert_eq!(database.all::<LaneMinute>().await.len(), 2);
    let frames = "SELECT sum(frames) FROM lane_minutes FINAL";
    assert_eq!(database.number(frames).await, 15);
}

#[tokio::test]
async fn the_farthest_cursor_counts() {
    let database = Database::new(Role::Canonical).await;
    for (incarnation, offset) in [(2, 10), (1, 900), (2, 30), (2, 20)] {
        database.insert(&[sample::cursor(incarnation, offset)]).await;
    }
    let found = database.client.query(SINK_CURSOR).bind("clickhouse").fetch_one::<SinkCursor>();
    assert_eq!(found.await.expect("a cursor"), sample::cursor(2, 30));
    let none = database.client.query(SINK_CURSOR).bind("other").fetch_optional::<SinkCursor>();
    assert_eq!(none.await.expect("no error"), None);
}
