//! Books over REST: rounds, one by command, and what happens when the exchange has had enough.

use std::collections::BTreeSet;

use proto::Capture;
use serde_json::{Value, json};

use crate::{
    follow::Follower,
    harness::{Gatherer, Kept, Venue, http, until},
};

/// Receipts of polls (wall ms) and what they hold.
fn polls(kept: &Kept) -> Vec<(i64, BTreeSet<String>)> {
    let polls = kept.captures().filter_map(|capture| match capture {
        Capture::RestBooks { stamp, body } => {
            let books = exchange::rest::orderbooks(body).expect("books");
            let tickers = books.into_iter().map(|(ticker, _)| ticker).collect();
            Some((stamp.wall_ns / 1_000_000, tickers))
        }
        _ => None,
    });
    polls.collect()
}

/// Waits until `count` answers are in the gatherer's spool, from its oldest record on.
async fn until_kept(gatherer: &Gatherer, count: usize) {
    let (mut follower, _) = Follower::dial(gatherer, None).await;
    let mut kept = 0;
    while kept < count {
        let batch = follower.batch().await.expect("it runs");
        kept += batch
            .split()
            .map(|record| Capture::decode(record.expect("checked")).expect("a capture"))
            .filter(|capture| matches!(capture, Capture::RestBooks { .. }))
            .count();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_polls_every_book_at_once_and_so_does_a_restart() {
    let venue = Venue::open(&["--markets", "230", "--rate", "100"]).await;
    for round in 1..=2 {
        let gatherer = venue.gatherer("east", &["--poll-every-secs", "86400"]).await;
        until_kept(&gatherer, 3 * round).await;
        gatherer.stop().await;
        let kept = polls(&Kept::read(&venue.data_dir("east")));
        let all: BTreeSet<&String> = kept.iter().flat_map(|(_, tickers)| tickers).collect();
        assert_eq!((kept.len(), all.len()), (3 * round, 230), "a hundred a call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gatherers_poll_in_turn() {
    let venue = Venue::open(&["--markets", "5", "--rate", "50"]).await;
    let mut gatherers = Vec::new();
    for (name, slot) in [("east", "1/3"), ("west", "2/3"), ("north", "3/3")] {
        let flags = ["--poll-every-secs", "9", "--poll-slot", slot];
        gatherers.push((name, venue.gatherer(name, &flags).await));
    }
    for (name, gatherer) in &gatherers {
        until_kept(gatherer, if *name == "east" { 3 } else { 2 }).await;
    }
    let places = [("east", 0), ("west", 3_000), ("north", 6_000)];
    for ((name, gatherer), (_, from_ms)) in gatherers.into_iter().zip(places) {
        gatherer.stop().await;
        let kept = polls(&Kept::read(&venue.data_dir(name)));
        // The first was made at the start, whenever that was.
        let begun: Vec<i64> =
            kept.iter().skip(1).map(|(at_ms, _)| at_ms.rem_euclid(9_000)).collect();
        let in_turn = |place: &i64| (from_ms..from_ms + 3_000).contains(place);
        assert!(!begun.is_empty() && begun.iter().all(in_turn), "{name}: {begun:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_answered_by_silence() {
    let venue = Venue::open(&["--markets", "30", "--rate", "50"]).await;
    let flags = ["--poll-every-secs", "2", "--admin-token", "t"];
    let gatherer = venue.gatherer("east", &flags).await;
    gatherer.until("markets", |health| health["connections"][0]["markets"] == 30).await;
    let before = venue.status().await["rest_limited"].as_u64().expect("a number");
    venue.tell("faults", r#"{"kind":"limit","seconds":6}"#).await;
    until("a 429", || async {
        (venue.status().await["rest_limited"].as_u64()? > before).then_some(())
    })
    .await;
    let poll = format!("{}/admin/poll-market?ticker=KXBTC15M-26S00000-A", gatherer.http);
    // It waits for the silence to end, and is answered then.
    let polled = http().post(poll).bearer_auth("t").send().await.expect("an answer");
    assert_eq!(polled.status(), 200, "{}", polled.text().await.unwrap_or_default());
    let limited = venue.status().await["rest_limited"].as_u64().expect("a number") - before;
    assert!((1..=12).contains(&limited), "{limited} requests met a 429 in six seconds");
    gatherer.stop().await;
    assert!(!polls(&Kept::read(&venue.data_dir("east"))).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_withdrawn_makes_no_storm_of_requests() {
    let venue = Venue::open(&["--markets", "230", "--rate", "50"]).await;
    let gatherer = venue.gatherer("east", &["--poll-every-secs", "2"]).await;
    until_kept(&gatherer, 3).await;
    venue.tell("faults", r#"{"kind":"forbid","seconds":9}"#).await;
    // The polls go on by themselves when it is over.
    until_kept(&gatherer, 3 + 6).await;
    gatherer.stop().await;
    // A refused request that was asked again in halves would be many, and among them the first to be answered.
    let kept = polls(&Kept::read(&venue.data_dir("east")));
    let sizes: BTreeSet<usize> = kept.iter().map(|(_, tickers)| tickers.len()).collect();
    assert_eq!(sizes, [30, 100].into(), "books an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_polls_one_book_and_is_told_what_was_kept() {
    let venue = Venue::open(&["--markets", "3", "--rate", "50"]).await;
    let flags = ["--poll-every-secs", "0", "--admin-token", "t"];
    let gatherer = venue.gatherer("east", &flags).await;
    let poll = async |ticker: &str| -> (u16, Value) {
        let url = format!("{}/admin/poll-market?ticker={ticker}", gatherer.http);
        let answer = http().post(url).bearer_auth("t").send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON"))
    };
    assert_eq!(poll("NO-SUCH").await.0, 404);
    assert_eq!(poll("A/B").await.0, 400);
    let ticker = "KXBTC15M-26S00000-A";
    let (status, told) = poll(ticker).await;
    assert_eq!((status, &told["ticker"], &told["source"]), (200, &json!(ticker), &json!("rest")));
    gatherer.stop().await;
    let kept = Kept::read(&venue.data_dir("east"));
    let body = kept.captures().find_map(|capture| match capture {
        Capture::RestBooks { stamp, body } => Some((stamp.wall_ns / 1_000, body)),
        _ => None,
    });
    let (at_us, body) = body.expect("it was kept");
    assert_eq!(told["snapshot_ts_us"], json!(at_us));
    let (_, book) = exchange::rest::orderbooks(body).expect("books").remove(0);
    let book = book.to_yes_leg();
    let shown: Vec<Value> = book
        .no
        .iter()
        .map(|level| json!([level.price.to_string(), level.size.to_string()]))
        .collect();
    assert_eq!(
        (told["yes_levels"].as_u64(), &told["no"]),
        (Some(book.yes.len() as u64), &Value::Array(shown))
    );
}
