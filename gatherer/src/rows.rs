//! Turns the captures of the spool into the rows of this gatherer's own tables: as it saw them, raw sid and seq.
//!
//! The same records always give the same rows: a batch that is sent again is the same batch.

use std::collections::HashMap;

use exchange::{Level, Message, Side};
use proto::{Capture, Stamp};
use schema::rows::{self, EventType, Origin, RawOrderbookEvent, Table as _, Text};
use spool::Position;
use store::{Rows, Store, StoreError};

/// Tickers kept to be shared between rows; more than any exchange lists in a day. Then it begins anew.
const TICKERS_MAX: usize = 100_000;

/// The rows of the batch in hand.
pub(crate) struct GathererRows {
    gatherer: Text,
    tickers: HashMap<Box<str>, Text>,
    frames: Vec<rows::RawFrame>,
    events: Vec<RawOrderbookEvent>,
    trades: Vec<rows::Trade>,
    summaries: Vec<rows::Ticker>,
    lifecycle: Vec<rows::MarketLifecycle>,
    books: Vec<rows::OrderbookSnapshot>,
}

/// Where a message came from, as far as rows tell.
#[derive(Clone, Copy)]
struct From {
    session: u64,
    stamp: Stamp,
    sid: u32,
    seq: u64,
    asked_for: bool,
}

impl From {
    fn micros(self) -> rows::UnixMicros {
        rows::UnixMicros(self.stamp.wall_ns.div_euclid(1_000))
    }

    fn millis(self) -> rows::UnixMillis {
        rows::UnixMillis(self.stamp.wall_ns.div_euclid(1_000_000))
    }
}

impl GathererRows {
    pub(crate) fn new(gatherer: &str) -> Self {
        Self {
            gatherer: gatherer.into(),
            tickers: HashMap::new(),
            frames: Vec::new(),
            events: Vec::new(),
            trades: Vec::new(),
            summaries: Vec::new(),
            lifecycle: Vec::new(),
            books: Vec::new(),
        }
    }

    fn frame(&mut self, at: Position, session: u64, stamp: Stamp, bytes: &[u8]) {
        // A WebSocket text message is UTF-8; the socket has checked it.
        let frame = String::from_utf8_lossy(bytes).into_owned();
        self.understood(session, stamp, &frame);
        let recv_ts = rows::UnixMicros(stamp.wall_ns.div_euclid(1_000));
        self.frames.push(rows::RawFrame {
            session,
            position_incarnation: at.incarnation,
            position_offset: at.offset,
            recv_ts,
            frame,
        });
    }

    /// The rows of a frame that is stored raw already. `false`: it cannot be decoded.
    pub(crate) fn decoded_again(&mut self, raw: &rows::RawFrame) -> bool {
        let stamp = Stamp { wall_ns: raw.recv_ts.0.saturating_mul(1_000), mono_ns: 0 };
        self.understood(raw.session, stamp, &raw.frame)
    }

    fn understood(&mut self, session: u64, stamp: Stamp, frame: &str) -> bool {
        let Ok(decoded) = exchange::decode(frame) else { return false };
        let from = From {
            session,
            stamp,
            sid: decoded.sid.unwrap_or(0),
            seq: decoded.seq.unwrap_or(0),
            asked_for: decoded.id.is_some(),
        };
        self.message(from, &decoded.message);
        true
    }

    fn message(&mut self, from: From, message: &Message<'_>) {
        match message {
            Message::Delta(delta) => self.delta(from, delta),
            Message::Snapshot(snapshot) => self.snapshot(from, snapshot),
            Message::Trade(trade) => self.trade(from, trade),
            Message::Ticker(ticker) => self.summary(from, ticker),
            Message::Lifecycle(lifecycle) => self.life(from, lifecycle),
            Message::Subscribed { .. }
            | Message::Unsubscribed
            | Message::Ok(_)
            | Message::Error(_)
            | Message::Unknown { .. } => {}
        }
    }

    fn delta(&mut self, from: From, delta: &exchange::Delta<'_>) {
        let event = RawOrderbookEvent {
            event_type: EventType::Delta,
            sid: from.sid,
            seq: from.seq,
            market_id: delta.market_id,
            market_ticker: self.ticker(delta.market_ticker),
            side: side(delta.side),
            price: price(delta.price),
            qty: size(delta.delta),
            ts: delta.ts_ms.map_or(from.millis(), rows::UnixMillis),
            ingest_ts: from.micros(),
            clock: delta.clock.unwrap_or(0),
            gatherer: self.gatherer.clone(),
            session: from.session,
            origin: Origin::Live,
        };
        self.events.push(event);
    }

