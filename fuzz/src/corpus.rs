//! What the mutations begin with, per target: one of everything that is right.

use prost::Message as _;
use proto::rpc::{WireReply, WireRequest};
use proto::{
    Batch, Capture, FollowReply, FollowRequest, Heartbeat, Hello, Position, Refresh, Stamp, Start,
};
use spool::faulty::FaultyDisk;
use spool::{AnyDisk, Options, Spool};

const ID: &str = "0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001";

/// The corpus of a target. `journal`: records of a real journal.
pub fn of(target: &str, journal: &[Vec<u8>]) -> Vec<Vec<u8>> {
    match target {
        "frame" => frames(),
        "rest" => texts(&REST),
        "capture" => captures(),
        "messages" => messages(),
        "segment" => files(".log"),
        "ledger" => files("ledger"),
        "cursor" => cursors(),
        "journal" => journal.to_vec(),
        "settings" => texts(&SETTINGS),
        _ => vec![vec![1, 1, 0, 0, 0, 0], Vec::new(), journal.concat()],
    }
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.replace("ID", ID).into_bytes()).collect()
}

const FRAMES: [&str; 9] = [
    r#"{"type":"orderbook_delta","sid":1,"seq":24,"msg":{"market_ticker":"KXRAIN-26-T1","market_id":"ID","clock":77,"price_dollars":"0.4300","delta_fp":"-100.50","side":"no","ts":"2026-08-07T06:46:28.97871Z","ts_ms":1786085188978},"sending_ts_ms":1786085188981}"#,
    r#"{"type":"orderbook_snapshot","id":7,"sid":2,"seq":2,"msg":{"market_ticker":"A","market_id":"ID","clock":0,"yes_dollars_fp":[["0.0800","300.00"],["0.2200","333.01"]],"no_dollars_fp":[["0.5600","146.00"]]}}"#,
    r#"{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":4}}"#,
    r#"{"type":"unsubscribed","sid":2,"seq":9}"#,
    r#"{"type":"ok","id":3,"sid":2,"seq":9,"msg":{"market_tickers":["A","B"]}}"#,
    r#"{"type":"error","id":3,"msg":{"code":25,"msg":"Subscription buffer overflow"}}"#,
    r#"{"type":"trade","sid":11,"seq":3,"msg":{"trade_id":"ID","market_ticker":"A","yes_price_dollars":"0.36","no_price_dollars":"0.64","count_fp":"136.00","taker_side":"no","taker_outcome_side":"no","ts":1669149841,"ts_ms":1669149841000}}"#,
    r#"{"type":"ticker","sid":11,"msg":{"market_ticker":"A","market_id":"ID","price_dollars":"0.48","yes_bid_dollars":"0.45","yes_ask_dollars":"0.53","volume_fp":"33896.00","open_interest_fp":"20422.00","dollar_volume":16948,"dollar_open_interest":10211,"yes_bid_size_fp":"300.00","yes_ask_size_fp":"150.00","last_trade_size_fp":"25.00","ts":1669149841,"ts_ms":1669149841000}}"#,
    r#"{"type":"market_lifecycle_v2","sid":13,"msg":{"event_type":"created","market_ticker":"A","open_ts":1694635200,"close_ts":1694721600,"additional_metadata":{"name":"x"}}}"#,
];

fn frames() -> Vec<Vec<u8>> {
    texts(&FRAMES)
}

const REST: [&str; 6] = [
    r#"{"exchange_active":true,"trading_active":false,"exchange_estimated_resume_time":"2026-08-07T06:46:28Z"}"#,
    r#"{"markets":[{"ticker":"A","event_ticker":"E","status":"active","open_time":"2026-08-07T06:46:28Z","price_level_structure":"linear_cent","price_ranges":[{"start":"0.0000","end":"1.0000","step":"0.0100"}],"result":""}],"cursor":"x"}"#,
    r#"{"orderbook_fp":{"yes_dollars":[["0.4000","5.00"]],"no_dollars":[["0.3000","7.00"]]}}"#,
    r#"{"orderbooks":[{"ticker":"A-1","orderbook_fp":{"yes_dollars":[["0.4000","5.00"]],"no_dollars":[]}}]}"#,
    r#"{"trades":[{"trade_id":"ID","ticker":"A","yes_price_dollars":"0.36","no_price_dollars":"0.64","count_fp":"1.00","taker_side":"no","created_time":"2026-08-07T06:46:28.97871Z"}],"cursor":""}"#,
    r#"{"error":{"code":"too_many_requests","message":"slow down","service":"x"}}"#,
];

