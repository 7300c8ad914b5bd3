//! Markets that come and go while the gatherer runs, with no break for the others.

use std::collections::BTreeSet;

use proto::Capture;
use serde_json::json;

use crate::{
    harness::{Kept, Venue, until},
    truth::Witnessed,
};

/// No list is asked for while a story lasts.
const NEVER: [&str; 4] = ["--markets-refresh-secs", "86400", "--poll-every-secs", "0"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&NEVER, more].concat()
}

/// Sessions that were opened in all.
fn sessions(kept: &Kept) -> usize {
    kept.captures().filter(|capture| matches!(capture, Capture::SessionOpened { .. })).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_is_announced_is_captured_from_its_first_order() {
    let venue = Venue::open(&["--markets", "6", "--rate", "500"]).await;
    let gatherer = venue.gatherer("east", &with(&[])).await;
    venue.tell("resume", "").await;
    gatherer.until_frames(100).await;
    let create = json!({"do": "create", "ticker": "KXNEW-26-A", "open_in": 8, "share": 0.6});
    venue.tell("markets", &create.to_string()).await;
    venue.until_subscribed("the new market", |all| all.contains("KXNEW-26-A")).await;
    venue
        .until_truth("its orders", |line| line["t"] == "delta" && line["market"] == "KXNEW-26-A")
        .await;
    let frames = gatherer.health().await["frames_total"].as_u64().expect("a number");
    gatherer.until_frames(frames + 300).await;
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    let witnessed = Witnessed::by(&kept);
    assert_eq!(witnessed.first_snapshot.get("KXNEW-26-A"), Some(&0), "before its first order");
    assert_eq!(witnessed.missed(&venue.truth().await, |ticker| !ticker.starts_with("KXMVE")), []);
    assert_eq!(sessions(&kept), 1, "the others had no break");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_and_closes_by_the_clock_is_there_in_time_and_dropped_after_its_last_words() {
    let venue = Venue::open(&["--markets", "4", "--rate", "300"]).await;
    venue.tell("resume", "").await;
    for (ticker, open_in, close_in) in [("KXCLOCK-26-SOON", 42, 600), ("KXCLOCK-26-OVER", 0, 14)] {
        let create = json!({"do": "create", "ticker": ticker, "open_in": open_in,
                            "close_in": close_in, "announce": false, "share": 0.3});
        venue.tell("markets", &create.to_string()).await;
    }
    venue.until_status("KXCLOCK-26-OVER", "active").await;
    let gatherer = venue.gatherer("east", &with(&["--market-linger-secs", "3"])).await;
    let first = venue.until_subscribed("some", |all| all.contains("KXCLOCK-26-OVER")).await;
    assert!(!first.contains("KXCLOCK-26-SOON"), "it opens in half a minute: {first:?}");
    venue.until_subscribed("the one that opens", |all| all.contains("KXCLOCK-26-SOON")).await;
    venue.until_status("KXCLOCK-26-SOON", "initialized").await;
    let left =
        venue.until_subscribed("the other gone", |all| !all.contains("KXCLOCK-26-OVER")).await;
    assert_eq!(left.len(), first.len());
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    let witnessed = Witnessed::by(&kept);
    assert!(witnessed.empty_snapshots.contains("KXCLOCK-26-OVER"), "its last word");
    assert_eq!(witnessed.missed(&venue.truth().await, |ticker| !ticker.starts_with("KXMVE")), []);
    assert_eq!(sessions(&kept), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_market_is_dropped_and_its_frames_say_so() {
    let venue = Venue::open(&["--markets", "6", "--rate", "500"]).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &with(&["--market-linger-secs", "1"])).await;
    let all = venue.until_subscribed("all", |all| all.len() >= 5).await;
    let settled = all.first().expect("some").clone();
    let settle = json!({"do": "settle", "ticker": settled});
    venue.tell("markets", &settle.to_string()).await;
    let left = venue.until_subscribed("one less", |all| !all.contains(&settled)).await;
    assert_eq!(left.len(), all.len() - 1);
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    let frames = kept.frames();
    // On the book, the trade and the ticker channel, raw as everything else.
    let dropped = frames.iter().filter(|(_, text)| {
        let frame = exchange::decode(text).expect("good");
        matches!(&frame.message, exchange::Message::Ok(reply)
            if reply.market_tickers.as_ref().is_some_and(|list| !list.contains(&settled)))
    });
    assert_eq!(dropped.count(), 3);
    let of_rest = |ticker: &str| left.contains(ticker);
    assert_eq!(Witnessed::by(&kept).missed(&venue.truth().await, of_rest), []);
    assert_eq!(sessions(&kept), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn combinations_are_left_out_unless_asked_for() {
    let venue = Venue::open(&["--markets", "62", "--rate", "100"]).await;
    let count =
        |all: &BTreeSet<String>| all.iter().filter(|ticker| ticker.starts_with("KXMVE")).count();
    let without = venue.gatherer("east", &with(&["--mve-markets", "exclude"])).await;
    let all = venue.until_subscribed("the ordinary ones", |all| all.len() == 56).await;
    assert_eq!(count(&all), 0, "{all:?}");
    for ticker in ["KXMVESPORTS-26-NEW", "KXPLAIN-26-NEW"] {
        let create = json!({"do": "create", "ticker": ticker, "open_in": 1});
        venue.tell("resume", "").await;
        venue.tell("markets", &create.to_string()).await;
    }
    let all = venue.until_subscribed("the plain one", |all| all.contains("KXPLAIN-26-NEW")).await;
    assert_eq!((all.len(), count(&all)), (57, 0));
    without.stop().await;
    let with_all = venue.gatherer("west", &with(&["--mve-markets", "include"])).await;
    let all = venue.until_subscribed("all of them", |all| all.len() == 64).await;
    assert_eq!(count(&all), 7);
    with_all.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_markets_are_spread_evenly_over_four_connections() {
    let venue = Venue::open(&["--markets", "2000", "--rate", "300"]).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &with(&["--rebalance-secs", "86400"])).await;
    venue.until_subscribed("all", |all| all.len() == 2_000).await;
    let spread: Vec<usize> = venue.subscribed().await.values().map(BTreeSet::len).collect();
    assert_eq!(spread, [500; 4]);
    gatherer.until("four connections", |health| health["status"] == "ok").await;
    gatherer.until_frames(2_000).await;
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;
    let witnessed = Witnessed::by(&Kept::read(&venue.data_dir("east")));
    assert_eq!(witnessed.first_snapshot.len(), 2_000);
    assert_eq!(witnessed.missed(&venue.truth().await, |_| true), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_subscription_refuses_goes_to_another_connection() {
    let limit = ["--max-markets-per-subscription", "7"];
    let venue = Venue::open(&[&["--markets", "20", "--rate", "200"], &limit[..]].concat()).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &with(&["--markets-per-connection", "20"])).await;
    venue.until_subscribed("all", |all| all.len() == 20).await;
    let spread = venue.subscribed().await;
    assert!(spread.len() >= 3 && spread.values().all(|markets| markets.len() <= 7), "{spread:?}");
    gatherer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_closed_while_the_gatherer_was_down_is_taken_in_again_at_its_start() {
    let venue = Venue::open(&["--markets", "4", "--rate", "300"]).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &with(&[])).await;
    let all = venue.until_subscribed("all", |all| all.len() == 4).await;
    gatherer.until_frames(100).await;
    let remembered = venue.data_dir("east").join("markets");
    until("the markets written down", || async { remembered.exists().then_some(()) }).await;
    gatherer.stop().await;
    let closed = all.first().expect("some").clone();
    venue.tell("markets", &json!({"do": "settle", "ticker": closed}).to_string()).await;
    venue.until_status(&closed, "finalized").await;

    let gatherer = venue.gatherer("east", &with(&[])).await;
    assert_eq!(venue.until_subscribed("all again", |all| all.len() == 4).await, all);
    gatherer.until_frames(100).await;
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;
    let witnessed = Witnessed::by(&Kept::read(&venue.data_dir("east")));
    assert!(witnessed.empty_snapshots.contains(&closed), "how it ended is seen");
}
