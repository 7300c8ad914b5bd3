//! The bodies of lifecycle messages.

use serde_json::{Map, Value, json};

use crate::{
    event::{Audience, Event, Lifecycle},
    market::Market,
};

/// A lifecycle message of a market; `fields` are those of its event type.
pub(crate) fn of_market(market: &Market, event_type: &str, fields: &Value, ts_ms: i64) -> Event {
    let mut body = Map::new();
    body.insert("market_ticker".to_owned(), json!(&*market.naming.ticker));
    body.insert("event_type".to_owned(), json!(event_type));
    if let Value::Object(fields) = fields {
        body.extend(fields.clone());
    }
    let (kind, audience) = if market.naming.is_multivariate() {
        ("multivariate_market_lifecycle", Audience::Multivariate)
    } else {
        ("market_lifecycle_v2", Audience::Ordinary)
    };
    Event::Lifecycle(Lifecycle {
        kind,
        subject: market.naming.ticker.to_string(),
        event_type: event_type.to_owned(),
        audience,
        body: Value::Object(body).to_string().into_bytes(),
        ts_ms,
    })
}

pub(crate) fn created(market: &Market, ts_ms: i64) -> Event {
    let mut fields = json!({
        "exchange_index": 0,
        "open_ts": market.open_ts,
        "close_ts": market.close_ts,
        "additional_metadata": metadata(market),
        "price_level_structure": market.structure.name(),
    });
    if !market.naming.is_multivariate() {
        fields["price_ranges"] = market.structure.ranges_json();
    }
    of_market(market, "created", &fields, ts_ms)
}

pub(crate) fn metadata(market: &Market) -> Value {
    json!({
        "name": market.naming.ticker.to_string(),
        "title": format!("Will {} happen?", market.naming.ticker),
        "yes_sub_title": "Yes",
        "no_sub_title": "No",
        "rules_primary": "A simulated market: resolves by the draw of a seeded generator.",
        "rules_secondary": "",
        "can_close_early": true,
        "event_ticker": market.naming.event_ticker.to_string(),
        "expected_expiration_ts": market.close_ts,
    })
}

/// A new event, told on the channel of its markets.
pub(crate) fn of_event(market: &Market, ts_ms: i64) -> Event {
    let ticker = market.naming.event_ticker.to_string();
    let body = json!({
        "event_ticker": ticker,
        "exchange_index": 0,
        "title": format!("What will happen in {ticker}?"),
        "subtitle": "Simulated",
        "collateral_return_type": "MECNET",
        "series_ticker": market.naming.series_ticker.to_string(),
    });
    let audience =
        if market.naming.is_multivariate() { Audience::Multivariate } else { Audience::Ordinary };
    Event::Lifecycle(Lifecycle {
        kind: "event_lifecycle",
        subject: ticker,
        event_type: String::new(),
        audience,
        body: body.to_string().into_bytes(),
        ts_ms,
    })
}

pub(crate) fn fee_update(market: &Market, ts_ms: i64) -> Event {
    let ticker = market.naming.event_ticker.to_string();
    let body = json!({
        "event_ticker": ticker,
        "fee_type_override": "quadratic",
        "fee_multiplier_override": null,
    });
    Event::Lifecycle(Lifecycle {
        kind: "event_fee_update",
        subject: ticker,
        event_type: String::new(),
        audience: Audience::Ordinary,
        body: body.to_string().into_bytes(),
        ts_ms,
    })
}
