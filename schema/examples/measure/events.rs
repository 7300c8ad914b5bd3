//! A day of plausible events: a few busy markets and many quiet ones, amends as pairs, bursts,
//! heavy-tailed sizes, three gatherers of whom any may be first, checkpoints.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schema::rows::{
    EventType, OrderbookEvent, Origin, Price, Side, Size, Text, UnixMicros, UnixMillis,
};
use uuid::Uuid;

pub(crate) const MARKETS: usize = 300;
/// Midnight, UTC.
pub(crate) const DAY_START_MS: i64 = 1_789_948_800_000;
const DAY_MS: i64 = 86_400_000;
const CHECKPOINT_EVERY: u64 = 10_000;
const SEED: u64 = 20_260_921;

struct Market {
    ticker: Text,
    id: Uuid,
    seq: u64,
    clock: u64,
    mid: i32,
    levels: HashMap<(Side, i32), i64>,
}

/// Busiest first: market 0 has about one event in seven.
pub(crate) fn ticker(market: usize) -> String {
    format!("KXBTC15M-26SEP21{:04}-T{}", market * 15, 60_000 + 250 * market)
}

pub(crate) fn make(rows: usize) -> Vec<OrderbookEvent> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut markets: Vec<Market> = (0..MARKETS).map(|i| market(i, &mut random)).collect();
    let gatherers: [Text; 3] = ["east".into(), "west".into(), "ohio".into()];
    let mut source_seqs = [0_u64; 3];
    let mut events = Vec::with_capacity(rows + 1000);
    while events.len() < rows {
        let now_ms = DAY_START_MS + DAY_MS * events.len() as i64 / rows as i64;
        let chosen = (MARKETS as f64 * random.random::<f64>().powi(3)) as usize;
        let market = &mut markets[chosen];
        let first = random.random_range(0..3_usize);
        source_seqs[first] += random.random_range(1..4_u64);
        market.clock += random.random_range(1..9_u64);
        let received = now_ms * 1000 + 5_700 + random.random_range(-2_000..4_000);
        let from = From {
            ts: UnixMillis(now_ms),
            ingest_ts: UnixMicros(received),
            gatherer: &gatherers[first],
            source_seq: source_seqs[first],
        };
        change(market, &from, &mut random, &mut events);
        if market.seq.is_multiple_of(CHECKPOINT_EVERY) {
            checkpoint(market, &from, &mut events);
        }
    }
    events
}

struct From<'a> {
    ts: UnixMillis,
    ingest_ts: UnixMicros,
    gatherer: &'a Text,
    source_seq: u64,
}

fn market(index: usize, random: &mut ChaCha8Rng) -> Market {
    Market {
        ticker: ticker(index).into(),
        id: Uuid::from_u128(random.random()),
        seq: 1,
        clock: random.random_range(1_000_000..9_000_000),
        mid: random.random_range(1_000..9_000) / 100 * 100,
        levels: HashMap::new(),
    }
}

/// Six in ten are amends: minus at the old level, plus at the new one, one clock.
fn change(
    market: &mut Market,
    from: &From<'_>,
    random: &mut ChaCha8Rng,
    events: &mut Vec<OrderbookEvent>,
) {
    if random.random_ratio(1, 50) {
        market.mid = (market.mid + random.random_range(-2..3) * 100).clamp(300, 9_700);
    }
    let side = if random.random() { Side::Yes } else { Side::No };
    let lots = 1 + (random.random::<f64>().powi(6) * 4_000.0) as i64;
    let (old, new) = (level(market.mid, side, random), level(market.mid, side, random));
    let mut ordinal = 0;
    if random.random_ratio(6, 10)
        && let Some(&resting) = market.levels.get(&(side, old)).filter(|&&resting| resting > 0)
    {
        delta(market, from, (side, old, -resting.min(lots * 100)), ordinal, events);
        ordinal = 1;
    }
    delta(market, from, (side, new, lots * 100), ordinal, events);
}

fn level(mid: i32, side: Side, random: &mut ChaCha8Rng) -> i32 {
    let away = 100 + (random.random::<f64>().powi(3) * 30.0) as i32 * 100;
    if side == Side::Yes { (mid - away).max(100) } else { (mid + away).min(9_900) }
}

fn delta(
    market: &mut Market,
    from: &From<'_>,
    (side, price, change): (Side, i32, i64),
    ordinal: u16,
    events: &mut Vec<OrderbookEvent>,
) {
    market.seq += 1;
    *market.levels.entry((side, price)).or_default() += change;
    let mut event = event(market, from, EventType::Delta, Origin::Live);
    (event.side, event.price, event.qty) = (side, Price(price), Size(change));
    event.clock_ord = ordinal;
    events.push(event);
}

fn checkpoint(market: &mut Market, from: &From<'_>, events: &mut Vec<OrderbookEvent>) {
    market.seq += 1;
    for (&(side, price), &size) in market.levels.iter().filter(|&(_, &size)| size > 0) {
        let mut event = event(market, from, EventType::Snapshot, Origin::Checkpoint);
        (event.side, event.price, event.qty) = (side, Price(price), Size(size));
        events.push(event);
    }
}

fn event(market: &Market, from: &From<'_>, kind: EventType, origin: Origin) -> OrderbookEvent {
    OrderbookEvent {
        event_type: kind,
        sid: 1,
        seq: market.seq,
        market_id: market.id,
        market_ticker: market.ticker.clone(),
        side: Side::Yes,
        price: Price(0),
        qty: Size(0),
        ts: from.ts,
        ingest_ts: from.ingest_ts,
        era: 0,
        clock: market.clock,
        clock_ord: 0,
        gatherer: from.gatherer.clone(),
        session: 3,
        source_sid: 1,
        source_seq: from.source_seq,
        origin,
        flags: 0,
    }
}
