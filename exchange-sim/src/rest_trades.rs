//! REST: trades, newest first, paged.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    book::Side,
    decimal::{DOLLAR, price_text, rfc3339, size_text},
    event::Trade,
    hub::Hub,
    query::{Query, cursor_of, position_of},
    rest::is_historical,
    server::App,
};

pub(crate) async fn trades(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    page(&app.hub.lock(), &Query::parse(query.as_deref()), false)
}

/// Trades of settled markets.
pub(crate) async fn historical(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    page(&app.hub.lock(), &Query::parse(query.as_deref()), true)
}

fn page(hub: &Hub, query: &Query, historical: bool) -> Response {
    let limit = match query.limit("GetTrades", 100, 1000) {
        Ok(limit) => limit,
        Err(refusal) => return refusal,
    };
    let number = |key: &str| query.one(key).and_then(|text| text.parse::<i64>().ok());
    let (min, max) = (number("min_ts"), number("max_ts"));
    let is_block_wanted = query.one("is_block_trade") == Some("true");
    let below = position_of(query.one("cursor")).unwrap_or(u64::MAX);
    let mut found = hub.trades.iter().enumerate().rev().filter(|(place, trade)| {
        let market = hub.markets.at(trade.market);
        hub.trades_before + (*place as u64) < below
            && !is_block_wanted
            && query.one("ticker").is_none_or(|ticker| ticker == &*market.naming.ticker)
            && min.is_none_or(|min| trade.ts_ms >= min * 1000)
            && max.is_none_or(|max| trade.ts_ms <= max * 1000)
            && is_historical(market.status) == historical
    });
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let last = page.last().map_or(0, |(place, _)| hub.trades_before + *place as u64);
    let cursor = if found.next().is_some() { cursor_of(last) } else { String::new() };
    let list: Vec<Value> = page.iter().map(|(_, trade)| trade_json(hub, trade)).collect();
    Json(json!({"trades": list, "cursor": cursor})).into_response()
}

fn trade_json(hub: &Hub, trade: &Trade) -> Value {
    let book_side = match trade.taker {
        Side::Yes => "bid",
        Side::No => "ask",
    };
    json!({
        "trade_id": trade.id.to_string(),
        "ticker": &*hub.markets.at(trade.market).naming.ticker,
        "count_fp": size_text(trade.count),
        "yes_price_dollars": price_text(trade.yes_price),
        "no_price_dollars": price_text(DOLLAR - trade.yes_price),
        "taker_side": trade.taker.name(),
        "taker_outcome_side": trade.taker.name(),
        "taker_book_side": book_side,
        "created_time": rfc3339(trade.ts_ms),
        "is_block_trade": false,
    })
}
