//! The table rows that one canonical record makes, the same for ClickHouse and for the archive.

use exchange::{Level, Side};
use merge::{
    DeltaRecord, HoleRecord, LaneMinutesRecord, LifecycleRecord, Provenance, RestBooksRecord,
    SnapshotRecord, TickerRecord, TradeRecord,
};
use schema::rows::{
    self, EventType, FLAG_DISPUTED, Gap, GapState, LaneMinute, LatestLevel, MarketLifecycle,
    OrderbookEvent, OrderbookSnapshot, Price, Size, TakerSide, Text, Ticker, Trade, UnixMicros,
    UnixMillis, UnixSeconds,
};

use super::names::{Market, Names};

/// A gap's row while nobody covers the market, and the row that takes its place; whoever repairs it writes a higher one.
const GAP_NO_END_VERSION: u64 = 1;
const GAP_VERSION: u64 = 2;

fn side(side: Side) -> rows::Side {
    match side {
        Side::Yes => rows::Side::Yes,
        Side::No => rows::Side::No,
    }
}

fn origin(origin: merge::Origin) -> rows::Origin {
    match origin {
        merge::Origin::Live => rows::Origin::Live,
        merge::Origin::GetSnapshot => rows::Origin::GetSnapshot,
        merge::Origin::Checkpoint => rows::Origin::Checkpoint,
        merge::Origin::Rest => rows::Origin::Rest,
    }
}

fn price(price: exchange::Price) -> Price {
    Price(i32::from(price.units()))
}

fn size(size: exchange::Size) -> Size {
    Size(size.units())
}

fn micros(from: &Provenance) -> UnixMicros {
    UnixMicros(from.wall_ns.div_euclid(1_000))
}

/// Exchange time, or the receipt where the frame had none.
fn millis(ts_ms: i64, from: &Provenance) -> UnixMillis {
    UnixMillis(if ts_ms == 0 { from.wall_ns.div_euclid(1_000_000) } else { ts_ms })
}

pub(crate) fn delta(delta: &DeltaRecord, names: &Names) -> anyhow::Result<OrderbookEvent> {
    let market = names.market(delta.sid)?;
    Ok(OrderbookEvent {
        event_type: EventType::Delta,
        sid: delta.sid,
        seq: delta.seq,
        market_id: market.id,
        market_ticker: market.ticker.clone(),
        side: side(delta.side),
        price: price(delta.price),
        qty: size(delta.delta),
        ts: millis(delta.ts_ms, &delta.from),
        ingest_ts: micros(&delta.from),
        era: delta.era,
        clock: delta.clock,
        clock_ord: delta.ord,
        gatherer: names.gatherer(delta.from.gatherer)?,
        session: delta.from.session,
        source_sid: delta.from.sid,
        source_seq: delta.from.seq,
        origin: rows::Origin::Live,
        flags: if delta.disputed { FLAG_DISPUTED } else { 0 },
    })
}

/// One row a level, all with one seq; an empty book is one row with price 0 and qty 0.
pub(crate) fn snapshot(
    snapshot: &SnapshotRecord,
    names: &Names,
) -> anyhow::Result<Vec<OrderbookEvent>> {
    let market = names.market(snapshot.sid)?;
    let first = OrderbookEvent {
        event_type: EventType::Snapshot,
        sid: snapshot.sid,
        seq: snapshot.seq,
        market_id: market.id,
        market_ticker: market.ticker.clone(),
        side: rows::Side::Yes,
        price: Price(0),
        qty: Size(0),
        ts: millis(snapshot.ts_ms, &snapshot.from),
        ingest_ts: micros(&snapshot.from),
        era: snapshot.era,
        clock: snapshot.clock,
        clock_ord: 0,
        gatherer: names.gatherer(snapshot.from.gatherer)?,
        session: snapshot.from.session,
        source_sid: snapshot.from.sid,
        source_seq: snapshot.from.seq,
        origin: origin(snapshot.origin),
        flags: 0,
    };
    let level = |of: rows::Side, level: &Level| OrderbookEvent {
        side: of,
        price: price(level.price),
        qty: size(level.size),
        ..first.clone()
    };
    let yes = snapshot.yes.iter().map(|one| level(rows::Side::Yes, one));
    let no = snapshot.no.iter().map(|one| level(rows::Side::No, one));
    let rows: Vec<_> = yes.chain(no).collect();
    Ok(if rows.is_empty() { vec![first] } else { rows })
}

