//! Reads recorded frames from a file, whatever form the recorder gave it.
//!
//! Known: a JSON array or an object with `frames`; one JSON value a line; frames as objects or as
//! raw strings, bare or beside their time of receipt; any of these gzipped.

use std::{io::Read as _, path::Path};

use anyhow::{Context as _, bail};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    book::{Scale, Side},
    decimal::{DOLLAR, parse_price, parse_size},
    event::{Audience, Lifecycle, Trade},
    frames::Figures,
};

/// One recorded event and when it came, counted from the first frame.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) offset_us: i64,
    pub(crate) what: Recorded,
}

#[derive(Debug)]
pub(crate) enum Recorded {
    Snapshot {
        ticker: String,
        id: Option<Uuid>,
        levels: Vec<(Side, u16, i64)>,
        ts_ms: i64,
    },
    Delta {
        ticker: String,
        id: Option<Uuid>,
        side: Side,
        price: u16,
        delta: i64,
        ts_ms: i64,
        /// The exchange time as precisely as it was recorded.
        stamp: String,
    },
    Trade {
        ticker: String,
        trade: Trade,
    },
    Ticker {
        ticker: String,
        figures: Figures,
        ts_ms: i64,
        body: Vec<u8>,
    },
    Lifecycle(Lifecycle),
}

impl Recorded {
    pub(crate) fn ticker(&self) -> Option<&str> {
        match self {
            Self::Snapshot { ticker, .. }
            | Self::Delta { ticker, .. }
            | Self::Trade { ticker, .. }
            | Self::Ticker { ticker, .. } => Some(ticker),
            Self::Lifecycle(_) => None,
        }
    }

    pub(crate) fn id(&self) -> Option<Uuid> {
        match self {
            Self::Snapshot { id, .. } | Self::Delta { id, .. } => *id,
            _ => None,
        }
    }
}

pub(crate) fn read(path: &Path, scale: Scale) -> anyhow::Result<Vec<Entry>> {
    let name = path.display();
    let mut bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    if bytes.starts_with(&[0x1F, 0x8B]) {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut unpacked)
            .with_context(|| format!("cannot unpack {name}"))?;
        bytes = unpacked;
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not text"))?;
    let records = records(&text).with_context(|| format!("{name} is no recording"))?;
    let (mut entries, mut first_us, mut last_us, mut skipped) = (Vec::new(), None, 0, 0_usize);
    for record in &records {
        let Some((frame, received_us)) = frame_of(record) else {
            skipped += 1;
            continue;
        };
        let stamp_us = frame["msg"]["ts_ms"].as_i64().map(|ms| ms * 1000);
        let at_us = received_us.or(stamp_us).unwrap_or(last_us).max(last_us);
        last_us = at_us;
        let offset_us = if at_us == 0 { 0 } else { at_us - *first_us.get_or_insert(at_us) };
        match recorded(&frame, at_us / 1000, scale) {
            Some(what) => entries.push(Entry { offset_us, what }),
            None => skipped += 1,
        }
    }
    if entries.is_empty() {
        bail!("{name} holds no market data");
    }
    tracing::info!(events = entries.len(), skipped, "recording read");
    Ok(entries)
}

