//! What must be refused, and that nothing makes the decoder panic.

use proptest::prelude::*;

use crate::{BadFrame, decode, decode_bytes};

const DELTA: &str = r#"{"type":"orderbook_delta","sid":1,"seq":24,"msg":{"market_ticker":"A","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","clock":7,"price_dollars":"0.4300","delta_fp":"1.00","side":"no","ts_ms":1786085188978}}"#;
const TICKER: &str = r#"{"type":"ticker","sid":11,"msg":{"market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","market_ticker":"A","price_dollars":"0.4800","yes_bid_dollars":"0.4500","yes_ask_dollars":"0.5300","volume_fp":"33896.00","open_interest_fp":"20422.00","dollar_volume":16948,"dollar_open_interest":10211,"yes_bid_size_fp":"300.00","yes_ask_size_fp":"150.00","last_trade_size_fp":"25.00","ts_ms":1669149841000}}"#;
const TRADE: &str = r#"{"type":"trade","sid":2,"seq":1601,"msg":{"trade_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","market_ticker":"A","yes_price_dollars":"0.3520","no_price_dollars":"0.6480","count_fp":"15.78","taker_outcome_side":"yes","ts_ms":1783339223261}}"#;
const SNAPSHOT: &str = r#"{"type":"orderbook_snapshot","sid":2,"seq":2,"msg":{"market_ticker":"A","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","yes_dollars_fp":[["0.0800","300.00"],["0.2200","333.00"]]}}"#;
const ERROR: &str = r#"{"id":123,"type":"error","msg":{"code":7,"msg":"Unknown subscription ID"}}"#;
const SUBSCRIBED: &str = r#"{"type":"subscribed","id":1,"msg":{"channel":"ticker","sid":4}}"#;
const LIFECYCLE: &str = r#"{"type":"market_lifecycle_v2","sid":13,"seq":3,"msg":{"market_ticker":"A","event_type":"settled"}}"#;

/// The frame without one field, wherever that stands, and with another value in it.
fn changed(frame: &str, field: &str, value: Option<&str>) -> String {
    let mut object: serde_json::Value = serde_json::from_str(frame).unwrap();
    let place = if object.get(field).is_some() && field != "msg" {
        object.as_object_mut().unwrap()
    } else {
        object["msg"].as_object_mut().unwrap()
    };
    assert!(place.contains_key(field), "{field} is not in {frame}");
    match value {
        Some(value) => place.insert(field.to_owned(), serde_json::from_str(value).unwrap()),
        None => place.remove(field),
    };
    object.to_string()
}

