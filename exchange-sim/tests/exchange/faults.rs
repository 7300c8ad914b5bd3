//! Every fault can be seen by a client.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, Heard, rebuild, seqs},
    world::{LIMIT, World, books},
};

/// A world with one subscriber to everything.
async fn open(flags: &[&str]) -> (World, Client) {
    let mut all = vec!["--markets", "10"];
    all.extend(flags);
    if !flags.contains(&"--rate") {
        all.extend(["--rate", "2000"]);
    }
    let world = World::open(&all).await;
    let tickers = world.tickers().await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta"], &tickers).await;
    client.until(|frame| frame["type"] == "orderbook_delta").await;
    (world, client)
}

/// Pauses, then reads all that was sent.
async fn quiet(world: &World, client: &mut Client) {
    world.post("/sim/pause", &json!({})).await;
    client.settle().await;
}

#[tokio::test]
async fn dropped_frames_leave_a_hole_in_seq() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "drop", "frames": 3})).await;
    world.until("3 drops", |status| status["connections"][0]["dropped"] == 3).await;
    quiet(&world, &mut client).await;
    let seqs = seqs(&client.values(), 1);
    let hole = seqs.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect::<Vec<_>>();
    assert_eq!(hole.len(), 1, "{hole:?}");
    assert_eq!(hole[0][1] - hole[0][0], 4);
    world.close().await;
}

#[tokio::test]
async fn repeated_frames_repeat_their_seq() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "repeat", "connection": 1})).await;
    world.until("a repeat", |status| status["connections"][0]["repeated"] == 1).await;
    quiet(&world, &mut client).await;
    let pairs = client.frames.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(pairs, 1);
    world.close().await;
}

#[tokio::test]
async fn a_corrupt_frame_is_not_json() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "corrupt", "connection": {"agent": "kalshi-gatherer/east"}, "frames": 2})).await;
    let mut bad = 0;
    while bad < 2 {
        let Heard::Text(text) = client.hear().await else { panic!("the connection lives on") };
        bad += usize::from(serde_json::from_str::<Value>(&text).is_err());
    }
    world.close().await;
}

#[tokio::test]
async fn reordered_frames_swap_their_seq_but_never_within_a_market() {
    let (world, mut client) = open(&["--faults", "reorder=0.05"]).await;
    for _ in 0..3000 {
        client.next().await;
    }
    quiet(&world, &mut client).await;
    let frames = client.values();
    let seqs = seqs(&frames, 1);
    assert!(seqs.windows(2).filter(|pair| pair[1] < pair[0]).count() > 20);
    assert_eq!(rebuild(&frames), books(&world.truth().await), "no market noticed");
    world.close().await;
}

#[tokio::test]
async fn faults_by_rate_happen_by_themselves() {
    let (world, mut client) = open(&["--faults", "drop=0.02,repeat=0.02,cut=3"]).await;
    loop {
        match client.hear().await {
            Heard::Text(_) => {}
            Heard::Closed => panic!("a cut by itself says no goodbye"),
            Heard::Reset => break,
        }
    }
    let seqs = seqs(&client.values(), 1);
    assert!(seqs.windows(2).any(|pair| pair[1] > pair[0] + 1), "drops");
    assert!(seqs.windows(2).any(|pair| pair[1] == pair[0]), "repeats");
    world.until("a counted cut", |status| status["faults"]["cut"].as_u64() > Some(0)).await;
    world.close().await;
}

#[tokio::test]
async fn cuts_come_with_and_without_a_goodbye() {
    let (world, mut client) = open(&[]).await;
    let mut other = Client::connect(&world, "kalshi-gatherer/west").await;
    let met =
        world.fault(json!({"kind": "cut", "connection": {"agent": "kalshi-gatherer/east"}})).await;
    assert_eq!(met["connections"], 1);
    while let Heard::Text(_) = client.hear().await {}
    other.settle().await;
    world.fault(json!({"kind": "cut", "connection": "all", "close": true})).await;
    let heard = other.hear().await;
    assert!(matches!(heard, Heard::Closed), "{heard:?}");
    world.until("nobody left", |status| status["connections"] == json!([])).await;
    world.close().await;
}

#[tokio::test]
async fn a_stalled_connection_is_silent_and_then_goes_on_whole() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "stall", "seconds": 1.5})).await;
    let mut longest = Duration::ZERO;
    while longest < Duration::from_millis(1000) {
        let before = tokio::time::Instant::now();
        client.next().await;
        longest = longest.max(before.elapsed());
    }
    quiet(&world, &mut client).await;
    assert_eq!(rebuild(&client.values()), books(&world.truth().await));
    world.close().await;
}

#[tokio::test]
async fn a_slow_link_lets_frames_pile_up() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "slow", "bytes_per_sec": 20_000, "seconds": 60})).await;
    world
        .until("a queue", |status| {
            status["connections"][0]["queued_bytes"].as_u64() > Some(100_000)
        })
        .await;
    client.next().await;
    world.close().await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_loses_its_subscription_but_not_its_connection() {
    let (world, mut client) = open(&["--connection-buffer", "65536", "--rate", "20000"]).await;
    world.until("an overflow", |status| status["connections"][0]["overflows"] == 1).await;
    let error = client.until(|frame| frame["type"] == "error").await;
    assert_eq!((&error["msg"]["code"], &error["sid"]), (&json!(25), &json!(1)));
    let frames = client.values();
    let seqs = seqs(&frames, 1);
    assert_eq!(error["seq"].as_u64(), seqs.last().copied());
    client.send(json!({"id": 9, "cmd": "list_subscriptions"})).await;
    assert_eq!(client.answer(9).await["msg"], json!([]));
    let tickers = world.tickers().await;
    client.subscribe(10, &["orderbook_delta"], &tickers[9..]).await;
    assert_eq!(client.answer(10).await["msg"]["sid"], 2);
    world.close().await;
}

