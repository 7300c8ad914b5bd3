//! The infrequent types: replies to commands, errors, lifecycle, and what we do not know.

use serde_json::value::RawValue;

use crate::frame::fields::{fields, need};
use crate::frame::{BadFrame, Meaning};
use crate::message::{ErrorReply, Lifecycle, Message, OkReply};

fields! {
    struct SubscribedFields<'a> {
        channel: &'a str,
        sid: u32,
    }
    ignored {}
}

fields! {
    struct OkFields<'a> {
        market_tickers: Vec<String>,
    }
    ignored { market_ids }
}

fields! {
    struct ListedFields<'a> {
        channel: String,
        sid: u32,
    }
    ignored {}
}

fields! {
    struct ErrorFields<'a> {
        code: u32,
        msg: String,
        market_ticker: String,
        market_tickers: Vec<String>,
    }
    ignored {}
}

fields! {
    struct LifecycleFields<'a> {
        market_ticker: &'a str,
        event_ticker: &'a str,
        event_type: &'a str,
        open_ts: i64,
        close_ts: i64,
    }
    ignored {
        exchange_index additional_metadata price_level_structure price_ranges is_deactivated result
        settlement_value determination_ts settled_ts title subtitle collateral_return_type
        series_ticker strike_date strike_period fee_type_override fee_multiplier_override
    }
}

/// Reads the `msg` of a type that is not one of the frequent four.
pub(super) fn read<'a>(kind: &'a str, raw: &'a str) -> Result<Meaning<'a>, BadFrame> {
    let bad = |error: serde_json::Error| BadFrame::malformed(kind, error);
    match kind {
        "subscribed" => {
            let fields: SubscribedFields<'_> = serde_json::from_str(raw).map_err(bad)?;
            let channel = need(fields.channel, kind, "msg.channel")?;
            let sid = need(fields.sid, kind, "msg.sid")?;
            let message = Message::Subscribed { channel, sid };
            Ok(Meaning { message, unknown: fields.unknown })
        }
        "ok" => ok(raw),
        "error" => {
            let fields: ErrorFields<'_> = serde_json::from_str(raw).map_err(bad)?;
            let mut market_tickers = fields.market_tickers.unwrap_or_default();
            market_tickers.extend(fields.market_ticker);
            let code = need(fields.code, kind, "msg.code")?;
            let msg = need(fields.msg, kind, "msg.msg")?;
            let message = Message::Error(ErrorReply { code, msg, market_tickers });
            Ok(Meaning { message, unknown: fields.unknown })
        }
        "market_lifecycle_v2"
        | "multivariate_market_lifecycle"
        | "event_lifecycle"
        | "event_fee_update" => lifecycle(kind, raw),
        _ => without_msg(kind),
    }
}

/// A frame without `msg`: some types need none.
pub(super) fn without_msg(kind: &str) -> Result<Meaning<'_>, BadFrame> {
    let message = match kind {
        "unsubscribed" => Message::Unsubscribed,
        "ok" => Message::Ok(OkReply::default()),
        "subscribed"
        | "error"
        | "orderbook_snapshot"
        | "orderbook_delta"
        | "trade"
        | "ticker"
        | "market_lifecycle_v2"
        | "multivariate_market_lifecycle"
        | "event_lifecycle"
        | "event_fee_update" => return Err(BadFrame::missing(kind, "msg")),
        _ => Message::Unknown { kind },
    };
    Ok(Meaning { message, unknown: 0 })
}

/// `msg` is the market list of one subscription, or an array of all subscriptions.
fn ok(raw: &str) -> Result<Meaning<'_>, BadFrame> {
    let bad = |error: serde_json::Error| BadFrame::malformed("ok", error);
    if raw == "null" {
        return without_msg("ok");
    }
    if !raw.starts_with('[') {
        let fields: OkFields<'_> = serde_json::from_str(raw).map_err(bad)?;
        let reply = OkReply { market_tickers: fields.market_tickers, subscriptions: None };
        return Ok(Meaning { message: Message::Ok(reply), unknown: fields.unknown });
    }
    let listed: Vec<&RawValue> = serde_json::from_str(raw).map_err(bad)?;
    let mut subscriptions = Vec::with_capacity(listed.len());
    let mut unknown = 0_u16;
    for one in listed {
        let fields: ListedFields<'_> = serde_json::from_str(one.get()).map_err(bad)?;
        let channel = need(fields.channel, "ok", "msg[].channel")?;
        subscriptions.push((channel, need(fields.sid, "ok", "msg[].sid")?));
        unknown = unknown.saturating_add(fields.unknown);
    }
    let reply = OkReply { market_tickers: None, subscriptions: Some(subscriptions) };
    Ok(Meaning { message: Message::Ok(reply), unknown })
}

fn lifecycle<'a>(kind: &'a str, raw: &'a str) -> Result<Meaning<'a>, BadFrame> {
    let fields: LifecycleFields<'a> =
        serde_json::from_str(raw).map_err(|error| BadFrame::malformed(kind, error))?;
    if matches!(kind, "event_lifecycle" | "event_fee_update") {
        need(fields.event_ticker, kind, "event_ticker")?;
    } else {
        need(fields.market_ticker, kind, "market_ticker")?;
        need(fields.event_type, kind, "event_type")?;
    }
    let lifecycle = Lifecycle {
        kind,
        market_ticker: fields.market_ticker,
        event_ticker: fields.event_ticker,
        event_type: fields.event_type,
        open_ts: fields.open_ts,
        close_ts: fields.close_ts,
        msg: raw,
    };
    Ok(Meaning { message: Message::Lifecycle(lifecycle), unknown: fields.unknown })
}