fn latest(
    market: &Market,
    (of, at, left): (Side, exchange::Price, i64),
    (ts_ms, seq, from): (i64, u64, &Provenance),
) -> LatestLevel {
    LatestLevel {
        market_id: market.id,
        market_ticker: market.ticker.clone(),
        side: side(of),
        price: price(at),
        size: Size(left.max(0)),
        ts: millis(ts_ms, from),
        ingest_ts: micros(from),
        seq,
    }
}

/// What a delta leaves at its level.
pub(crate) fn level_after(delta: &DeltaRecord, names: &Names) -> anyhow::Result<LatestLevel> {
    let place = (delta.side, delta.price, delta.resting.units());
    Ok(latest(names.market(delta.sid)?, place, (delta.ts_ms, delta.seq, &delta.from)))
}

/// What a snapshot leaves at its levels, and a tombstone for each that vanished.
pub(crate) fn levels_after(
    snapshot: &SnapshotRecord,
    names: &Names,
) -> anyhow::Result<Vec<LatestLevel>> {
    let market = names.market(snapshot.sid)?;
    let of = |side: Side, level: &Level| (side, level.price, level.size.units());
    let yes = snapshot.yes.iter().map(|level| of(Side::Yes, level));
    let no = snapshot.no.iter().map(|level| of(Side::No, level));
    let gone = snapshot.vanished.iter().map(|(side, price)| (*side, *price, 0));
    let cause = (snapshot.ts_ms, snapshot.seq, &snapshot.from);
    Ok(yes.chain(no).chain(gone).map(|place| latest(market, place, cause)).collect())
}

pub(crate) fn trade(trade: &TradeRecord, names: &mut Names) -> anyhow::Result<Trade> {
    Ok(Trade {
        trade_id: trade.trade_id,
        market_ticker: names.share(&trade.market_ticker),
        yes_price: price(trade.yes_price),
        no_price: price(trade.no_price),
        count: size(trade.count),
        taker_side: match trade.taker {
            Side::Yes => TakerSide::Yes,
            Side::No => TakerSide::No,
        },
        is_block_trade: trade.is_block_trade.unwrap_or(false),
        ts: millis(trade.ts_ms, &trade.from),
        ingest_ts: micros(&trade.from),
        gatherer: names.gatherer(trade.from.gatherer)?,
        session: trade.from.session,
        source_sid: trade.from.sid,
        source_seq: trade.from.seq,
        recovered: false,
    })
}

pub(crate) fn ticker(ticker: &TickerRecord, names: &mut Names) -> anyhow::Result<Ticker> {
    Ok(Ticker {
        market_id: ticker.market_id,
        market_ticker: names.share(&ticker.market_ticker),
        price: price(ticker.price),
        yes_bid: price(ticker.yes_bid),
        yes_ask: price(ticker.yes_ask),
        volume: size(ticker.volume),
        open_interest: size(ticker.open_interest),
        dollar_volume: ticker.dollar_volume,
        dollar_open_interest: ticker.dollar_open_interest,
        yes_bid_size: size(ticker.yes_bid_size),
        yes_ask_size: size(ticker.yes_ask_size),
        last_trade_size: size(ticker.last_trade_size),
        ts: millis(ticker.ts_ms, &ticker.from),
        ingest_ts: micros(&ticker.from),
        gatherer: names.gatherer(ticker.from.gatherer)?,
        session: ticker.from.session,
        source_sid: ticker.from.sid,
    })
}

pub(crate) fn lifecycle(
    record: &LifecycleRecord,
    names: &Names,
) -> anyhow::Result<MarketLifecycle> {
    let text = |text: &Option<String>| Text::from(text.as_deref().unwrap_or_default());
    Ok(MarketLifecycle {
        kind: record.kind.as_str().into(),
        market_ticker: text(&record.market_ticker),
        event_ticker: text(&record.event_ticker),
        event_type: text(&record.event_type),
        ts: millis(0, &record.from),
        body: record.msg.clone(),
        ingest_ts: micros(&record.from),
        gatherer: names.gatherer(record.from.gatherer)?,
        session: record.from.session,
        source_sid: record.from.sid,
        source_seq: record.from.seq,
    })
}

