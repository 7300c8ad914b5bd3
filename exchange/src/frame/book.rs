//! `orderbook_snapshot` and `orderbook_delta`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use uuid::Uuid;

use crate::frame::fields::{Text, fields, need};
use crate::frame::{BadFrame, Meaning};
use crate::message::{BookSide, Delta, Level, Message, Snapshot};
use crate::timestamp::parse_rfc3339_ms;
use crate::units::{Price, Side, Size};

pub(super) const DELTA: &str = "orderbook_delta";
pub(super) const SNAPSHOT: &str = "orderbook_snapshot";

/// Most sides that are not empty fit without growing.
const LEVELS_USUAL: usize = 32;

fields! {
    struct DeltaFields<'a> {
        market_ticker: &'a str,
        market_id: Text<Uuid>,
        clock: u64,
        price_dollars: Text<Price>,
        delta_fp: Text<Size>,
        side: Text<Side>,
        ts: &'a str,
        ts_ms: i64,
    }
    ignored { client_order_id subaccount }
}

fields! {
    /// The last four are the forms before 2026-03: read only to be refused, since a snapshot
    /// without the sides that we know would pass for an empty book.
    struct SnapshotFields<'a> {
        market_ticker: &'a str,
        market_id: Text<Uuid>,
        clock: u64,
        yes_dollars_fp: Levels,
        no_dollars_fp: Levels,
        yes: serde::de::IgnoredAny,
        no: serde::de::IgnoredAny,
        yes_dollars: serde::de::IgnoredAny,
        no_dollars: serde::de::IgnoredAny,
    }
    ignored {}
}

#[inline]
pub(super) fn delta(fields: DeltaFields<'_>) -> Result<Meaning<'_>, BadFrame> {
    let ts_ms = match (fields.ts_ms, fields.ts) {
        (Some(ts_ms), _) => Some(ts_ms),
        (None, Some(ts)) => {
            let ts_ms = parse_rfc3339_ms(ts);
            Some(
                ts_ms
                    .ok_or_else(|| BadFrame::malformed(DELTA, format!("ts: {ts:?} is no time")))?,
            )
        }
        (None, None) => None,
    };
    if fields.clock == Some(0) {
        return Err(BadFrame::malformed(DELTA, "clock: 0, and a delta's is at least 1"));
    }
    let delta = Delta {
        market_ticker: need(fields.market_ticker, DELTA, "market_ticker")?,
        market_id: need(fields.market_id, DELTA, "market_id")?.0,
        clock: fields.clock,
        side: need(fields.side, DELTA, "side")?.0,
        price: need(fields.price_dollars, DELTA, "price_dollars")?.0,
        delta: need(fields.delta_fp, DELTA, "delta_fp")?.0,
        ts_ms,
    };
    Ok(Meaning { message: Message::Delta(delta), unknown: fields.unknown })
}

pub(super) fn snapshot(fields: SnapshotFields<'_>) -> Result<Meaning<'_>, BadFrame> {
    let legacy = [fields.yes, fields.no, fields.yes_dollars, fields.no_dollars];
    if legacy.iter().any(Option::is_some) {
        return Err(BadFrame::malformed(SNAPSHOT, "levels in the form of before 2026-03"));
    }
    let snapshot = Snapshot {
        market_ticker: need(fields.market_ticker, SNAPSHOT, "market_ticker")?,
        market_id: need(fields.market_id, SNAPSHOT, "market_id")?.0,
        clock: fields.clock,
        yes: checked(fields.yes_dollars_fp, "yes_dollars_fp")?,
        no: checked(fields.no_dollars_fp, "no_dollars_fp")?,
    };
    Ok(Meaning { message: Message::Snapshot(snapshot), unknown: fields.unknown })
}

/// An absent side is an empty one. A level may not stand twice, nor hold less than nothing.
fn checked(levels: Option<Levels>, field: &str) -> Result<BookSide, BadFrame> {
    let Some(Levels(levels)) = levels else {
        return Ok(BookSide::new());
    };
    if let Some(level) = levels.iter().find(|level| level.size < Size::default()) {
        let detail = format!("{field}: {} rest at {}", level.size, level.price);
        return Err(BadFrame::malformed(SNAPSHOT, detail));
    }
    let in_order = levels.is_sorted_by(|a, b| a.price < b.price)
        || levels.is_sorted_by(|a, b| a.price > b.price);
    if !in_order {
        let mut prices: Vec<Price> = levels.iter().map(|level| level.price).collect();
        prices.sort_unstable();
        if let Some(twice) = prices.windows(2).find(|pair| pair[0] == pair[1]) {
            let detail = format!("{field}: {} stands twice", twice[0]);
            return Err(BadFrame::malformed(SNAPSHOT, detail));
        }
    }
    Ok(levels)
}

/// `[["0.0800","300.00"],...]`; a level of zero is no level and is left out.
struct Levels(BookSide);

impl<'a> Deserialize<'a> for Levels {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'a> Visitor<'a> for Reader {
            type Value = Levels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of levels")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut levels: A) -> Result<Levels, A::Error> {
                let mut side = BookSide::new();
                while let Some((Text(price), Text(size))) = levels.next_element()? {
                    if side.is_empty() {
                        side.reserve(LEVELS_USUAL);
                    }
                    if size != Size::default() {
                        side.push(Level { price, size });
                    }
                }
                Ok(Levels(side))
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}
