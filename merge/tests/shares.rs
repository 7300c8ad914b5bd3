//! Several deduplicators divide the markets: together they keep what one would keep, each event in one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use exchange::Moment;
use merge::{Config, GathererIndex, Input, Merge, Output, Record, Source};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const START_NS: i64 = 1_790_000_000_000_000_000;
const MARKETS: [&str; 7] =
    ["KXA-1", "KXB-1", "KXC-77", "KXE-26-T9", "KXE-26-T12", "KXG-1", "KXH-2"];
const PARTS: u32 = 3;

/// A merge, and what came out of it.
struct Part {
    merge: Merge,
    lanes: Vec<Source>,
    records: Vec<Record>,
    frames: u64,
}

impl Part {
    fn new(share: &str) -> Self {
        let share = share.parse().expect("a share");
        let config = Config { share, start_wait: Duration::ZERO, ..Config::default() };
        let mut merge = Merge::new(config);
        let lanes =
            ["east", "west"].map(|name| Source { gatherer: merge.gatherer(name), session: 1 });
        for &source in &lanes {
            let gatherer = source.gatherer;
            merge.handle(Input::Connected { gatherer }, Moment::default());
            let wall_ns = START_NS;
            merge.handle(Input::SessionOpened { source, wall_ns }, Moment::default());
        }
        Self { merge, lanes: lanes.into(), records: Vec::new(), frames: 0 }
    }

    fn take(&mut self, lane: usize, text: &str, at_ms: u64) {
        let frame = exchange::decode(text).expect("a good frame");
        let now = Moment::from_nanos(at_ms * 1_000_000);
        let wall_ns = START_NS + at_ms.cast_signed() * 1_000_000;
        let source = self.lanes[lane];
        self.merge.handle(Input::Frame { source, wall_ns, frame: &frame }, now);
        self.frames += 1;
        self.look(now);
    }

    fn look(&mut self, now: Moment) {
        self.merge.handle_timeout(now);
        while let Some(output) = self.merge.poll() {
            if let Output::Record(record) = output {
                self.records.push(record);
            }
        }
    }

    /// Everybody is heard for two minutes, so that all waits end.
    fn end(&mut self, at_ms: u64) {
        for second in 1..120 {
            let at_ms = at_ms + second * 1_000;
            let wall_ns = START_NS + at_ms.cast_signed() * 1_000_000;
            for gatherer in [GathererIndex(0), GathererIndex(1)] {
                let now = Moment::from_nanos(at_ms * 1_000_000);
                self.merge.handle(Input::Progress { gatherer, wall_ns }, now);
                self.look(now);
            }
        }
    }

    /// What stands in the record, by market, without the number of its stream; and all else.
    fn told(&self) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::new();
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in &self.records {
            let (market, text) = match record {
                Record::Market { sid, ticker, .. } => {
                    names.insert(*sid, ticker.clone());
                    continue;
                }
                Record::Delta(delta) => (names[&delta.sid].clone(), format!("{delta:?}")),
                Record::Snapshot(shown) => (names[&shown.sid].clone(), format!("{shown:?}")),
                Record::Hole(hole) => (names[&hole.sid].clone(), format!("{hole:?}")),
                Record::Trade(trade) => (trade.market_ticker.clone(), format!("{trade:?}")),
                Record::Lifecycle(message) => ("".to_owned(), format!("{message:?}")),
                _ => continue,
            };
            let (before, after) = text.split_once("sid: ").unwrap_or((&text, ""));
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            told.entry(market).or_default().push(format!("{before}{after}"));
        }
        told
    }
}

/// The frames of both lanes, in the order of their receipt: lane, text, time. Lane 1 loses some.
fn feed(seed: u64) -> Vec<(usize, String, u64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut frames = Vec::new();
    let mut seq = [0_u64; 2];
    let mut at_ms = 10;
    let mut clocks = [100_u64; MARKETS.len()];
    let mut send = |kind: &str, msg: &str, at_ms: u64, is_lost: bool| {
        for (lane, seq) in seq.iter_mut().enumerate() {
            *seq += 1;
            let text = format!(r#"{{"type":"{kind}","sid":1,"seq":{seq},"msg":{{{msg}}}}}"#);
            if !(is_lost && lane == 1) {
                frames.push((lane, text, at_ms + 3 * lane as u64));
            }
        }
    };
    let named = |market: usize| {
        format!(
            r#""market_ticker":"{}","market_id":"00000000-0000-0000-0000-00000000000{market}""#,
            MARKETS[market]
        )
    };
    for market in 0..MARKETS.len() {
        let book = r#""clock":100,"yes_dollars_fp":[["0.4000","50.00"]],"no_dollars_fp":[["0.6000","7.00"]]"#;
        send("orderbook_snapshot", &format!("{},{book}", named(market)), at_ms, false);
    }
    for number in 0..400_u32 {
        at_ms += rng.random_range(5..40);
        let market = rng.random_range(0..MARKETS.len());
        clocks[market] += 1;
        let delta = format!(
            r#"{},"clock":{},"price_dollars":"0.3{}00","delta_fp":"{}.00","side":"yes","ts_ms":1790000000000"#,
            named(market),
            clocks[market],
            rng.random_range(0..10),
            number + 1
        );
        send("orderbook_delta", &delta, at_ms, number % 90 == 60);
        if number % 9 == 0 {
            let trade = format!(
                r#""trade_id":"00000000-0000-0000-0000-{number:012}","market_ticker":"{}","yes_price_dollars":"0.36","no_price_dollars":"0.64","count_fp":"1.00","taker_side":"no","taker_outcome_side":"no","ts":1790000000,"ts_ms":1790000000000"#,
                MARKETS[market]
            );
            send("trade", &trade, at_ms, false);
        }
        if number % 40 == 0 {
            let event = format!(
                r#""event_ticker":"KXEVENT-{number}","title":"t","subtitle":"s","collateral_return_type":"MECNET","series_ticker":"KXEVENT""#
            );
            send("event_lifecycle", &event, at_ms, false);
        }
    }
    // In the order of receipt, a lane's own order kept.
    frames.sort_by_key(|(_, _, at_ms)| *at_ms);
    frames
}

#[test]
fn parts_together_keep_what_one_would_keep() {
    for seed in 0..20 {
        let mut whole = Part::new("1/1");
        let mut parts: Vec<Part> =
            (1..=PARTS).map(|part| Part::new(&format!("{part}/{PARTS}"))).collect();
        let feed = feed(seed);
        let last_ms = feed.last().expect("frames").2;
        for part in parts.iter_mut().chain([&mut whole]) {
            feed.iter().for_each(|(lane, text, at_ms)| part.take(*lane, text, *at_ms));
            part.end(last_ms);
        }
        let expected = whole.told();
        assert!(expected.len() > MARKETS.len(), "seed {seed}: {:?}", expected.keys());
        let mut together: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in &parts {
            for (market, records) in part.told() {
                let before = together.insert(market.clone(), records);
                assert_eq!(before, None, "seed {seed}: {market} is in two parts");
            }
        }
        assert_eq!(together, expected, "seed {seed}");
        let kept: Vec<usize> = parts.iter().map(|part| part.told().len()).collect();
        assert!(kept.iter().all(|&markets| markets > 0), "{kept:?}");
        for part in parts.iter_mut().chain([&mut whole]) {
            let accounted: u32 =
                part.merge.close_minutes(i64::MAX).iter().map(|row| row.frames).sum();
            assert_eq!(
                u64::from(accounted),
                part.frames,
                "seed {seed}: every frame is accounted for"
            );
        }
    }
}
