//! A row of each table goes in and comes back as it went, with the client's validation on.

use clickhouse::{RowOwned, RowRead, RowWrite};
use schema::{
    Role,
    rows::{GapState, Price, Side, Table, UnixMicros},
};

use crate::{
    base::{Database, run},
    sample,
};

async fn goes_and_comes<R>(database: &Database, rows: &[R])
where
    R: Table + RowOwned + RowWrite + RowRead + PartialEq + std::fmt::Debug + Clone,
{
    database.insert(rows).await;
    assert_eq!(database.all::<R>().await, rows, "{}", R::TABLE);
}

#[tokio::test]
async fn rows_of_the_canonical_database() {
    let database = Database::new(Role::Canonical).await;
    goes_and_comes(&database, &[sample::event(1), sample::event(2)]).await;
    goes_and_comes(&database, &[sample::level(1, 500)]).await;
    goes_and_comes(&database, &[sample::gap(GapState::Open, 1)]).await;
    goes_and_comes(&database, &[sample::minute(1, 10), sample::minute(2, 20)]).await;
    shared(&database).await;
}

#[tokio::test]
async fn rows_of_a_gatherer_s_database() {
    let database = Database::new(Role::Gatherer).await;
    // The samples are older than a week.
    for table in
        ["orderbook_events", "trades", "tickers", "market_lifecycle", "orderbook_snapshots"]
    {
        run(&database.client, &format!("SYSTEM STOP TTL MERGES {table}")).await;
    }
    goes_and_comes(&database, &[sample::raw_event(1), sample::raw_event(2)]).await;
    let now = database.number("SELECT toUInt64(toUnixTimestamp64Micro(now64(6)))").await;
    let now = UnixMicros(now.cast_signed());
    goes_and_comes(&database, &[sample::frame(0, now), sample::frame(1, now)]).await;
    shared(&database).await;
}

#[tokio::test]
async fn what_grows_with_the_feed_ends_by_itself_on_a_gatherer_and_never_in_the_canonical_record() {
    let without = "SELECT count() FROM system.tables WHERE database = currentDatabase() \
         AND engine LIKE '%MergeTree' AND create_table_query NOT LIKE '% TTL %' \
         AND name NOT IN ('sink_cursor', 'schema_migrations')";
    assert_eq!(Database::new(Role::Gatherer).await.number(without).await, 0);
    let with = "SELECT count() FROM system.tables WHERE database = currentDatabase() \
         AND create_table_query LIKE '% TTL %'";
    assert_eq!(Database::new(Role::Canonical).await.number(with).await, 0);
}

async fn shared(database: &Database) {
    goes_and_comes(database, &[sample::trade(u128::MAX)]).await;
    goes_and_comes(database, &[sample::ticker(4_800)]).await;
    goes_and_comes(database, &[sample::lifecycle("{\"result\":\"yes\"}")]).await;
    goes_and_comes(database, &[sample::snapshot("rest")]).await;
    goes_and_comes(database, &[sample::cursor(1, 55)]).await;
}

#[tokio::test]
async fn a_person_reads_dollars_contracts_and_times() {
    let database = Database::new(Role::Canonical).await;
    database.insert(&[sample::event(1)]).await;
    let query = "SELECT concat(toString(type), ' ', toString(side), ' ', toString(price), ' ', \
         toString(qty), ' ', toString(ts), ' ', toString(ingest_ts), ' ', toString(market_id)) \
         FROM orderbook_events";
    let text: String = database.client.query(query).fetch_one().await.expect("one row");
    assert_eq!(
        text,
        "delta no 0.9999 -1234567890123.45 2026-09-21 14:13:20.123 2026-09-21 14:13:20.123456 \
         9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1"
    );
}

#[tokio::test]
async fn the_rows_of_one_snapshot_share_its_seq_and_stay_apart() {
    let database = Database::new(Role::Canonical).await;
    let mut rows = vec![sample::event(1); 3];
    rows[0].side = Side::Yes;
    rows[1].price = Price(1);
    database.insert(&rows).await;
    assert_eq!(database.all::<schema::rows::OrderbookEvent>().await.len(), 3);
}
