//! What a subscriber gets, against the truth.

use futures_util::StreamExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{levels_of, rebuild, seqs},
    world::{LIMIT, World, books},
};

#[tokio::test]
async fn snapshots_and_deltas_rebuild_the_books_of_the_truth() {
    let world = World::open(&["--markets", "20", "--rate", "3000"]).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta"], &tickers).await;
    for _ in 0..5000 {
        client.next().await;
    }
    world.post("/sim/pause", &json!({})).await;
    client.settle().await;
    let frames = client.values();
    let seqs = seqs(&frames, 1);
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "seq counts every message");
    assert!(client.frames.iter().all(|text| text.ends_with("}\n")));
    assert!(client.frames.iter().all(|text| text.contains(",\"sending_ts_ms\":")));
    let told = rebuild(&frames);
    assert_eq!(told.len(), 20);
    assert_eq!(told, books(&world.truth().await));
    world.close().await;
}

#[tokio::test]
async fn no_prices_are_no_leg_unless_yes_prices_were_asked_for() {
    let world = World::open(&["--markets", "5", "--rate", "2000"]).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    let params = json!({"channels": ["orderbook_delta"], "market_tickers": tickers});
    client.send(json!({"id": 1, "cmd": "subscribe", "params": params})).await;
    for _ in 0..1000 {
        client.next().await;
    }
    world.post("/sim/pause", &json!({})).await;
    client.settle().await;
    let mut expected = books(&world.truth().await);
    for (_, levels) in expected.values_mut() {
        let flip = |(side, price): (String, i64)| {
            let price = if side == "no" { 10_000 - price } else { price };
            (side, price)
        };
        *levels = std::mem::take(levels).into_iter().map(|(key, size)| (flip(key), size)).collect();
    }
    assert_eq!(rebuild(&client.values()), expected);
    world.close().await;
}