fn records(text: &str) -> anyhow::Result<Vec<Value>> {
    if let Ok(whole) = serde_json::from_str::<Value>(text) {
        return Ok(match whole {
            Value::Array(records) => records,
            Value::Object(mut object) if object.contains_key("frames") => {
                match object.remove("frames") {
                    Some(Value::Array(records)) => records,
                    _ => bail!("`frames` is not an array"),
                }
            }
            single => vec![single],
        });
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.map(|(number, line)| {
        serde_json::from_str(line).with_context(|| format!("line {} is not JSON", number + 1))
    });
    parsed.collect()
}

/// The frame inside a record, and when it was received, in microseconds.
fn frame_of(record: &Value) -> Option<(Value, Option<i64>)> {
    let inside = ["frame", "raw"].iter().find_map(|key| record.get(key)).unwrap_or(record);
    let frame = match inside {
        Value::String(raw) => serde_json::from_str(raw).ok()?,
        other => other.clone(),
    };
    let of = |key: &str| record.get(key).and_then(Value::as_i64);
    let received = of("recv_ns").or(of("recv_wall_ns")).map(|ns| ns / 1000);
    let received = received.or(of("received_ms").or(of("recv_ms")).map(|ms| ms * 1000));
    frame.get("type")?;
    Some((frame, received))
}

fn recorded(frame: &Value, received_ms: i64, scale: Scale) -> Option<Recorded> {
    let msg = &frame["msg"];
    let kind = frame["type"].as_str()?;
    let ts_ms = msg["ts_ms"].as_i64();
    let ticker = || msg["market_ticker"].as_str().map(str::to_owned);
    let id = msg["market_id"].as_str().and_then(|id| id.parse().ok());
    match kind {
        "orderbook_snapshot" => {
            let mut levels = side_levels(&msg["yes_dollars_fp"], Side::Yes, scale)?;
            levels.extend(side_levels(&msg["no_dollars_fp"], Side::No, scale)?);
            Some(Recorded::Snapshot { ticker: ticker()?, id, levels, ts_ms: received_ms })
        }
        "orderbook_delta" => {
            let side = side(&msg["side"])?;
            let ts_ms = ts_ms?;
            let stamp = msg["ts"].as_str().map_or_else(|| ts_ms.to_string(), str::to_owned);
            Some(Recorded::Delta {
                ticker: ticker()?,
                id,
                side,
                price: yes_leg(side, price(&msg["price_dollars"])?, scale),
                delta: size(&msg["delta_fp"])?,
                ts_ms,
                stamp,
            })
        }
        "trade" => {
            let taker = side(&msg["taker_outcome_side"]).or_else(|| side(&msg["taker_side"]))?;
            let trade = Trade {
                market: 0,
                id: msg["trade_id"].as_str()?.parse().ok()?,
                yes_price: price(&msg["yes_price_dollars"])?,
                count: size(&msg["count_fp"])?,
                taker,
                ts_ms: ts_ms.or(msg["ts"].as_i64().map(|s| s * 1000))?,
            };
            Some(Recorded::Trade { ticker: ticker()?, trade })
        }
        "ticker" => Some(Recorded::Ticker {
            ticker: ticker()?,
            figures: figures(msg)?,
            ts_ms: ts_ms.or(msg["ts"].as_i64().map(|s| s * 1000))?,
            body: msg.to_string().into_bytes(),
        }),
        _ => lifecycle(kind, msg, received_ms).map(Recorded::Lifecycle),
    }
}

fn lifecycle(kind: &str, msg: &Value, ts_ms: i64) -> Option<Lifecycle> {
    let (kind, audience) = match kind {
        "market_lifecycle_v2" => ("market_lifecycle_v2", Audience::Ordinary),
        "event_lifecycle" => ("event_lifecycle", Audience::Ordinary),
        "event_fee_update" => ("event_fee_update", Audience::Ordinary),
        "multivariate_market_lifecycle" => {
            ("multivariate_market_lifecycle", Audience::Multivariate)
        }
        _ => return None,
    };
    let subject = msg["market_ticker"].as_str().or(msg["event_ticker"].as_str())?;
    Some(Lifecycle {
        kind,
        subject: subject.to_owned(),
        event_type: msg["event_type"].as_str().unwrap_or_default().to_owned(),
        audience,
        body: msg.to_string().into_bytes(),
        ts_ms,
    })
}

fn figures(msg: &Value) -> Option<Figures> {
    let optional_size = |key: &str| size(&msg[key]).unwrap_or(0);
    Some(Figures {
        price: price(&msg["price_dollars"])?,
        bid: (price(&msg["yes_bid_dollars"])?, optional_size("yes_bid_size_fp")),
        ask: (price(&msg["yes_ask_dollars"])?, optional_size("yes_ask_size_fp")),
        volume: optional_size("volume_fp"),
        open_interest: optional_size("open_interest_fp"),
        dollar_volume: msg["dollar_volume"].as_i64().unwrap_or(0),
        dollar_open_interest: msg["dollar_open_interest"].as_i64().unwrap_or(0),
        last_size: optional_size("last_trade_size_fp"),
    })
}

/// `None` for a malformed side; no levels for one that is absent.
fn side_levels(levels: &Value, side: Side, scale: Scale) -> Option<Vec<(Side, u16, i64)>> {
    let Some(levels) = levels.as_array() else { return Some(Vec::new()) };
    let read = levels
        .iter()
        .map(|level| Some((side, yes_leg(side, price(&level[0])?, scale), size(&level[1])?)));
    read.collect()
}

fn yes_leg(side: Side, price: u16, scale: Scale) -> u16 {
    match (side, scale) {
        (Side::No, Scale::NoLeg) => DOLLAR - price,
        _ => price,
    }
}

fn side(value: &Value) -> Option<Side> {
    match value.as_str()? {
        "yes" => Some(Side::Yes),
        "no" => Some(Side::No),
        _ => None,
    }
}

fn price(value: &Value) -> Option<u16> {
    parse_price(value.as_str()?)
}

fn size(value: &Value) -> Option<i64> {
    parse_size(value.as_str()?)
}
