//! Recordings, in each form a recorder writes, played to a client.

use std::{io::Write as _, path::Path};

use serde_json::{Value, json};

use crate::{
    client::rebuild,
    world::{World, books},
};

fn delta(seq: u64, side: &str, price: &str, delta: &str, ts: &str) -> Value {
    json!({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": {
        "market_ticker": "KXR-1-A", "market_id": "5b0c9e5e-9b7e-4f55-8f9b-1d7c0a1d2e3f",
        "price_dollars": price, "delta_fp": delta, "side": side, "ts": ts, "ts_ms": 1_786_085_188_978_i64}})
}

/// A book of two levels a side; an amend (two deltas of one time); a trade; the closing snapshot twice.
fn frames() -> Vec<Value> {
    let first = "2026-08-07T06:46:28.97871Z";
    let empty = json!({"type": "orderbook_snapshot", "sid": 1, "seq": 6, "msg": {
        "market_ticker": "KXR-1-A", "market_id": "5b0c9e5e-9b7e-4f55-8f9b-1d7c0a1d2e3f"}});
    vec![
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
        delta(0, "yes", "0.4000", "5.00", first),
        json!({"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": {
            "market_ticker": "KXR-1-A", "market_id": "5b0c9e5e-9b7e-4f55-8f9b-1d7c0a1d2e3f",
            "yes_dollars_fp": [["0.4000", "10.00"], ["0.4100", "2.50"]],
            "no_dollars_fp": [["0.4800", "3.00"], ["0.5000", "7.00"]]}}),
        delta(2, "no", "0.4800", "-3.00", first),
        delta(3, "no", "0.4900", "3.00", first),
        delta(4, "yes", "0.4100", "-2.50", "2026-08-07T06:46:28.97899Z"),
        json!({"type": "trade", "sid": 2, "seq": 1, "msg": {
            "trade_id": "4a7febed-31a1-438d-1c03-1948726b987e", "market_ticker": "KXR-1-A",
            "yes_price_dollars": "0.4100", "no_price_dollars": "0.5900", "count_fp": "2.50",
            "taker_side": "no", "ts": 1_786_085_188, "ts_ms": 1_786_085_188_978_i64}}),
        empty.clone(),
        empty,
    ]
}

/// Plays a file and gives what a client heard, and the truth.
async fn play(path: &Path, flags: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let mut all = vec!["--replay", path.to_str().unwrap(), "--replay-speed", "0", "--start-paused"];
    all.extend(flags);
    let world = World::open(&all).await;
    let mut client = world.client().await;
    client.subscribe(1, &["orderbook_delta", "trade"], &["KXR-1-A".to_owned()]).await;
    client.settle().await;
    world.post("/sim/resume", &json!({})).await;
    world.until("the end of the recording", |status| status["replay_remaining"] == 0).await;
    client.settle().await;
    let truth = world.truth().await;
    world.close().await;
    (client.values(), truth)
}

fn check(frames: &[Value], truth: &[Value]) {
    let kinds: Vec<&str> = truth.iter().map(|line| line["t"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["market", "book", "delta", "delta", "delta", "trade", "empty"]);
    let book =
        json!([["yes", 4000, 1000], ["yes", 4100, 250], ["no", 5000, 700], ["no", 5200, 300]]);
    assert_eq!(truth[1]["levels"], book, "the first snapshot, on the yes-leg scale");
    assert_eq!(truth[3]["price"], 5100);
    assert_eq!(rebuild(frames), books(truth));
    let before =
        &frames[..frames.iter().position(|frame| frame["type"] == "orderbook_delta").unwrap() + 3];
    assert_eq!(rebuild(before)["KXR-1-A"].1.len(), 3);
    assert_eq!(frames.iter().filter(|frame| frame["type"] == "trade").count(), 1);
}

#[tokio::test]
async fn every_form_of_a_recording_is_read_and_gets_clocks() {
    let folder = tempfile::tempdir().unwrap();
    let timed = |key: &str, step: i64| -> Vec<Value> {
        let with_time = frames().into_iter().enumerate();
        with_time
            .map(|(place, frame)| json!({key: 1_000_000 + place as i64 * step, "frame": frame}))
            .collect()
    };
    let lines = |records: &[Value]| -> String {
        records.iter().map(|record| format!("{record}\n\n")).collect()
    };
    let raw: Vec<Value> = frames().iter().map(|frame| json!(format!("{frame}\n"))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(&timed("recv_ns", 1000)).as_bytes()).unwrap();
    let forms: [(&str, Vec<u8>); 6] = [
        ("array.json", json!(timed("received_ms", 1)).to_string().into()),
        ("object.json", json!({"note": "x", "frames": timed("received_ms", 1)}).to_string().into()),
        ("frames.jsonl", lines(&frames()).into()),
        ("raw.ndjson", lines(&raw).into()),
        ("timed.ndjson", lines(&timed("recv_ns", 1000)).into()),
        ("timed.ndjson.gz", gzip.finish().unwrap()),
    ];
    for (name, bytes) in forms {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let (frames, truth) = play(&path, &[]).await;
        check(&frames, &truth);
        let places: Vec<_> = truth[2..5]
            .iter()
            .map(|line| (line["clock"].as_i64().unwrap(), line["k"].as_i64().unwrap()))
            .collect();
        assert_eq!(places, [(2, 0), (2, 1), (3, 0)], "{name}: one clock per exchange time");
    }
}

#[tokio::test]
async fn a_recording_can_be_played_without_clocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.jsonl");
    let lines: String = frames().iter().map(|frame| format!("{frame}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let (frames, truth) = play(&path, &["--replay-clock", "none"]).await;
    check(&frames, &truth);
    assert!(frames.iter().all(|frame| frame["msg"].get("clock").is_none()));
    let places: Vec<_> = truth[2..5]
        .iter()
        .map(|line| (line["clock"].clone(), line["k"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        places,
        [(Value::Null, 0), (Value::Null, 1), (Value::Null, 2)],
        "k counts within the millisecond"
    );
}

#[tokio::test]
async fn the_recordings_at_hand_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    for name in [
        "prod_12_markets_2026-08-07.json",
        "prod_kxbtc15m_2026-05-13.ndjson.gz",
        "prod_verbatim_2026-07-06.ndjson",
        "ws__orderbook_trade_noleg.jsonl",
    ] {
        let path = folder.join(name);
        if !path.exists() {
            continue;
        }
        let flags = ["--replay", path.to_str().unwrap(), "--replay-speed", "0"];
        let world = World::open(&flags).await;
        world.until("the end", |status| status["replay_remaining"] == 0).await;
        let truth = world.truth().await;
        assert!(
            truth.iter().any(|line| line["t"] == "delta") || name.starts_with("prod_verbatim"),
            "{name}"
        );
        world.close().await;
    }
}
