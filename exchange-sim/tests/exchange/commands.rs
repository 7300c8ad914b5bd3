//! Commands, their answers, and their errors.

use serde_json::json;

use crate::{client::seqs, world::World};

#[tokio::test]
async fn a_repeated_subscribe_is_answered_ok_and_adds_only_what_is_new() {
    let world = World::open(&["--markets", "10", "--start-paused"]).await;
    let mut tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["ticker", "orderbook_delta"], &tickers[..2]).await;
    let ticker = client.next().await;
    assert_eq!(
        (&ticker["type"], &ticker["msg"]),
        (&json!("subscribed"), &json!({"channel": "ticker", "sid": 1}))
    );
    assert!(ticker.get("seq").is_none());
    assert_eq!(client.next().await["msg"], json!({"channel": "orderbook_delta", "sid": 2}));
    client.settle().await;
    client.subscribe(2, &["orderbook_delta"], &tickers[1..4]).await;
    let ok = client.next().await;
    assert_eq!(
        (&ok["type"], &ok["id"], &ok["sid"], &ok["seq"]),
        (&json!("ok"), &json!(2), &json!(2), &json!(3))
    );
    let new: Vec<String> = tickers[2..4].to_vec();
    tickers.truncate(4);
    tickers.sort();
    assert_eq!(ok["msg"]["market_tickers"], json!(tickers), "the full list, sorted");
    for _ in 0..2 {
        let snapshot = client.next().await;
        assert!(
            new.iter().any(|ticker| snapshot["msg"]["market_ticker"] == **ticker),
            "{snapshot}"
        );
    }
    client.settle().await;
    assert_eq!(seqs(&client.values(), 2), [1, 2, 3, 4, 5]);
    world.close().await;
}

#[tokio::test]
async fn markets_leave_and_subscriptions_end() {
    let world = World::open(&["--markets", "4", "--rate", "1000"]).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta", "trade"], &tickers).await;
    client.answer(1).await;
    let params = json!({"sid": 1, "action": "delete_markets", "market_tickers": [tickers[0]]});
    client.send(json!({"id": 2, "cmd": "update_subscription", "params": params})).await;
    let ok = client.until(|frame| frame["id"] == 2).await;
    assert_eq!(ok["msg"]["market_tickers"].as_array().unwrap().len(), 3);
    for _ in 0..100 {
        let frame = client.until(|frame| frame["sid"] == 1).await;
        assert_ne!(frame["msg"]["market_ticker"], json!(tickers[0]));
    }
    client.send(json!({"id": 3, "cmd": "unsubscribe", "params": {"sids": [1]}})).await;
    let ended = client.until(|frame| frame["id"] == 3).await;
    assert_eq!((&ended["type"], &ended["sid"]), (&json!("unsubscribed"), &json!(1)));
    let frames = client.values();
    let mine = seqs(&frames, 1);
    assert_eq!(ended["seq"].as_u64(), mine.last().copied());
    assert!(mine.iter().copied().eq(1..=mine.len() as u64));
    client.send(json!({"id": 4, "cmd": "list_subscriptions"})).await;
    assert_eq!(client.answer(4).await["msg"], json!([{"channel": "trade", "sid": 2}]));
    for _ in 0..20 {
        assert_eq!(client.next().await["sid"], 2, "nothing comes on an ended subscription");
    }
    world.close().await;
}

#[tokio::test]
async fn each_mistake_is_answered_with_its_code() {
    let world =
        World::open(&["--markets", "4", "--start-paused", "--max-markets-per-subscription", "3"])
            .await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta"], &tickers[..3]).await;
    client.settle().await;
    let update = |params| json!({"id": 5, "cmd": "update_subscription", "params": params});
    for (command, code) in [
        (json!({"id": 5, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"]}}), 14),
        (json!({"id": 5, "cmd": "unsubscribe", "params": {"sids": [9]}}), 7),
        (update(json!({"sid": 9, "action": "add_markets", "market_ticker": "A"})), 7),
        (update(json!({"sid": 1, "market_ticker": "A"})), 15),
        (update(json!({"sid": 1, "action": "sing", "market_ticker": "A"})), 13),
        (update(json!({"sid": 1, "action": "add_markets"})), 14),
        (update(json!({"sid": 1, "action": "add_markets", "market_ticker": tickers[3]})), 26),
        (update(json!({"sid": 1, "action": "get_snapshot", "market_ticker": "NO-SUCH"})), 11),
    ] {
        client.send(command.clone()).await;
        let error = client.answer(5).await;
        assert_eq!(
            (&error["type"], &error["msg"]["code"]),
            (&json!("error"), &json!(code)),
            "{command}"
        );
    }
    client.send_text("nonsense").await;
    assert_eq!(client.next().await["msg"]["code"], 1);
    assert!(seqs(&client.values(), 1).iter().copied().eq(1..=8), "scoped errors count");
    world.close().await;
}

#[tokio::test]
async fn commands_too_fast_are_refused_with_27() {
    let world = World::open(&["--commands-per-sec", "5", "--start-paused"]).await;
    let mut client = world.client().await;
    for id in 1..=30 {
        client.send(json!({"id": id, "cmd": "list_subscriptions"})).await;
    }
    let refused = client.until(|frame| frame["type"] == "error").await;
    assert_eq!(refused["msg"]["code"], 27);
    world.close().await;
}

#[tokio::test]
async fn answers_do_not_come_in_the_order_of_the_commands() {
    let world = World::open(&["--start-paused"]).await;
    let mut client = world.client().await;
    for id in 1..=40 {
        client.send(json!({"id": id, "cmd": "list_subscriptions"})).await;
    }
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(client.next().await["id"].as_u64().unwrap());
    }
    assert_ne!(ids, (1..=40).collect::<Vec<_>>(), "all in order");
    ids.sort_unstable();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>(), "each once");
    world.close().await;
}

#[tokio::test]
async fn a_ticker_comes_at_once_when_it_is_asked_for_and_its_ok_can_be_short() {
    let world = World::open(&["--markets", "3", "--rate", "500"]).await;
    world.until("a ticker", |status| status["tickers"].as_u64() > Some(3)).await;
    world.post("/sim/pause", &json!({})).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    let params = json!({"channels": ["ticker"], "market_tickers": [tickers[0]],
                        "send_initial_snapshot": true, "skip_ticker_ack": true});
    client.send(json!({"id": 1, "cmd": "subscribe", "params": params})).await;
    client.answer(1).await;
    assert_eq!(client.next().await["msg"]["market_ticker"], json!(tickers[0]));
    client.subscribe(2, &["ticker"], &tickers[1..2]).await;
    assert_eq!(client.answer(2).await["msg"], json!({}));
    world.close().await;
}
