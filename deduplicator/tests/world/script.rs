//! The truth of a short day, and the frames in which one gatherer received it.

use std::collections::BTreeMap;

use proto::{Capture, Stamp};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// One change that the exchange made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Change {
    pub market: usize,
    pub clock: u64,
    pub ord: u16,
    pub no: bool,
    pub price: u16,
    pub delta: i64,
    pub ts_ms: i64,
}

/// The whole day.
pub struct Truth {
    pub markets: usize,
    pub changes: Vec<Change>,
    pub start_ns: i64,
    /// Between two changes.
    pub step_ns: i64,
}

pub fn ticker(market: usize) -> String {
    format!("KXTEST-{market:03}")
}

fn market_id(market: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(0xabc0 + market as u128)
}

impl Truth {
    /// `changes` changes of `markets` books that begin empty; the same seed gives the same day.
    pub fn new(seed: u64, (markets, changes): (usize, usize), start_ns: i64, step_ns: i64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut books: Vec<BTreeMap<(bool, u16), i64>> = vec![BTreeMap::new(); markets];
        let mut heads = vec![(100_u64, 0_u16); markets];
        let mut all = Vec::with_capacity(changes);
        for at in 0..changes {
            let market = rng.random_range(0..markets);
            let (clock, ord) = &mut heads[market];
            // An amend is two changes of one clock.
            if *ord == 0 || *ord >= 2 || rng.random_bool(0.7) {
                *clock += rng.random_range(1..4);
                *ord = 0;
            }
            let book = &mut books[market];
            let place = (rng.random_bool(0.5), rng.random_range(1..100) * 100);
            let rests = book.get(&place).copied().unwrap_or(0);
            let delta =
                if rests > 0 && rng.random_bool(0.5) { -rests } else { rng.random_range(1..5_000) };
            book.insert(place, rests + delta);
            all.push(Change {
                market,
                clock: *clock,
                ord: *ord,
                no: place.0,
                price: place.1,
                delta,
                ts_ms: (start_ns + at as i64 * step_ns) / 1_000_000,
            });
            *ord += 1;
        }
        Self { markets, changes: all, start_ns, step_ns }
    }

    /// Capture records of a gatherer `behind_us` behind the first: one session, one sid, a snapshot
    /// of every market, every change.
    pub fn captures(&self, behind_us: i64) -> Vec<Vec<u8>> {
        let session = 1 << 32 | 1;
        let stamp = |at: i64| {
            let wall_ns = self.start_ns + at * self.step_ns + behind_us * 1_000;
            Stamp { wall_ns, mono_ns: wall_ns.cast_unsigned() }
        };
        let mut out = Vec::new();
        let mut push = |capture: Capture<'_>| {
            let mut bytes = Vec::new();
            capture.encode(&mut bytes);
            out.push(bytes);
        };
        push(Capture::SessionOpened { session, stamp: stamp(0), about: "{}" });
        let subscribed =
            br#"{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}"#;
        push(Capture::Frame { session, stamp: stamp(0), bytes: subscribed });
        let mut seq = 0;
        for market in 0..self.markets {
            seq += 1;
            let text = format!(
                r#"{{"type":"orderbook_snapshot","sid":1,"seq":{seq},"msg":{{"market_ticker":"{}","market_id":"{}","clock":100}}}}"#,
                ticker(market),
                market_id(market)
            );
            push(Capture::Frame { session, stamp: stamp(0), bytes: text.as_bytes() });
        }
        for (at, change) in self.changes.iter().enumerate() {
            seq += 1;
            let text = frame(change, seq);
            push(Capture::Frame { session, stamp: stamp(at as i64), bytes: text.as_bytes() });
        }
        out
    }

    /// Frames in the captures of one gatherer.
    pub fn frames(&self) -> u64 {
        (1 + self.markets + self.changes.len()) as u64
    }
}

fn frame(change: &Change, seq: usize) -> String {
    let sign = if change.delta < 0 { "-" } else { "" };
    let size = change.delta.unsigned_abs();
    format!(
        r#"{{"type":"orderbook_delta","sid":1,"seq":{seq},"msg":{{"market_ticker":"{}","market_id":"{}","clock":{},"price_dollars":"0.{:04}","delta_fp":"{sign}{}.{:02}","side":"{}","ts":"2026-11-20T00:00:00Z","ts_ms":{}}}}}"#,
        ticker(change.market),
        market_id(change.market),
        change.clock,
        change.price,
        size / 100,
        size % 100,
        if change.no { "no" } else { "yes" },
        change.ts_ms
    )
}