#[tokio::test]
async fn terminal_errors_can_be_ordered() {
    let (world, mut client) = open(&[]).await;
    world.fault(json!({"kind": "error", "code": 10, "connection": 1})).await;
    let error = client.until(|frame| frame["type"] == "error").await;
    assert_eq!((&error["msg"]["code"], &error["sid"]), (&json!(10), &json!(1)));
    client.settle().await;
    world.close().await;
}

#[tokio::test]
async fn handshakes_can_be_refused() {
    let world = World::open(&[]).await;
    for status in [401, 502] {
        world.fault(json!({"kind": "refuse", "status": status, "seconds": 600})).await;
        match Client::try_connect(&world, "x").await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), status),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("let in"),
        }
    }
    world.fault(json!({"kind": "refuse", "status": 401, "seconds": 0})).await;
    let open = async {
        while Client::try_connect(&world, "x").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, open).await.expect("the door opens again");
    world.close().await;
}

#[tokio::test]
async fn maintenance_cuts_everybody_and_lets_clocks_fall() {
    let (world, mut client) = open(&[]).await;
    let tickers = world.tickers().await;
    world.fault(json!({"kind": "maintenance", "seconds": 1})).await;
    while let Heard::Text(_) = client.hear().await {}
    let (_, status) = world.get("/trade-api/v2/exchange/status").await;
    assert_eq!(
        (&status["exchange_active"], &status["trading_active"]),
        (&json!(false), &json!(false))
    );
    assert!(Client::try_connect(&world, "x").await.is_err(), "closed for everybody");
    world.until("the new era", |status| status["era"] == 1).await;
    let mut again = world.client().await;
    again.subscribe(1, &["orderbook_delta"], &tickers).await;
    again.until(|frame| frame["type"] == "orderbook_delta").await;
    quiet(&world, &mut again).await;
    let truth = world.truth().await;
    let era = truth.iter().position(|line| line["t"] == "era").unwrap();
    let (before, after) = (books(&truth[..era]), books(&truth));
    assert_eq!(rebuild(&again.values()), after);
    assert_eq!(rebuild(&client.values()), before, "nothing was lost on the way out");
    let starts = truth[era..].iter().filter(|line| line["t"] == "book");
    for line in starts {
        let clock = line["clock"].as_i64().unwrap();
        assert!(clock < before[line["market"].as_str().unwrap()].0, "{line}");
        assert_eq!(line["era"], 1);
    }
    world.close().await;
}

#[tokio::test]
async fn one_connection_lies_and_the_other_does_not() {
    for (how, same_count) in [("price", true), ("size", true), ("stale", false)] {
        let (world, mut client) = open(&[]).await;
        let mut honest = Client::connect(&world, "kalshi-gatherer/west").await;
        let tickers = world.tickers().await;
        honest.subscribe(1, &["orderbook_delta"], &tickers).await;
        honest.settle().await;
        world.fault(json!({"kind": "lie", "connection": 1, "how": how, "seconds": 600})).await;
        let (_, start) = world.get("/sim/status").await;
        let enough = start["deltas"].as_u64().unwrap() + 300;
        world.until("300 more", |status| status["deltas"].as_u64() > Some(enough)).await;
        quiet(&world, &mut client).await;
        honest.settle().await;
        let truth = books(&world.truth().await);
        assert_eq!(rebuild(&honest.values()), truth);
        let frames = client.values();
        let seqs = seqs(&frames, 1);
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{how}: seq shows nothing");
        let told = rebuild(&frames);
        assert_ne!(told, truth, "{how}");
        let clocks = told.iter().all(|(ticker, (clock, _))| truth[ticker].0 == *clock);
        assert_eq!(clocks, same_count, "{how}");
        world.close().await;
    }
}

#[tokio::test]
async fn the_schema_can_change_for_a_while() {
    let (world, mut client) = open(&[]).await;
    let delta = |frame: &Value| frame["type"] == "orderbook_delta";
    for (order, changed) in [
        (json!({"change": "rename"}), "price_dollars_v2"),
        (json!({"change": "new"}), "last_update_reason"),
    ] {
        let mut order = order;
        order["kind"] = json!("schema");
        order["seconds"] = json!(600);
        world.fault(order).await;
        client.until(|frame| delta(frame) && frame["msg"].get(changed).is_some()).await;
    }
    world
        .fault(json!({"kind": "schema", "change": "missing", "field": "clock", "seconds": 600}))
        .await;
    client.until(|frame| delta(frame) && frame["msg"].get("clock").is_none()).await;
    world.fault(json!({"kind": "schema", "change": "type", "seconds": 600})).await;
    client.until(|frame| delta(frame) && frame["msg"]["price_dollars"].is_number()).await;
    world.fault(json!({"kind": "schema", "change": "type", "seconds": 0})).await;
    client.until(|frame| delta(frame) && frame["msg"]["price_dollars"].is_string()).await;
    world.close().await;
}