    fn snapshot(&mut self, from: From, snapshot: &exchange::Snapshot<'_>) {
        let template = RawOrderbookEvent {
            event_type: EventType::Snapshot,
            sid: from.sid,
            seq: from.seq,
            market_id: snapshot.market_id,
            market_ticker: self.ticker(snapshot.market_ticker),
            side: rows::Side::Yes,
            price: rows::Price(0),
            qty: rows::Size(0),
            ts: from.millis(),
            ingest_ts: from.micros(),
            clock: snapshot.clock.unwrap_or(0),
            gatherer: self.gatherer.clone(),
            session: from.session,
            origin: if from.asked_for { Origin::GetSnapshot } else { Origin::Live },
        };
        if snapshot.yes.is_empty() && snapshot.no.is_empty() {
            self.events.push(template);
            return;
        }
        for (side, levels) in [(Side::Yes, &snapshot.yes), (Side::No, &snapshot.no)] {
            self.events.extend(levels.iter().map(|level| RawOrderbookEvent {
                side: self::side(side),
                price: price(level.price),
                qty: size(level.size),
                ..template.clone()
            }));
        }
    }

    fn trade(&mut self, from: From, trade: &exchange::Trade<'_>) {
        let row = rows::Trade {
            trade_id: trade.trade_id,
            market_ticker: self.ticker(trade.market_ticker),
            yes_price: price(trade.yes_price),
            no_price: price(trade.no_price),
            count: size(trade.count),
            taker_side: match trade.taker {
                Side::Yes => rows::TakerSide::Yes,
                Side::No => rows::TakerSide::No,
            },
            is_block_trade: trade.is_block_trade.unwrap_or(false),
            ts: rows::UnixMillis(trade.ts_ms),
            ingest_ts: from.micros(),
            gatherer: self.gatherer.clone(),
            session: from.session,
            source_sid: from.sid,
            source_seq: from.seq,
            recovered: false,
        };
        self.trades.push(row);
    }

    fn summary(&mut self, from: From, ticker: &exchange::Ticker<'_>) {
        let row = rows::Ticker {
            market_id: ticker.market_id,
            market_ticker: self.ticker(ticker.market_ticker),
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
            ts: rows::UnixMillis(ticker.ts_ms),
            ingest_ts: from.micros(),
            gatherer: self.gatherer.clone(),
            session: from.session,
            source_sid: from.sid,
        };
        self.summaries.push(row);
    }

    fn life(&mut self, from: From, lifecycle: &exchange::Lifecycle<'_>) {
        let row = rows::MarketLifecycle {
            kind: lifecycle.kind.into(),
            market_ticker: self.ticker(lifecycle.market_ticker.unwrap_or("")),
            event_ticker: lifecycle.event_ticker.unwrap_or("").into(),
            event_type: lifecycle.event_type.unwrap_or("").into(),
            ts: from.millis(),
            body: lifecycle.msg.to_owned(),
            ingest_ts: from.micros(),
            gatherer: self.gatherer.clone(),
            session: from.session,
            source_sid: from.sid,
            source_seq: from.seq,
        };
        self.lifecycle.push(row);
    }

    /// Books over REST, which were understood before they were kept: on the yes leg, as everything stored.
    fn polled(&mut self, stamp: Stamp, body: &str) -> anyhow::Result<()> {
        let prices = |levels: &[Level]| levels.iter().map(|level| price(level.price)).collect();
        let sizes = |levels: &[Level]| levels.iter().map(|level| size(level.size)).collect();
        for (ticker, book) in exchange::rest::orderbooks(body)? {
            let book = book.to_yes_leg();
            let row = rows::OrderbookSnapshot {
                snapshot_ts: rows::UnixMicros(stamp.wall_ns.div_euclid(1_000)),
                source: "rest".into(),
                ticker: self.ticker(&ticker),
                clock: 0,
                yes_prices: prices(&book.yes),
                yes_sizes: sizes(&book.yes),
                no_prices: prices(&book.no),
                no_sizes: sizes(&book.no),
                gatherer: self.gatherer.clone(),
            };
            self.books.push(row);
        }
        Ok(())
    }

    fn ticker(&mut self, ticker: &str) -> Text {
        if let Some(known) = self.tickers.get(ticker) {
            return known.clone();
        }
        if self.tickers.len() >= TICKERS_MAX {
            self.tickers.clear();
        }
        let text = Text::from(ticker);
        self.tickers.insert(ticker.into(), text.clone());
        text
    }
}