#[test]
fn a_missing_field_is_named_with_its_type() {
    let rows = [
        (DELTA, "type sid seq market_ticker market_id price_dollars delta_fp side"),
        (SNAPSHOT, "sid seq market_ticker market_id"),
        (TRADE, "sid trade_id market_ticker yes_price_dollars no_price_dollars count_fp ts_ms"),
        (TRADE, "taker_outcome_side"),
        (TICKER, "sid market_id market_ticker price_dollars yes_bid_dollars yes_ask_dollars"),
        (TICKER, "volume_fp open_interest_fp dollar_volume dollar_open_interest ts_ms"),
        (TICKER, "yes_bid_size_fp yes_ask_size_fp last_trade_size_fp"),
        (LIFECYCLE, "sid market_ticker event_type"),
    ];
    for (frame, fields) in rows {
        decode(frame).unwrap();
        let whole = serde_json::from_str::<serde_json::Value>(frame).unwrap();
        for field in fields.split(' ') {
            for text in [changed(frame, field, None), changed(frame, field, Some("null"))] {
                let kind = if field == "type" { "frame" } else { whole["type"].as_str().unwrap() };
                match decode(&text) {
                    Err(BadFrame::Missing { kind: found, field: named }) => {
                        assert_eq!((found.as_str(), named), (kind, field), "{text}");
                    }
                    other => panic!("{field} is missing and got {other:?}"),
                }
            }
        }
    }
    for (frame, field) in
        [(ERROR, "code"), (ERROR, "msg"), (SUBSCRIBED, "channel"), (SUBSCRIBED, "sid")]
    {
        let error = decode(&changed(frame, field, None)).unwrap_err();
        assert!(matches!(error, BadFrame::Missing { field: named, .. } if named.ends_with(field)));
    }
    for frame in [DELTA, SNAPSHOT, TRADE, TICKER, ERROR, SUBSCRIBED, LIFECYCLE] {
        let mut object: serde_json::Value = serde_json::from_str(frame).unwrap();
        object.as_object_mut().unwrap().remove("msg");
        let error = decode(&object.to_string()).unwrap_err();
        assert!(matches!(error, BadFrame::Missing { field: "msg", .. }), "{error}");
    }
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    let rows = [
        (DELTA, "price_dollars", "43"),
        (DELTA, "price_dollars", r#""1.0100""#),
        (DELTA, "price_dollars", r#""0.43005""#),
        (DELTA, "delta_fp", "-54"),
        (DELTA, "delta_fp", r#""1e3""#),
        (DELTA, "side", r#""maybe""#),
        (DELTA, "market_id", r#""xyz""#),
        (DELTA, "market_ticker", "5"),
        (DELTA, "market_ticker", r#""A\"B""#),
        (DELTA, "clock", "-1"),
        (DELTA, "clock", "0"),
        (DELTA, "clock", "1.5"),
        (DELTA, "ts_ms", r#""1786085188978""#),
        (DELTA, "sid", "-1"),
        (DELTA, "sid", "4294967296"),
        (DELTA, "seq", r#""24""#),
        (SNAPSHOT, "yes_dollars_fp", r#"[["0.08","1"],["0.0800","2"]]"#),
        (SNAPSHOT, "yes_dollars_fp", r#"[["0.08","1"],["0.0900","2"],["0.0800","2"]]"#),
        (SNAPSHOT, "yes_dollars_fp", r#"[["0.08","-1"]]"#),
        (SNAPSHOT, "yes_dollars_fp", r#"[["0.08"]]"#),
        (SNAPSHOT, "yes_dollars_fp", r#"[["0.08","1","2"]]"#),
        (SNAPSHOT, "yes_dollars_fp", "[[8,300]]"),
        (SNAPSHOT, "yes_dollars_fp", "{}"),
        (TRADE, "count_fp", "15.78"),
        (TICKER, "dollar_volume", "16948.5"),
        (ERROR, "code", r#""7""#),
    ];
    for (frame, field, value) in rows {
        let text = changed(frame, field, Some(value));
        let error = decode(&text).unwrap_err().to_string();
        assert!(error.contains(field), "{field} = {value}: {error}");
    }
}

#[test]
fn legacy_cents_are_refused_and_never_an_empty_book() {
    let legacy = r#"{"type":"orderbook_snapshot","sid":2,"seq":2,"msg":{"market_ticker":"A","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","yes":[[8,300]],"no":[[54,20]]}}"#;
    assert!(matches!(decode(legacy), Err(BadFrame::Malformed { .. })));
    let legacy = r#"{"type":"orderbook_delta","sid":2,"seq":2,"msg":{"market_ticker":"A","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","price":96,"delta":-54,"side":"yes"}}"#;
    assert!(matches!(decode(legacy), Err(BadFrame::Missing { field: "price_dollars", .. })));
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let twice = DELTA.replace(r#""sid":1"#, r#""sid":1,"sid":1"#);
    let twice_in_msg = DELTA.replace(r#""clock":7"#, r#""clock":7,"clock":7"#);
    let deep = format!(r#"{{"type":"x","msg":{}"#, "[".repeat(100_000));
    let cut = &DELTA[..DELTA.len() - 1];
    let after = format!("{DELTA} {DELTA}");
    let texts = ["", "null", "[]", "{", "{}", "\u{feff}{}", "{\"type\":5}", cut, &twice_in_msg];
    for text in texts.into_iter().chain([twice.as_str(), after.as_str(), deep.as_str()]) {
        assert!(decode(text).is_err(), "{text}");
    }
    assert_eq!(decode_bytes(b"{\"type\":\"\xff\"}"), Err(BadFrame::NotUtf8 { at: 9 }));
    let long = format!(r#"{{"type":"{}","sid":"{}"}}"#, "k".repeat(9999), "v".repeat(9999));
    assert!(decode(&long).unwrap_err().to_string().len() < 400);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _frame = decode_bytes(&bytes);
    }

    #[test]
    fn no_damage_to_a_real_frame_panics(
        which in 0usize..7,
        damage in proptest::collection::vec((0usize..400, any::<u8>()), 1..4),
        cut in 0usize..800,
    ) {
        let frames = [DELTA, SNAPSHOT, TRADE, TICKER, ERROR, SUBSCRIBED, LIFECYCLE];
        let mut bytes = frames[which].as_bytes().to_vec();
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(cut);
        let _frame = decode_bytes(&bytes);
    }
}