/// One row a book.
pub(crate) fn rest_books(
    record: &RestBooksRecord,
    names: &mut Names,
) -> anyhow::Result<Vec<OrderbookSnapshot>> {
    let gatherer = names.gatherer(record.gatherer)?;
    let prices = |levels: &[Level]| levels.iter().map(|level| price(level.price)).collect();
    let sizes = |levels: &[Level]| levels.iter().map(|level| size(level.size)).collect();
    let row = |(ticker, yes, no): &(String, Vec<Level>, Vec<Level>)| OrderbookSnapshot {
        snapshot_ts: UnixMicros(record.wall_ns.div_euclid(1_000)),
        source: "rest".into(),
        ticker: names.share(ticker),
        clock: 0,
        yes_prices: prices(yes),
        yes_sizes: sizes(yes),
        no_prices: prices(no),
        no_sizes: sizes(no),
        gatherer: gatherer.clone(),
    };
    Ok(record.books.iter().map(row).collect())
}

pub(crate) fn gap(hole: &HoleRecord, names: &Names) -> anyhow::Result<Gap> {
    let told_ts = UnixMillis(hole.to_ts_ms);
    let (to_clock, to_ts, version) = match hole.has_no_end() {
        true => (Gap::NO_END_CLOCK, Gap::NO_END_TS, GAP_NO_END_VERSION),
        false => (hole.to_clock, told_ts, GAP_VERSION),
    };
    let (state, repaired_by) = match hole.takes_back() {
        true => (GapState::Repaired, "the exchange's snapshot: nothing was missing".into()),
        false => (GapState::Open, Text::default()),
    };
    Ok(Gap {
        market_ticker: names.market(hole.sid)?.ticker.clone(),
        era: hole.era,
        from_clock: hole.from_clock,
        to_clock,
        from_ts: UnixMillis(hole.from_ts_ms),
        to_ts,
        cause: hole.cause.as_str().into(),
        state,
        repaired_by,
        version,
    })
}

/// A hole in the accounts of its market, in the minute in which the snapshot that ends it was
/// received. It is nobody's: it is there because no gatherer covered the stretch. The hole's seq
/// stands where a checkpoint's number does, so that two holes of a minute are two rows.
pub(crate) fn hole_minute(hole: &HoleRecord, names: &Names) -> anyhow::Result<LaneMinute> {
    let minute = hole.to_ts_ms.div_euclid(60_000).saturating_mul(60);
    Ok(LaneMinute {
        gatherer: Text::default(),
        market_ticker: names.market(hole.sid)?.ticker.clone(),
        minute: UnixSeconds(u32::try_from(minute).unwrap_or(0)),
        checkpoint: hole.seq,
        frames: 0,
        first_arrivals: 0,
        copies: 0,
        unverified: 0,
        snapshots: 0,
        uncovered: 0,
        late: 0,
        divergences: 0,
        quarantined: 0,
        repeats: 0,
        control: 0,
        undecodable: 0,
        breaks: 0,
        holes: 1,
        skew_p50_us: 0,
        skew_p99_us: 0,
        skew_max_us: 0,
    })
}

/// The accounts, by name. Holes have rows of their own.
pub(crate) fn minutes(
    minutes: &LaneMinutesRecord,
    names: &Names,
) -> anyhow::Result<Vec<LaneMinute>> {
    let row = |row: &merge::LaneMinute| {
        let market_ticker = match row.sid {
            0 => Text::default(),
            sid => names.market(sid)?.ticker.clone(),
        };
        Ok(LaneMinute {
            gatherer: names.gatherer(row.gatherer)?,
            market_ticker,
            minute: UnixSeconds(u32::try_from(row.minute.saturating_mul(60)).unwrap_or(0)),
            checkpoint: minutes.checkpoint,
            frames: row.frames.into(),
            first_arrivals: row.first_arrivals.into(),
            copies: row.copies.into(),
            unverified: row.unverified.into(),
            snapshots: row.snapshots.into(),
            uncovered: row.uncovered.into(),
            late: row.late.into(),
            divergences: row.divergences.into(),
            quarantined: row.quarantined.into(),
            repeats: row.repeats.into(),
            control: row.control.into(),
            undecodable: row.undecodable.into(),
            breaks: row.breaks.into(),
            holes: 0,
            skew_p50_us: row.skew_p50_us,
            skew_p99_us: row.skew_p99_us,
            skew_max_us: row.skew_max_us,
        })
    };
    minutes.rows.iter().map(row).collect()
}
