//! Every form of message that the protocol page knows, in fixtures of our own.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Channel, ErrorReply, Frame, Level, Message, OkReply, Price, Side, Size, Snapshot, decode,
    decode_bytes, peek_envelope,
};

const ID: &str = "0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001";

fn price(units: u16) -> Price {
    Price::from_units(units).unwrap()
}

fn size(units: i64) -> Size {
    Size::from_units(units)
}

fn read(text: &str) -> Frame<'_> {
    decode(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_delta_in_the_order_of_the_wire() {
    let text = format!(
        r#"{{"type":"orderbook_delta","sid":1,"seq":24,"msg":{{"market_ticker":"KXRAIN-26-T1","market_id":"{ID}","clock":77,"price_dollars":"0.4300","delta_fp":"-100.50","side":"no","ts":"2026-08-07T06:46:28.97871Z","ts_ms":1786085188978}},"sending_ts_ms":1786085188981}}
"#
    );
    let frame = read(&text);
    assert_eq!((frame.sid, frame.seq, frame.id), (Some(1), Some(24), None));
    assert_eq!((frame.sending_ts_ms, frame.unknown_fields), (Some(1_786_085_188_981), 0));
    let Message::Delta(delta) = frame.message else { panic!("{frame:?}") };
    assert_eq!(delta.market_ticker, "KXRAIN-26-T1");
    assert_eq!(delta.market_id, Uuid::parse_str(ID).unwrap());
    assert_eq!((delta.clock, delta.side), (Some(77), Side::No));
    assert_eq!((delta.price, delta.delta), (price(4300), size(-10_050)));
    assert_eq!(delta.ts_ms, Some(1_786_085_188_978));
}

#[test]
fn keys_in_any_order_mean_the_same() {
    let msg = format!(
        r#"{{"side":"yes","ts":"2026-08-07T06:46:28.97871Z","delta_fp":"1.00","price_dollars":"0.01","market_id":"{ID}","market_ticker":"A"}}"#
    );
    let parts = [
        r#""type":"orderbook_delta""#.to_owned(),
        r#""sid":3"#.to_owned(),
        r#""seq":9"#.to_owned(),
        format!(r#""msg": {msg}"#),
        r#""sending_ts_ms":5"#.to_owned(),
    ];
    let first = format!("{{{}}}", parts.join(","));
    let expected = read(&first);
    assert!(matches!(&expected.message, Message::Delta(delta)
        if delta.ts_ms == Some(1_786_085_188_978) && delta.clock.is_none()));
    for turn in 1..parts.len() {
        let mut turned = parts.clone();
        turned.rotate_left(turn);
        let text = format!(" {{ {} }} \r\n\n", turned.join(" , "));
        assert_eq!(read(&text), expected, "{text}");
        assert_eq!(decode_bytes(text.as_bytes()), Ok(expected.clone()));
    }
}

#[test]
fn a_snapshot_with_both_one_and_no_side() {
    let level = |units, hundredths| Level { price: price(units), size: size(hundredths) };
    let both = format!(
        r#"{{"type":"orderbook_snapshot","id":7,"sid":2,"seq":2,"msg":{{"market_ticker":"A","market_id":"{ID}","clock":0,"yes_dollars_fp":[["0.0800","300.00"],["0.2200","333.01"]],"no_dollars_fp":[["0.5600","146.00"],["0.5400","0.00"],["0.5500","1.00"]]}}}}"#
    );
    let frame = read(&both);
    assert_eq!(frame.id, Some(7));
    let Message::Snapshot(mut snapshot) = frame.message else { panic!("{frame:?}") };
    assert_eq!(snapshot.clock, Some(0));
    assert_eq!(snapshot.yes, [level(800, 30_000), level(2200, 33_301)]);
    assert_eq!(snapshot.no, [level(5600, 14_600), level(5500, 100)], "a level of zero is none");
    snapshot.to_yes_leg();
    assert_eq!(snapshot.no, [level(4400, 14_600), level(4500, 100)]);
    for sides in ["", r#","yes_dollars_fp":[]"#, r#","no_dollars_fp":null,"yes_dollars_fp":[]"#] {
        let text = format!(
            r#"{{"type":"orderbook_snapshot","sid":2,"seq":2,"msg":{{"market_ticker":"A","market_id":"{ID}"{sides}}}}}"#
        );
        let market_id = Uuid::parse_str(ID).unwrap();
        let empty =
            Snapshot { market_ticker: "A", market_id, clock: None, yes: vec![], no: vec![] };
        assert_eq!(read(&text).message, Message::Snapshot(empty));
    }
}

#[test]
fn trades_prefer_the_newer_name_of_the_taker() {
    let text = |taker: &str| {
        format!(
            r#"{{"type":"trade","sid":2,"seq":1601,"msg":{{"trade_id":"{ID}","market_ticker":"A","yes_price_dollars":"0.3520","no_price_dollars":"0.6480","count_fp":"15.78",{taker},"ts":1783339223,"ts_ms":1783339223261}}}}"#
        )
    };
    let newer = text(
        r#""taker_side":"no","taker_outcome_side":"yes","taker_book_side":"bid","is_block_trade":true"#,
    );
    let Message::Trade(trade) = read(&newer).message else { panic!("{newer}") };
    assert_eq!((trade.taker, trade.is_block_trade), (Side::Yes, Some(true)));
    assert_eq!(
        (trade.yes_price, trade.no_price, trade.count),
        (price(3520), price(6480), size(1578))
    );
    let older = text(r#""taker_side":"no""#);
    let Message::Trade(trade) = read(&older).message else { panic!("{older}") };
    assert_eq!((trade.taker, trade.is_block_trade), (Side::No, None));
}

#[test]
fn a_ticker_has_every_figure() {
    let text = format!(
        r#"{{"type":"ticker","sid":11,"msg":{{"market_id":"{ID}","market_ticker":"A","price_dollars":"0.4800","yes_bid_dollars":"0.4500","yes_ask_dollars":"0.5300","volume_fp":"33896.00","open_interest_fp":"20422.00","dollar_volume":16948,"dollar_open_interest":10211,"yes_bid_size_fp":"300.00","yes_ask_size_fp":"150.00","last_trade_size_fp":"25.00","ts":1669149841,"ts_ms":1669149841000,"time":"2022-11-22T20:44:01Z","Clock":5}}}}"#
    );
    let frame = read(&text);
    assert_eq!((frame.seq, frame.unknown_fields), (None, 1), "Clock is in no schema");
    let Message::Ticker(ticker) = frame.message else { panic!("{text}") };
    assert_eq!(
        (ticker.price, ticker.yes_bid, ticker.yes_ask),
        (price(4800), price(4500), price(5300))
    );
    assert_eq!((ticker.volume, ticker.open_interest), (size(3_389_600), size(2_042_200)));
    assert_eq!((ticker.yes_bid_size, ticker.yes_ask_size), (size(30_000), size(15_000)));
    assert_eq!((ticker.last_trade_size, ticker.ts_ms), (size(2500), 1_669_149_841_000));
    assert_eq!((ticker.dollar_volume, ticker.dollar_open_interest), (16_948, 10_211));
}

#[test]
fn lifecycle_messages_are_kept_whole() {
    let msg = r#"{"market_ticker":"A-1","exchange_index":0,"open_ts":1694635200,"close_ts":1694721600,"additional_metadata":{"title":"50% \"up\"","event_ticker":"A"},"event_type":"created","price_level_structure":"linear_cent"}"#;
    for kind in ["market_lifecycle_v2", "multivariate_market_lifecycle"] {
        let text = format!(r#"{{"type":"{kind}","sid":13,"seq":3,"msg":{msg}}}"#);
        let frame = read(&text);
        assert_eq!(frame.unknown_fields, 0);
        let Message::Lifecycle(lifecycle) = frame.message else { panic!("{text}") };
        assert_eq!((lifecycle.kind, lifecycle.msg), (kind, msg));
        assert_eq!(lifecycle.market_ticker, Some("A-1"));
        assert_eq!((lifecycle.event_ticker, lifecycle.event_type), (None, Some("created")));
        assert_eq!(
            (lifecycle.open_ts, lifecycle.close_ts),
            (Some(1_694_635_200), Some(1_694_721_600))
        );
    }
    let event = r#"{"type":"event_lifecycle","sid":5,"seq":8,"msg":{"event_ticker":"A","title":"What?","subtitle":"","collateral_return_type":"MECNET","series_ticker":"KX"}}"#;
    assert!(matches!(read(event).message, Message::Lifecycle(l) if l.event_ticker == Some("A")));
    let fee = r#"{"type":"event_fee_update","sid":5,"seq":9,"msg":{"event_ticker":"A","fee_type_override":null,"fee_multiplier_override":null}}"#;
    assert!(matches!(read(fee).message, Message::Lifecycle(l) if l.kind == "event_fee_update"));
}

#[test]
fn replies_to_commands() {
    let tickers = |list: &[&str]| Some(list.iter().map(|t| (*t).to_owned()).collect());
    let rows = [
        (
            r#"{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":4}}"#,
            Message::Subscribed { channel: Channel::OrderbookDelta.as_str(), sid: 4 },
        ),
        (r#"{"id":102,"sid":2,"seq":7,"type":"unsubscribed"}"#, Message::Unsubscribed),
        (
            r#"{"id":123,"sid":456,"seq":222,"type":"ok","msg":{"market_tickers":["A","B\u0026"]}}"#,
            Message::Ok(OkReply { market_tickers: tickers(&["A", "B&"]), subscriptions: None }),
        ),
        (r#"{"id":5,"type":"ok","sid":1,"seq":2}"#, Message::Ok(OkReply::default())),
        (r#"{"id":5,"type":"ok","sid":1,"seq":2,"msg":{}}"#, Message::Ok(OkReply::default())),
        (
            r#"{"id":3,"type":"ok","msg":[{"channel":"orderbook_delta","sid":1},{"channel":"ticker","sid":2}]}"#,
            Message::Ok(OkReply {
                market_tickers: None,
                subscriptions: Some(vec![("orderbook_delta".into(), 1), ("ticker".into(), 2)]),
            }),
        ),
        (
            r#"{"id":123,"type":"error","msg":{"code":7,"msg":"Unknown \"sub\""}}"#,
            Message::Error(ErrorReply {
                code: 7,
                msg: "Unknown \"sub\"".into(),
                market_tickers: vec![],
            }),
        ),
        (
            r#"{"type":"error","sid":1,"seq":9,"msg":{"code":25,"msg":"x","market_ticker":"A"}}"#,
            Message::Error(ErrorReply {
                code: 25,
                msg: "x".into(),
                market_tickers: vec!["A".into()],
            }),
        ),
    ];
    for (text, message) in rows {
        assert_eq!(read(text).message, message, "{text}");
        assert_eq!(read(text).unknown_fields, 0, "{text}");
    }
}

#[test]
fn unknown_types_are_kept_and_unknown_fields_counted() {
    let text = r#"{"type":"fill","sid":1,"extra":[{"\u0061":1}],"msg":{"a":"\n"},"more":null}"#;
    let frame = read(text);
    assert_eq!((frame.message, frame.unknown_fields), (Message::Unknown { kind: "fill" }, 2));
    assert_eq!(read(r#"{"type":"hello"}"#).message, Message::Unknown { kind: "hello" });
    let text = format!(
        r#"{{"type":"orderbook_delta","sid":1,"seq":24,"msg":{{"market_ticker":"A","market_id":"{ID}","price_dollars":"0.4300","delta_fp":"1.00","side":"no","client_order_id":"mine","subaccount":3,"last_update_reason":"x"}}}}"#
    );
    assert_eq!(read(&text).unknown_fields, 1);
    let peek = peek_envelope(r#"{"msg":{"market_id":5},"sid":1,"seq":3,"type":"trade"}"#).unwrap();
    assert_eq!((peek.kind, peek.sid, peek.seq, peek.id), ("trade", Some(1), Some(3), None));
}

/// The recordings stay where they are; nothing of them is in this repository.
#[test]
fn every_recorded_frame_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    if !folder.exists() {
        return;
    }
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let prod: Value = serde_json::from_str(&text("prod_12_markets_2026-08-07.json")).unwrap();
    let mut frames: Vec<String> =
        prod["frames"].as_array().unwrap().iter().map(|f| f["frame"].to_string()).collect();
    let lines = text("prod_verbatim_2026-07-06.ndjson");
    frames.extend(lines.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap()["raw"].as_str().unwrap().to_owned()
    }));
    for name in ["ws__orderbook_trade_noleg.jsonl", "ws__orderbook_trade_yes.jsonl"] {
        frames.extend(text(name).lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let busy = std::fs::File::open(folder.join("prod_kxbtc15m_2026-05-13.ndjson.gz")).unwrap();
    let mut lines = String::new();
    flate2::read::GzDecoder::new(busy).read_to_string(&mut lines).unwrap();
    frames.extend(
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["frame"].to_string()),
    );
    assert!(frames.len() > 20_280, "only {} frames found", frames.len());
    for frame in &frames {
        let read = read(frame);
        assert_eq!(read.unknown_fields, 0, "{frame}");
        assert!(!matches!(read.message, Message::Unknown { .. }), "{frame}");
    }
}
