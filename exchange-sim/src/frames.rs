//! The bodies (`msg`) of market-data frames and the envelope around them.
//!
//! A body is written once for all connections; the envelope carries what differs.

use crate::{
    book::{Book, Scale, Side},
    decimal::{push_int, push_price, push_rfc3339, push_size, push_uint},
    event::{Delta, Trade},
    market::Market,
};

/// What stands around a body on one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: &'a str,
    pub(crate) sid: u32,
    pub(crate) seq: Option<u64>,
    pub(crate) id: Option<u64>,
    pub(crate) sending_ts_ms: i64,
}

impl Envelope<'_> {
    /// The whole text frame, with the newline that ends it.
    pub(crate) fn push(&self, out: &mut Vec<u8>, body: &[u8]) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(b"\",\"sid\":");
        push_uint(out, u64::from(self.sid));
        if let Some(seq) = self.seq {
            out.extend_from_slice(b",\"seq\":");
            push_uint(out, seq);
        }
        out.extend_from_slice(b",\"msg\":");
        out.extend_from_slice(body);
        if let Some(id) = self.id {
            out.extend_from_slice(b",\"id\":");
            push_uint(out, id);
        }
        out.extend_from_slice(b",\"sending_ts_ms\":");
        push_int(out, self.sending_ts_ms);
        out.extend_from_slice(b"}\n");
    }
}

pub(crate) fn delta_body(out: &mut Vec<u8>, market: &Market, delta: &Delta, scale: Scale) {
    out.extend_from_slice(&market.prefix);
    push_clock(out, delta.clock);
    out.extend_from_slice(b",\"price_dollars\":\"");
    push_price(out, delta.side.shown(delta.price, scale));
    out.extend_from_slice(b"\",\"delta_fp\":\"");
    push_size(out, delta.delta);
    out.extend_from_slice(b"\",\"side\":\"");
    out.extend_from_slice(delta.side.name().as_bytes());
    out.extend_from_slice(b"\",\"ts\":\"");
    push_rfc3339(out, delta.ts_ms);
    out.extend_from_slice(b"\",\"ts_ms\":");
    push_int(out, delta.ts_ms);
    out.push(b'}');
}

/// A snapshot of `book`, which may be another than the market's own.
pub(crate) fn snapshot_body(
    out: &mut Vec<u8>,
    market: &Market,
    (clock, book): (Option<u64>, &Book),
    scale: Scale,
) {
    out.extend_from_slice(&market.prefix);
    push_clock(out, clock);
    for (side, key) in [(Side::Yes, "yes_dollars_fp"), (Side::No, "no_dollars_fp")] {
        let levels = book.shown(side, scale);
        if levels.is_empty() {
            continue;
        }
        out.extend_from_slice(format!(",\"{key}\":").as_bytes());
        push_levels(out, &levels);
    }
    out.push(b'}');
}

/// `[["0.4700","3.00"],…]`
pub(crate) fn push_levels(out: &mut Vec<u8>, levels: &[(u16, i64)]) {
    out.push(b'[');
    for (place, (price, size)) in levels.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"[\"");
        push_price(out, *price);
        out.extend_from_slice(b"\",\"");
        push_size(out, *size);
        out.extend_from_slice(b"\"]");
    }
    out.push(b']');
}

pub(crate) fn trade_body(out: &mut Vec<u8>, market: &Market, trade: &Trade) {
    let no_price = crate::decimal::DOLLAR - trade.yes_price;
    let book_side = match trade.taker {
        Side::Yes => "bid",
        Side::No => "ask",
    };
    out.extend_from_slice(b"{\"trade_id\":\"");
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(trade.id.hyphenated().encode_lower(&mut id).as_bytes());
    out.push(b'"');
    push_text_field(out, "market_ticker", &market.naming.ticker);
    push_field(out, "yes_price_dollars", |out| push_price(out, trade.yes_price));
    push_field(out, "no_price_dollars", |out| push_price(out, no_price));
    push_field(out, "count_fp", |out| push_size(out, trade.count));
    push_text_field(out, "taker_side", trade.taker.name());
    push_text_field(out, "taker_outcome_side", trade.taker.name());
    push_text_field(out, "taker_book_side", book_side);
    out.extend_from_slice(b",\"is_block_trade\":false,\"ts\":");
    push_int(out, trade.ts_ms.div_euclid(1000));
    out.extend_from_slice(b",\"ts_ms\":");
    push_int(out, trade.ts_ms);
    out.push(b'}');
}

/// `,"key":"value"`
fn push_field(out: &mut Vec<u8>, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":\"");
    value(out);
    out.push(b'"');
}

fn push_text_field(out: &mut Vec<u8>, key: &str, value: &str) {
    push_field(out, key, |out| out.extend_from_slice(value.as_bytes()));
}

fn push_clock(out: &mut Vec<u8>, clock: Option<u64>) {
    if let Some(clock) = clock {
        out.extend_from_slice(b",\"clock\":");
        push_uint(out, clock);
    }
}

/// A market's figures as a ticker tells them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) price: u16,
    pub(crate) bid: (u16, i64),
    pub(crate) ask: (u16, i64),
    pub(crate) volume: i64,
    pub(crate) open_interest: i64,
    pub(crate) dollar_volume: i64,
    pub(crate) dollar_open_interest: i64,
    pub(crate) last_size: i64,
}

impl Figures {
    pub(crate) fn of(market: &Market) -> Self {
        Self {
            price: market.last_price,
            bid: market.book.bid().unwrap_or((0, 0)),
            ask: market.book.ask().unwrap_or((crate::decimal::DOLLAR, 0)),
            volume: market.volume,
            open_interest: market.open_interest,
            dollar_volume: market.turnover / 1_000_000,
            dollar_open_interest: market.open_interest / 200,
            last_size: market.last_size,
        }
    }
}

pub(crate) fn ticker_body(market: &Market, figures: &Figures, ts_ms: i64) -> Vec<u8> {
    use crate::decimal::{price_text, rfc3339, size_text};
    let text = format!(
        concat!(
            r#"{{"market_id":"{}","market_ticker":"{}","price_dollars":"{}","#,
            r#""yes_bid_dollars":"{}","yes_ask_dollars":"{}","volume_fp":"{}","#,
            r#""open_interest_fp":"{}","dollar_volume":{},"dollar_open_interest":{},"#,
            r#""yes_bid_size_fp":"{}","yes_ask_size_fp":"{}","last_trade_size_fp":"{}","#,
            r#""ts":{},"ts_ms":{},"time":"{}"}}"#
        ),
        market.naming.id,
        market.naming.ticker,
        price_text(figures.price),
        price_text(figures.bid.0),
        price_text(figures.ask.0),
        size_text(figures.volume),
        size_text(figures.open_interest),
        figures.dollar_volume,
        figures.dollar_open_interest,
        size_text(figures.bid.1),
        size_text(figures.ask.1),
        size_text(figures.last_size),
        ts_ms.div_euclid(1000),
        ts_ms,
        rfc3339(ts_ms),
    );
    text.into_bytes()
}
