//! A market as REST shows it.

use serde_json::{Value, json};

use crate::{
    decimal::{DOLLAR, price_text, rfc3339, size_text},
    market::Market,
};

pub(crate) fn market_json(market: &Market) -> Value {
    let (bid, bid_size) = market.book.bid().unwrap_or((0, 0));
    let (ask, ask_size) = market.book.ask().unwrap_or((DOLLAR, 0));
    let time = |seconds: i64| rfc3339(seconds * 1000);
    let mut value = json!({
        "ticker": &*market.naming.ticker,
        "event_ticker": &*market.naming.event_ticker,
        "market_type": "binary",
        "title": format!("Will {} happen?", market.naming.ticker),
        "yes_sub_title": "Yes",
        "no_sub_title": "No",
        "created_time": rfc3339(market.created_ms),
        "updated_time": rfc3339(market.updated_ms),
        "open_time": time(market.open_ts),
        "close_time": time(market.close_ts),
        "latest_expiration_time": time(market.close_ts + 86_400),
        "settlement_timer_seconds": 60,
        "status": market.status.name(),
        "notional_value_dollars": "1.0000",
        "yes_bid_dollars": price_text(bid),
        "yes_ask_dollars": price_text(ask),
        "no_bid_dollars": price_text(DOLLAR - ask),
        "no_ask_dollars": price_text(DOLLAR - bid),
        "yes_bid_size_fp": size_text(bid_size),
        "yes_ask_size_fp": size_text(ask_size),
        "last_price_dollars": price_text(market.last_price),
        "previous_price_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "volume_fp": size_text(market.volume),
        "volume_24h_fp": size_text(market.volume),
        "open_interest_fp": size_text(market.open_interest),
        "result": market.result,
        "can_close_early": true,
        "expiration_value": "",
        "rules_primary": "A simulated market: resolves by the draw of a seeded generator.",
        "rules_secondary": "",
        "price_level_structure": market.structure.name(),
        "price_ranges": market.structure.ranges_json(),
        "settlement_bounds_type": "none",
    });
    if let Some(settled_ts) = market.settled_ts {
        value["settlement_ts"] = json!(time(settled_ts));
    }
    if market.naming.is_multivariate() {
        value["mve_collection_ticker"] = json!(&*market.naming.series_ticker);
    }
    value
}
