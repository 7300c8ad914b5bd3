//! What one frame costs to decode, beside two yardsticks in the same run: `serde_json::Value` of the
//! same text, and the bare check that it is UTF-8. Ratios hold on a busy machine, figures less.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use serde_json::Value;

const DELTA: &str = r#"{"type":"orderbook_delta","sid":1,"seq":184467,"msg":{"market_ticker":"KXRAINGAME-26AUG071840AAABBB-BBB","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","clock":4182061,"price_dollars":"0.4300","delta_fp":"-100.00","side":"yes","ts":"2026-08-07T06:46:28.97871Z","ts_ms":1786085188978},"sending_ts_ms":1786085188981}
"#;
const TRADE: &str = r#"{"type":"trade","sid":2,"seq":1601,"msg":{"trade_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0002","market_ticker":"KXRAINCROSS-S2026B03BBBE130F-22FD13272F4","yes_price_dollars":"0.3520","no_price_dollars":"0.6480","count_fp":"15.78","taker_side":"yes","taker_outcome_side":"yes","taker_book_side":"bid","is_block_trade":false,"ts":1783339223,"ts_ms":1783339223261},"sending_ts_ms":1786085188981}
"#;
const TICKER: &str = r#"{"type":"ticker","sid":11,"msg":{"market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","market_ticker":"KXRAINGAME-26AUG071840AAABBB-BBB","price_dollars":"0.4800","yes_bid_dollars":"0.4500","yes_ask_dollars":"0.5300","volume_fp":"33896.00","open_interest_fp":"20422.00","dollar_volume":16948,"dollar_open_interest":10211,"yes_bid_size_fp":"300.00","yes_ask_size_fp":"150.00","last_trade_size_fp":"25.00","ts":1669149841,"ts_ms":1669149841000,"time":"2022-11-22T20:44:01Z"},"sending_ts_ms":1786085188981}
"#;

/// Levels on each side of the snapshot.
const LEVELS: usize = 40;

/// Frames between two looks at the clock, and how often; the best round counts, since on shared
/// cores all the others measure the neighbours; a round is shorter than a slice of the scheduler.
const FRAMES: u32 = 500;
const ROUNDS: u32 = 400;

fn snapshot() -> String {
    let side = |from: usize| {
        let level = |n| format!(r#"["0.{:02}00","{}.50"]"#, from + n, 100 + 37 * n);
        (0..LEVELS).map(level).collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"type":"orderbook_snapshot","sid":1,"seq":2,"msg":{{"market_ticker":"KXRAINGAME-26AUG071840AAABBB-BBB","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","clock":4182057,"yes_dollars_fp":[{}],"no_dollars_fp":[{}]}}}}"#,
        side(10),
        side(55)
    )
}

/// Nanoseconds one call takes in the best round.
fn measure(mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
        let start = Instant::now();
        for _ in 0..FRAMES {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(FRAMES));
    }
    best
}

fn main() -> std::io::Result<()> {
    let snapshot = snapshot();
    let frames = [("delta", DELTA), ("snapshot", &*snapshot), ("trade", TRADE), ("ticker", TICKER)];
    let mut out = std::io::stdout().lock();
    writeln!(out, "ns a frame     bytes   decode    Value    utf-8  Value/decode  decode/utf-8")?;
    for (name, text) in frames {
        let decode = measure(|| {
            let frame = exchange::decode_bytes(black_box(text.as_bytes()));
            assert!(black_box(frame).is_ok());
        });
        let value = measure(|| {
            let value = serde_json::from_str::<Value>(black_box(text));
            assert!(black_box(value).is_ok());
        });
        let scan = measure(|| {
            assert!(black_box(std::str::from_utf8(black_box(text.as_bytes()))).is_ok());
        });
        let (faster, slower) = (value / decode, decode / scan);
        let bytes = text.len();
        writeln!(
            out,
            "{name:<13} {bytes:>6} {decode:>8.0} {value:>8.0} {scan:>8.1} {faster:>12.1}x {slower:>12.1}x"
        )?;
    }
    Ok(())
}
