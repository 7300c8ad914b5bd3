//! A busy connection gives markets away without a hole.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    harness::{Kept, Venue, until},
    truth::Witnessed,
};

#[tokio::test(flavor = "multi_thread")]
async fn markets_move_from_a_busy_connection_and_every_change_is_kept() {
    let venue = Venue::open(&["--markets", "24", "--rate", "600"]).await;
    venue.tell("resume", "").await;
    let flags =
        ["--markets-per-connection", "12", "--rebalance-secs", "2", "--poll-every-secs", "0"];
    let gatherer = venue.gatherer("east", &flags).await;
    venue.until_subscribed("all", |all| all.len() == 24).await;
    let before = venue.subscribed().await;
    let (busy, at_first) = before.iter().next().expect("two connections");
    let weigh = json!({"do": "weigh", "tickers": at_first, "share": 0.97});
    venue.tell("markets", &weigh.to_string()).await;
    let moved = until("markets to move", || async {
        let now = venue.subscribed().await;
        let left: BTreeSet<String> = at_first.difference(now.get(busy)?).cloned().collect();
        (left.len() >= 2).then_some(left)
    })
    .await;
    // Some traffic on the new connection, then everything that was sent is kept.
    let frames = gatherer.health().await["frames_total"].as_u64().expect("a number");
    gatherer.until_frames(frames + 1_000).await;
    let elsewhere = venue.subscribed().await;
    let all: BTreeSet<&String> = elsewhere.values().flatten().collect();
    assert_eq!(all.len(), 24, "every market is carried");
    venue.settle(&[&gatherer]).await;
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    let mut witnessed = Witnessed::by(&kept);
    let truth = venue.truth().await;
    assert_eq!(witnessed.missed(&truth, |_| true), []);
    let twice = witnessed.covered_twice();
    let overlapped = moved.iter().filter(|market| twice.contains(market.as_str())).count();
    assert!(overlapped > 0, "{moved:?} moved, covered twice were {twice:?}");
    let forgotten = witnessed.forget_one();
    assert_eq!(witnessed.missed(&truth, |_| true), [forgotten], "a hole would be seen");
}