impl Rows for GathererRows {
    fn push(&mut self, at: Position, payload: &[u8]) -> anyhow::Result<()> {
        match Capture::decode(payload)? {
            Capture::Frame { session, stamp, bytes } => self.frame(at, session, stamp, bytes),
            Capture::SessionOpened { .. }
            | Capture::SessionClosed { .. }
            | Capture::Status { .. } => {}
            Capture::RestBooks { stamp, body } => self.polled(stamp, body)?,
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.frames.len()
            + self.events.len()
            + self.trades.len()
            + self.summaries.len()
            + self.lifecycle.len()
            + self.books.len()
    }

    async fn write(&self, store: &Store, token: &str) -> Result<(), StoreError> {
        store.insert(rows::RawFrame::TABLE, &self.frames, token).await?;
        store.insert(RawOrderbookEvent::TABLE, &self.events, token).await?;
        store.insert(rows::Trade::TABLE, &self.trades, token).await?;
        store.insert(rows::Ticker::TABLE, &self.summaries, token).await?;
        store.insert(rows::MarketLifecycle::TABLE, &self.lifecycle, token).await?;
        store.insert(rows::OrderbookSnapshot::TABLE, &self.books, token).await
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.events.clear();
        self.trades.clear();
        self.summaries.clear();
        self.lifecycle.clear();
        self.books.clear();
    }
}

pub(crate) fn side(side: Side) -> rows::Side {
    match side {
        Side::Yes => rows::Side::Yes,
        Side::No => rows::Side::No,
    }
}

pub(crate) fn price(price: exchange::Price) -> rows::Price {
    rows::Price(i32::from(price.units()))
}

pub(crate) fn size(size: exchange::Size) -> rows::Size {
    rows::Size(size.units())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { wall_ns: 1_786_085_188_978_123_456, mono_ns: 1 };
    const AT: Position = Position { incarnation: 1, offset: 10 };
    const ID: &str = "957ed958-9b9b-4a98-b024-16a394cd214c";

    fn pushed(frame: &str) -> GathererRows {
        let mut rows = GathererRows::new("east");
        let mut payload = Vec::new();
        let capture = Capture::Frame { session: 9, stamp: STAMP, bytes: frame.as_bytes() };
        capture.encode(&mut payload);
        rows.push(AT, &payload).expect("a capture");
        rows
    }

    #[test]
    fn a_delta_keeps_its_raw_sid_and_seq() {
        let rows = pushed(&format!(
            "{{\"type\":\"orderbook_delta\",\"sid\":3,\"seq\":24,\"msg\":{{\"market_ticker\":\"A-1\",\
             \"market_id\":\"{ID}\",\"clock\":7,\"price_dollars\":\"0.4300\",\"delta_fp\":\"-100.00\",\
             \"side\":\"no\",\"ts_ms\":1786085188978}}}}\n"
        ));
        let [event] = &rows.events[..] else { panic!("one event: {:?}", rows.events) };
        assert_eq!((event.sid, event.seq, event.clock, event.session), (3, 24, 7, 9));
        assert_eq!(
            (event.side, event.price, event.qty),
            (rows::Side::No, rows::Price(4_300), rows::Size(-10_000))
        );
        assert_eq!(event.ingest_ts, rows::UnixMicros(1_786_085_188_978_123));
        assert_eq!(rows.frames.len(), 1);
        assert_eq!(rows.rows(), 2);
    }

    #[test]
    fn a_snapshot_is_a_row_a_level_and_an_empty_one_is_a_row() {
        let snapshot = |levels: &str, id: &str| {
            pushed(&format!(
                "{{\"type\":\"orderbook_snapshot\",{id}\"sid\":1,\"seq\":2,\"msg\":{{\
                 \"market_ticker\":\"A-1\",\"market_id\":\"{ID}\",\"clock\":7{levels}}}}}"
            ))
        };
        let both = ",\"yes_dollars_fp\":[[\"0.1000\",\"5.00\"],[\"0.2000\",\"6.00\"]],\
                    \"no_dollars_fp\":[[\"0.5000\",\"7.00\"]]";
        let rows = snapshot(both, "");
        assert_eq!(rows.events.len(), 3);
        assert!(rows.events.iter().all(|event| event.origin == Origin::Live));
        let empty = snapshot("", "\"id\":5,");
        let [event] = &empty.events[..] else { panic!("one row: {:?}", empty.events) };
        assert_eq!((event.price, event.qty), (rows::Price(0), rows::Size(0)));
        assert_eq!(event.origin, Origin::GetSnapshot);
    }

    #[test]
    fn a_frame_that_means_nothing_is_kept_raw() {
        let rows = pushed("{\"type\":\"orderbook_delta\",\"sid\":\"x\"}");
        assert_eq!((rows.frames.len(), rows.events.len()), (1, 0));
    }

    #[test]
    fn a_record_that_is_no_capture_stops_the_sink() {
        assert!(GathererRows::new("east").push(AT, b"junk").is_err());
    }
}