const SETTINGS: [&str; 5] = [
    "--key-id k\n--key-file k.pem\n--market-tickers A,KXBTC*,-KXMVE*\n--retention 24h",
    "--gatherers east=http://127.0.0.1:7070,west=https://10.0.2.10:7070\n--hole-wait 30s",
    "--http-addr 127.0.0.1:8080\n--metrics-addr [::1]:9090\n--batch-rows 5\n--batch-flush-secs 2",
    "--clickhouse-url http://127.0.0.1:8123\n--parquet-dir s3://b/p\n--catalog-url sqlite:x\n--spool-quota-bytes 68719476736",
    "PROD_KEYID=abc\nexport PROD_KEYFILE=\"a b\" # why\nX='${Y}'\nZ=\\$\n",
];

fn captures() -> Vec<Vec<u8>> {
    let stamp = Stamp { wall_ns: 1_790_000_000_000_000_000, mono_ns: 5 };
    let frame = frames().swap_remove(0);
    let all = [
        Capture::SessionOpened { session: 1 << 32 | 1, stamp, about: "{}" },
        Capture::Frame { session: 1 << 32 | 1, stamp, bytes: &frame },
        Capture::SessionClosed { session: 1 << 32 | 1, stamp, reason: "cut" },
        Capture::Status { stamp, exchange_active: true, trading_active: false },
    ];
    let encode = |capture: &Capture<'_>| {
        let mut bytes = Vec::new();
        capture.encode(&mut bytes);
        bytes
    };
    let mut corpus: Vec<Vec<u8>> = all.iter().map(encode).collect();
    let mut list = Vec::new();
    corpus.iter().for_each(|record| proto::push_record(&mut list, record));
    corpus.push(list);
    corpus
}

fn messages() -> Vec<Vec<u8>> {
    let at = |offset| Position { incarnation: 3, offset };
    let records = captures().pop().expect("the list");
    let replies = [
        FollowReply::Hello(Hello {
            gatherer_id: "east".into(),
            oldest: at(1),
            written: at(9),
            wall_ns: 5,
            version: "1".into(),
            from: at(1),
        }),
        FollowReply::Heartbeat(Heartbeat { written: at(9), wall_ns: 5, sent_below: at(9) }),
        FollowReply::Batch(Batch {
            first: at(1),
            next: at(9),
            count: 4,
            records: records.into(),
            written: at(9),
            wall_ns: 7,
        }),
    ];
    let requests = [
        FollowRequest::Start(Start { deduplicator: "canonical".into(), from: Some(at(4)) }),
        FollowRequest::Ack(at(4)),
        FollowRequest::Refresh(Refresh { session: 9, market_tickers: vec!["A".into()] }),
    ];
    let replies = replies.map(|reply| WireReply::from(reply).encode_to_vec());
    let requests = requests.map(|request| WireRequest::from(request).encode_to_vec());
    replies.into_iter().chain(requests).collect()
}

/// The files of a small log whose names end so.
fn files(end: &str) -> Vec<Vec<u8>> {
    let disk = FaultyDisk::default();
    let options = Options { segment_bytes: 150, ..Options::default() };
    let opened = Spool::open_at(&AnyDisk::faulty(&disk), std::path::Path::new("d"), &options);
    let (mut writer, _, _) = opened.expect("a healthy disk");
    for record in 0..6_u8 {
        writer.append(&[record; 40]).expect("room");
    }
    writer.commit().expect("a healthy disk");
    let paths = disk.paths();
    let named = paths.iter().filter(|path| path.display().to_string().ends_with(end));
    named.map(|path| disk.contents(path)).collect()
}

fn cursors() -> Vec<Vec<u8>> {
    let disk = FaultyDisk::default();
    let any = AnyDisk::faulty(&disk);
    let intent = store::Intent::open_at(&any, std::path::Path::new("d"), "x").expect("a name");
    let at = |offset| spool::Position { incarnation: 1, offset };
    intent.begin(store::Borders { from: at(0), to: at(7) }).expect("a healthy disk");
    disk.paths().iter().map(|path| disk.contents(path)).collect()
}
