//! One plausible row of each table, to be varied.

use schema::rows::{
    EventType, Gap, GapState, LaneMinute, LatestLevel, MarketLifecycle, OrderbookEvent,
    OrderbookSnapshot, Origin, Price, RawFrame, RawOrderbookEvent, Side, SinkCursor, Size,
    TakerSide, Ticker, Trade, UnixMicros, UnixMillis, UnixSeconds,
};
use uuid::Uuid;

/// Any time; raw frames need a recent one (see there).
pub(crate) const NOW_MS: i64 = 1_790_000_000_123;
pub(crate) const NOW_US: i64 = 1_790_000_000_123_456;
const MARKET: &str = "KXBTC15M-26NOV21-T100";
const MARKET_ID: Uuid = Uuid::from_u128(0x9b0f_6b43_5b68_4f9f_9f02_9a2d_1b8a_c1a1);

pub(crate) fn event(seq: u64) -> OrderbookEvent {
    OrderbookEvent {
        event_type: EventType::Delta,
        sid: 7,
        seq,
        market_id: MARKET_ID,
        market_ticker: MARKET.into(),
        side: Side::No,
        price: Price(9_999),
        qty: Size(-123_456_789_012_345),
        ts: UnixMillis(NOW_MS),
        ingest_ts: UnixMicros(NOW_US),
        era: 3,
        clock: u64::MAX,
        clock_ord: 2,
        gatherer: "east".into(),
        session: 12,
        source_sid: 1,
        source_seq: 99,
        origin: Origin::GetSnapshot,
        flags: schema::rows::FLAG_DISPUTED,
    }
}

pub(crate) fn raw_event(seq: u64) -> RawOrderbookEvent {
    RawOrderbookEvent {
        event_type: EventType::Snapshot,
        sid: 1,
        seq,
        market_id: MARKET_ID,
        market_ticker: MARKET.into(),
        side: Side::Yes,
        price: Price(1),
        qty: Size(100),
        ts: UnixMillis(NOW_MS),
        ingest_ts: UnixMicros(NOW_US),
        clock: 0,
        gatherer: "east".into(),
        session: 12,
        origin: Origin::Live,
    }
}

pub(crate) fn level(seq: u64, size: i64) -> LatestLevel {
    LatestLevel {
        market_id: MARKET_ID,
        market_ticker: MARKET.into(),
        side: Side::Yes,
        price: Price(5_000),
        size: Size(size),
        ts: UnixMillis(NOW_MS),
        ingest_ts: UnixMicros(NOW_US),
        seq,
    }
}

pub(crate) fn trade(id: u128) -> Trade {
    Trade {
        trade_id: Uuid::from_u128(id),
        market_ticker: MARKET.into(),
        yes_price: Price(3_520),
        no_price: Price(6_480),
        count: Size(1_578),
        taker_side: TakerSide::Unknown,
        is_block_trade: true,
        ts: UnixMillis(NOW_MS),
        ingest_ts: UnixMicros(NOW_US),
        gatherer: "west".into(),
        session: 1,
        source_sid: 2,
        source_seq: 1_601,
        recovered: false,
    }
}

pub(crate) fn ticker(price: i32) -> Ticker {
    Ticker {
        market_id: MARKET_ID,
        market_ticker: MARKET.into(),
        price: Price(price),
        yes_bid: Price(0),
        yes_ask: Price(10_000),
        volume: Size(3_389_600),
        open_interest: Size(2_042_200),
        dollar_volume: 16_948,
        dollar_open_interest: 10_211,
        yes_bid_size: Size(30_000),
        yes_ask_size: Size(15_000),
        last_trade_size: Size(2_500),
        ts: UnixMillis(NOW_MS),
        ingest_ts: UnixMicros(NOW_US),
        gatherer: "west".into(),
        session: 1,
        source_sid: 11,
    }
}

pub(crate) fn lifecycle(body: &str) -> MarketLifecycle {
    MarketLifecycle {
        kind: "market_lifecycle_v2".into(),
        market_ticker: MARKET.into(),
        event_ticker: "".into(),
        event_type: "determined".into(),
        ts: UnixMillis(NOW_MS),
        body: body.to_owned(),
        ingest_ts: UnixMicros(NOW_US),
        gatherer: "west".into(),
        session: 1,
        source_sid: 13,
        source_seq: 3,
    }
}

pub(crate) fn snapshot(source: &str) -> OrderbookSnapshot {
    OrderbookSnapshot {
        snapshot_ts: UnixMicros(NOW_US),
        source: source.into(),
        ticker: MARKET.into(),
        clock: 4_182_057,
        yes_prices: vec![Price(800), Price(2_200)],
        yes_sizes: vec![Size(30_000), Size(33_300)],
        no_prices: Vec::new(),
        no_sizes: Vec::new(),
        gatherer: "east".into(),
    }
}

/// Received at `recv_ts`: the table drops what is older than three days.
pub(crate) fn frame(offset: u64, recv_ts: UnixMicros) -> RawFrame {
    RawFrame {
        session: 12,
        position_incarnation: 4,
        position_offset: offset,
        recv_ts,
        frame: "{\"type\":\"ok\",\"sid\":1,\"seq\":2,\"msg\":{\"\u{e9}\":1}}\n".to_owned(),
    }
}

pub(crate) fn gap(state: GapState, version: u64) -> Gap {
    Gap {
        market_ticker: MARKET.into(),
        era: 3,
        from_clock: 100,
        to_clock: 250,
        from_ts: UnixMillis(NOW_MS),
        to_ts: UnixMillis(NOW_MS + 5),
        cause: "disconnected".into(),
        state,
        repaired_by: "".into(),
        version,
    }
}

pub(crate) fn minute(checkpoint: u64, frames: u64) -> LaneMinute {
    LaneMinute {
        gatherer: "east".into(),
        market_ticker: "".into(),
        minute: UnixSeconds(1_790_000_040),
        checkpoint,
        frames,
        first_arrivals: 2,
        copies: 3,
        unverified: 12,
        snapshots: 13,
        uncovered: 4,
        late: 5,
        divergences: 6,
        quarantined: 14,
        repeats: 15,
        control: 16,
        undecodable: 17,
        breaks: 7,
        holes: 8,
        skew_p50_us: 9,
        skew_p99_us: 10,
        skew_max_us: 11,
    }
}

pub(crate) fn cursor(incarnation: u32, offset: u64) -> SinkCursor {
    SinkCursor {
        sink: "clickhouse".into(),
        position_incarnation: incarnation,
        position_offset: offset,
        updated: UnixMillis(NOW_MS),
    }
}