#[tokio::test]
async fn two_connections_get_the_same_bodies_in_the_same_order() {
    let world = World::open(&["--markets", "8", "--rate", "2000", "--start-paused"]).await;
    let tickers = world.tickers().await;
    let mut bodies = Vec::new();
    let (mut first, mut second) = (world.client().await, world.client().await);
    for client in [&mut first, &mut second] {
        client.subscribe(1, &["trade", "orderbook_delta"], &tickers).await;
        client.settle().await;
    }
    world.post("/sim/resume", &json!({})).await;
    world.until("1000 deltas", |status| status["deltas"].as_u64() > Some(1000)).await;
    world.post("/sim/pause", &json!({})).await;
    for client in [&mut first, &mut second] {
        client.settle().await;
        let deltas = client.values().into_iter().filter(|frame| frame["type"] == "orderbook_delta");
        bodies.push(deltas.map(|frame| frame["msg"].clone()).collect::<Vec<_>>());
    }
    assert!(bodies[0].len() > 1000);
    assert_eq!(bodies[0], bodies[1]);
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_on_request_equals_the_book_and_keeps_the_count() {
    let world = World::open(&["--markets", "6", "--rate", "1000"]).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta"], &tickers[..3]).await;
    client.until(|frame| frame["type"] == "orderbook_delta").await;
    let params =
        json!({"sids": [1], "action": "get_snapshot", "market_tickers": [tickers[0], tickers[5]]});
    client.send(json!({"id": 7, "cmd": "update_subscription", "params": params})).await;
    for _ in 0..2 {
        let snapshot = client.answer(7).await;
        assert_eq!(snapshot["type"], "orderbook_snapshot");
        let ticker = snapshot["msg"]["market_ticker"].as_str().unwrap();
        if ticker == tickers[0] {
            let before = client.values();
            let (clock, levels) = rebuild(&before[..before.len() - 1])[ticker].clone();
            assert_eq!(snapshot["msg"]["clock"], clock);
            assert_eq!(levels_of(&snapshot["msg"]), levels);
        }
    }
    for _ in 0..200 {
        let frame = client.next().await;
        assert_ne!(frame["msg"]["market_ticker"], json!(tickers[5]), "it was not subscribed");
    }
    let frames = client.values();
    let seqs = seqs(&frames, 1);
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
    world.close().await;
}

#[tokio::test]
async fn trades_tickers_and_lifecycle_are_in_the_truth_as_they_were_sent() {
    let world = World::open(&[
        "--markets",
        "20",
        "--rate",
        "2000",
        "--lifecycle-every",
        "0.2",
        "--start-paused",
    ])
    .await;
    let mut client = world.client().await;
    let channels = ["ticker", "trade", "market_lifecycle_v2", "multivariate_market_lifecycle"];
    client.subscribe(1, &channels, &[]).await;
    client.settle().await;
    world.post("/sim/resume", &json!({})).await;
    world.until("lifecycle", |status| status["lifecycle"].as_u64() > Some(20)).await;
    world.until("tickers", |status| status["tickers"].as_u64() > Some(30)).await;
    world.post("/sim/pause", &json!({})).await;
    client.settle().await;
    let (frames, truth) = (client.values(), world.truth().await);
    for (kind, of) in
        [("trade", "trade"), ("ticker", "ticker"), ("lifecycle", "market_lifecycle_v2")]
    {
        let told = frames.iter().filter(|frame| frame["type"] == of).count();
        let true_lines = truth
            .iter()
            .filter(|line| line["t"] == kind && line.get("kind").is_none_or(|known| known == of));
        assert_eq!(told, true_lines.count(), "{kind}");
        assert!(told > 0, "{kind}");
    }
    let sid =
        frames.iter().find(|frame| frame["type"] == "trade").unwrap()["sid"].as_u64().unwrap();
    assert!(seqs(&frames, sid).iter().copied().eq(1..=seqs(&frames, sid).len() as u64));
    let ids = |value: &serde_json::Value| value["trade_id"].clone();
    let told: Vec<_> = frames
        .iter()
        .filter(|frame| frame["type"] == "trade")
        .map(|frame| ids(&frame["msg"]))
        .collect();
    let expected: Vec<_> = truth.iter().filter(|line| line["t"] == "trade").map(ids).collect();
    assert_eq!(told, expected);
    assert!(frames.iter().all(|frame| frame["type"] != "ticker" || frame.get("seq").is_none()));
    world.close().await;
}

#[tokio::test]
async fn a_market_that_closes_sends_two_empty_snapshots_and_then_nothing() {
    let world =
        World::open(&["--markets", "10", "--rate", "2000", "--lifecycle-every", "0.2"]).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta"], &tickers).await;
    world.until("a market closed", |status| status["emptied"].as_u64() > Some(1)).await;
    world.post("/sim/pause", &json!({})).await;
    client.settle().await;
    let truth = world.truth().await;
    let closed = truth.iter().find(|line| {
        line["t"] == "empty" && tickers.iter().any(|ticker| line["market"] == **ticker)
    });
    let ticker = closed.expect("one of the first markets closed")["market"].clone();
    let frames = client.values();
    let of_market: Vec<_> =
        frames.iter().filter(|frame| frame["msg"]["market_ticker"] == ticker).collect();
    let [.., before, last] = of_market.as_slice() else { panic!("{of_market:?}") };
    for frame in [before, last] {
        assert_eq!(frame["type"], "orderbook_snapshot");
        assert!(levels_of(&frame["msg"]).is_empty(), "{frame}");
    }
    assert_eq!(last["seq"].as_u64().unwrap(), before["seq"].as_u64().unwrap() + 1);
    world.close().await;
}

#[tokio::test]
async fn a_ping_comes_every_ten_seconds() {
    let world = World::open(&["--start-paused"]).await;
    let mut client = world.client().await;
    let heard = tokio::time::timeout(LIMIT, client.socket.next()).await.expect("a ping in time");
    assert_eq!(heard.unwrap().unwrap(), Message::Ping("heartbeat".into()));
    world.close().await;
}
