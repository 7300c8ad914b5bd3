//! How many lane events a second the merge takes, beside the least that any merge must do: look
//! every event's identity up in one set.
//!
//! 10,000 markets, three lanes, one core. Frames are decoded already: their cost is `exchange`'s.

use std::{collections::HashSet, hint::black_box, io::Write, time::Instant};

use exchange::{Delta, Frame, Level, Message, Moment, Price, Side, Size, Snapshot};
use merge::{Config, Input, Merge, Output, Source};
use uuid::Uuid;

const MARKETS: usize = 10_000;
const LANES: usize = 3;
const EVENTS: usize = 1_000_000;
const WALL: i64 = 1_790_000_000_000_000_000;
/// Levels a side when a market starts.
const LEVELS: u16 = 20;

/// One action at the exchange.
#[derive(Clone, Copy)]
struct Event {
    market: u32,
    clock: u64,
    k: u16,
    no: bool,
    price: u16,
    delta: i64,
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn events() -> Vec<Event> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut clocks = vec![1_000_u64; MARKETS];
    let mut ks = vec![0_u16; MARKETS];
    (0..EVENTS)
        .map(|_| {
            // A few markets are busy, most are quiet.
            let spread = if next(&mut state).is_multiple_of(2) { MARKETS } else { MARKETS / 50 };
            let market = (next(&mut state) as usize) % spread;
            let same =
                ks[market] == 0 && clocks[market] > 1_000 && next(&mut state).is_multiple_of(2);
            if same {
                ks[market] = 1;
            } else {
                (clocks[market], ks[market]) = (clocks[market] + 1 + next(&mut state) % 3, 0);
            }
            Event {
                market: market as u32,
                clock: clocks[market],
                k: ks[market],
                no: next(&mut state).is_multiple_of(2),
                price: (1 + next(&mut state) as u16 % LEVELS) * 100,
                delta: 1 + (next(&mut state) % 500) as i64,
            }
        })
        .collect()
}

fn delta<'a>(event: &Event, ticker: &'a str, seq: u64) -> Frame<'a> {
    let message = Message::Delta(Delta {
        market_ticker: ticker,
        market_id: Uuid::from_u128(u128::from(event.market)),
        clock: Some(event.clock),
        side: if event.no { Side::No } else { Side::Yes },
        price: Price::from_units(event.price).expect("small"),
        delta: Size::from_units(event.delta),
        ts_ms: Some(WALL / 1_000_000),
    });
    Frame {
        sid: Some(1),
        seq: Some(seq),
        id: None,
        sending_ts_ms: None,
        unknown_fields: 0,
        message,
    }
}

fn snapshot(market: usize, ticker: &str) -> Frame<'_> {
    let level = |tick: u16| Level {
        price: Price::from_units(tick * 100).expect("small"),
        size: Size::from_units(1_000),
    };
    let message = Message::Snapshot(Snapshot {
        market_ticker: ticker,
        market_id: Uuid::from_u128(market as u128),
        clock: Some(1_000),
        yes: (1..=LEVELS).map(level).collect(),
        no: (1..=LEVELS).map(level).collect(),
    });
    let seq = Some(market as u64 + 1);
    Frame { sid: Some(1), seq, id: None, sending_ts_ms: None, unknown_fields: 0, message }
}

/// Takes everything out; how many records there were.
fn drain(merge: &mut Merge) -> u64 {
    let mut records = 0;
    while let Some(output) = merge.poll() {
        records += u64::from(matches!(black_box(output), Output::Record(_)));
    }
    records
}

fn started(tickers: &[String]) -> (Merge, [Source; LANES]) {
    let mut merge = Merge::new(Config::default());
    let sources = std::array::from_fn(|lane| {
        let gatherer = merge.gatherer(&format!("gatherer-{lane}"));
        Source { gatherer, session: 1 << 32 }
    });
    for source in sources {
        for (market, ticker) in tickers.iter().enumerate() {
            let frame = snapshot(market, ticker);
            merge.handle(Input::Frame { source, wall_ns: WALL, frame: &frame }, now(0));
        }
    }
    drain(&mut merge);
    (merge, sources)
}

fn now(at: usize) -> Moment {
    Moment::from_nanos(1_000_000_000 + at as u64 * 1_000)
}

/// Hands all events over by `batch` events a lane, as batches of gatherers come; seconds, records.
fn merge_all(events: &[Event], tickers: &[String], batch: usize) -> (f64, u64, Merge) {
    let (mut merge, sources) = started(tickers);
    let mut seconds = 0.0;
    let mut records = 0;
    let mut seq = MARKETS as u64;
    for (at, events) in events.chunks(batch).enumerate() {
        let frames: Vec<Frame<'_>> = events
            .iter()
            .enumerate()
            .map(|(k, event)| delta(event, &tickers[event.market as usize], seq + 1 + k as u64))
            .collect();
        seq += events.len() as u64;
        let begun = begun();
        for (lane, source) in sources.into_iter().enumerate() {
            let wall_ns = WALL + (at * batch * 1_000) as i64 + lane as i64 * 50_000;
            for frame in &frames {
                merge.handle(Input::Frame { source, wall_ns, frame }, now(at * batch));
            }
        }
        records += drain(&mut merge);
        seconds += begun.elapsed().as_secs_f64();
    }
    (seconds, records, merge)
}

/// The least: is (market, clock, k) new?
fn set_all(events: &[Event], batch: usize) -> f64 {
    let begun = begun();
    let mut seen: HashSet<(u32, u64, u16)> = HashSet::new();
    let mut new = 0_u64;
    for events in events.chunks(batch) {
        for _ in 0..LANES {
            for event in events {
                new += u64::from(seen.insert((event.market, event.clock, event.k)));
            }
        }
    }
    black_box(new);
    begun.elapsed().as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn begun() -> Instant {
    Instant::now()
}

fn main() {
    let events = events();
    let tickers: Vec<String> =
        (0..MARKETS).map(|market| format!("KXBTC15M-26NOV21{market:05}-T{market}")).collect();
    let lane_events = (EVENTS * LANES) as f64;
    let mut out = std::io::stdout().lock();
    for batch in [1, 64, 1_024] {
        let (seconds, records, merge) = merge_all(&events, &tickers, batch);
        let set = set_all(&events, batch);
        let bytes = postcard::to_allocvec(&merge).expect("serialises").len();
        writeln!(
            out,
            "batch {batch:>5}: merge {:>6.2} M lane events/s, {:>5.2} M canonical/s ({records} records), \
             state {:.1} MB serialised | set of identities {:>6.2} M/s, ratio {:.2}",
            lane_events / seconds / 1e6,
            records as f64 / seconds / 1e6,
            bytes as f64 / 1e6,
            lane_events / set / 1e6,
            set / seconds,
        )
        .expect("stdout");
    }
}
