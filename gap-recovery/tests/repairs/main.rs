//! The program against a ClickHouse and a simulated exchange whose trades nobody captured: what is
//! written, in which order, and that nothing is written twice.

#![expect(clippy::unwrap_used, reason = "a test that meets None or Err has failed")]

mod published;
mod world;

use serde_json::{Value, json};
use world::{World, list};

#[tokio::test(flavor = "multi_thread")]
async fn no_trade_is_stored_before_the_audit_says_so() {
    let world = World::open().await;
    let ticker = world.busiest();
    world.hole("", ticker, 1_000).await;
    world.snapshot(ticker, 1_000).await;
    // The store refuses the trades, as one does that fails in between.
    world.run("ALTER TABLE trades ADD CONSTRAINT broken CHECK NOT recovered").await;
    world.recovery(&["trades"], 1).await;
    let begun = world.rows_of("begun").await;
    assert_eq!(begun, world.trades_of(ticker), "the intent is told");
    assert_eq!((world.rows_of("ok").await, world.stored().await), (0, 0));

    world.run("ALTER TABLE trades DROP CONSTRAINT broken").await;
    let done = world.recovery(&["trades"], 0).await;
    assert_eq!(done["holes"][0]["is"], "repaired", "{done}");
    assert_eq!((world.rows_of("ok").await, world.stored().await), (begun, begun));
    assert_eq!(world.rows_of("begun").await, 2 * begun, "it was begun twice");
    // By what the last intent says one finds the very rows.
    let intents = world.audit().await;
    let intent = intents.iter().rfind(|action| action.outcome == "begun").unwrap();
    let detail: Value = serde_json::from_str(&intent.detail).unwrap();
    let named = format!("toUnixTimestamp64Micro(ingest_ts) = {}", detail["ingest_us"]);
    assert_eq!(world.count("trades", &named).await, intent.rows_written);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_by_name_is_told_before_too() {
    let world = World::open().await;
    let ticker = world.busiest();
    world.settled().await;
    let typed = ["trades", ticker, "--span", "1h..now"];
    world.run("ALTER TABLE trades ADD CONSTRAINT broken CHECK NOT recovered").await;
    world.recovery(&typed, 1).await;
    assert_eq!(world.rows_of("begun").await, world.trades_of(ticker));
    world.run("ALTER TABLE trades DROP CONSTRAINT broken").await;
    let before = world.audit().await.len();
    let all_young = ["trades", ticker, "--span", "30m..now", "--margin", "1h"];
    world.recovery(&all_young, 1).await;
    let young = world.recovery(&["trades", ticker, "--span", "2h..now", "--margin", "1h"], 0).await;
    assert_eq!(young["markets"][0]["trades"], 0, "they may be on their way: {young}");
    assert_eq!(world.audit().await.len(), before, "nothing was to be done");
    world.recovery(&typed, 0).await;
    assert_eq!(world.rows_of("ok").await, world.trades_of(ticker));
    let before = world.audit().await.len();
    world.recovery(&typed, 0).await;
    assert_eq!(world.audit().await.len(), before, "a second run writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_writes_nothing_though_no_snapshot_is_stored() {
    let world = World::open().await;
    let ticker = world.busiest();
    world.hole("", ticker, 1_000).await;
    world.hole("", ticker, 2_000).await;
    let unknown = "GONE-1";
    world.hole("", unknown, 1_000).await;
    let first = world.recovery(&["trades"], 0).await;
    assert_eq!(first["trades_written"], world.trades_of(ticker), "{first}");
    assert_eq!(first["books_polled"], 1, "one book will do for both: {first}");
    assert_eq!(list(&first["books_refused"]).len(), 1, "{first}");
    let done: Vec<String> = world.audit().await.into_iter().map(|action| action.action).collect();
    // Evidence of the book comes before the trades.
    assert_eq!(done.first().map(String::as_str), Some("poll"), "{done:?}");
    assert!(done[1..].iter().all(|action| action == "trades"), "{done:?}");
    // No trade counts for two holes that lie over each other.
    assert_eq!(world.rows_of("ok").await, world.trades_of(ticker));

    let second = world.recovery(&["trades"], 0).await;
    let written = ["trades_written", "states_written", "books_polled"].map(|what| &second[what]);
    assert!(written.into_iter().all(|count| *count == 0), "{second}");
    assert_eq!(world.audit().await.len(), done.len(), "{second}");
    // A gatherer polls every quarter of an hour; its book is evidence as good as ours.
    world.run("TRUNCATE TABLE orderbook_snapshots").await;
    std::fs::remove_file(world.path("catalog.sqlite")).unwrap();
    assert_eq!(world.recovery(&["trades"], 0).await["books_polled"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_was_taken_back_is_left_alone() {
    let world = World::open().await;
    world.hole("covered_again", world.busiest(), 1_000).await;
    let done = world.recovery(&["trades", "--state", "all"], 0).await;
    assert!(list(&done["holes"]).is_empty(), "{done}");
    assert!(world.audit().await.is_empty());
    assert_eq!(list(&world.recovery(&["list"], 0).await).len(), 1, "it is listed");
    assert_eq!(world.recovery(&["verify"], 0).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_shown_with_what_broke_at_each_gatherer() {
    let world = World::open().await;
    world.gap("A", "2026-08-07 12:00:00", 5).await;
    // A jump of a subscription's sequence belongs to no market.
    world
        .run(
            "INSERT INTO lane_minutes (gatherer, market_ticker, minute, checkpoint, frames, breaks) VALUES \
              ('east', 'A', '2026-08-07 12:00:00', 1, 7, 0), ('east', '', '2026-08-07 12:00:00', 1, 3, 2)",
        )
        .await;
    let shown = world.recovery(&["show", "A"], 0).await;
    let east = json!([{"name": "east", "received": 7, "broken": 2}]);
    assert_eq!(shown[0]["gatherers"], east, "{shown}");
}
