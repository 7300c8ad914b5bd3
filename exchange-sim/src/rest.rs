//! REST: what the exchange answers about itself, its markets and their books.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    book::{Book, Scale, Side},
    clock,
    decimal::{price_text, rfc3339, size_text},
    hub::{Hub, Phase},
    market::Status,
    market_json::market_json,
    query::{Query, cursor_of, position_of},
    server::App,
};

pub(crate) async fn exchange_status(State(app): State<App>) -> Response {
    let hub = app.hub.lock();
    let is_open = hub.phase == Phase::Open;
    let mut status = json!({"exchange_active": is_open, "trading_active": is_open});
    if let Phase::Maintenance { until } = hub.phase {
        let now = clock::now();
        let left = until.saturating_duration_since(now.at).as_millis();
        let resume_ms = now.wall_ms + i64::try_from(left).unwrap_or(0);
        status["exchange_estimated_resume_time"] = json!(rfc3339(resume_ms));
    }
    Json(status).into_response()
}

pub(crate) async fn exchange_schedule() -> Json<Value> {
    let day = json!([{"open_time": "00:00", "close_time": "00:00"}]);
    let thursday = json!([{"open_time": "00:00", "close_time": "03:00"},
                          {"open_time": "05:00", "close_time": "00:00"}]);
    Json(json!({"schedule": {
        "standard_hours": [{
            "start_time": "2026-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z",
            "monday": day, "tuesday": day, "wednesday": day, "thursday": thursday,
            "friday": day, "saturday": day, "sunday": day,
        }],
        "maintenance_windows": [],
    }}))
}

pub(crate) async fn markets(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let query = Query::parse(query.as_deref());
    let limit = match query.limit("GetMarkets", 100, 1000) {
        Ok(limit) => limit,
        Err(refusal) => return refusal,
    };
    let hub = app.hub.lock();
    let from = position_of(query.one("cursor")).unwrap_or(0) as usize;
    let mut found = hub.markets.iter().skip(from).filter(|(_, market)| {
        let one = |key: &str, value: &str| query.one(key).is_none_or(|wanted| wanted == value);
        let many = |key: &str, value: &str| {
            query.one(key).is_none_or(|list| list.split(',').any(|wanted| wanted == value))
        };
        !market.archived
            && one("series_ticker", &market.naming.series_ticker)
            && one("event_ticker", &market.naming.event_ticker)
            && many("tickers", &market.naming.ticker)
            && one("status", market.status.filter())
            && within(&query, "close", market.close_ts)
            && within(&query, "created", market.created_ms / 1000)
            && match query.one("mve_filter") {
                Some("only") => market.naming.is_multivariate(),
                Some("exclude") => !market.naming.is_multivariate(),
                _ => true,
            }
    });
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let last = page.last().map_or(0, |(index, _)| *index as u64);
    let cursor = if found.next().is_some() { cursor_of(last + 1) } else { String::new() };
    let list: Vec<Value> = page.iter().map(|(_, market)| market_json(market)).collect();
    Json(json!({"markets": list, "cursor": cursor})).into_response()
}

/// `min_close_ts` and the like.
fn within(query: &Query, what: &str, ts: i64) -> bool {
    let bound = |name: String| query.one(&name).and_then(|text| text.parse::<i64>().ok());
    bound(format!("min_{what}_ts")).is_none_or(|min| ts >= min)
        && bound(format!("max_{what}_ts")).is_none_or(|max| ts <= max)
}

pub(crate) async fn market(State(app): State<App>, Path(ticker): Path<String>) -> Response {
    one_market(&app, &ticker, false)
}

/// Markets that were settled long ago.
pub(crate) async fn historical_market(
    State(app): State<App>,
    Path(ticker): Path<String>,
) -> Response {
    one_market(&app, &ticker, true)
}

fn one_market(app: &App, ticker: &str, archived: bool) -> Response {
    let hub = app.hub.lock();
    let market = hub.markets.find(ticker).map(|index| hub.markets.at(index));
    match market.filter(|market| market.archived == archived) {
        Some(market) => Json(json!({"market": market_json(market)})).into_response(),
        None => not_found(),
    }
}

pub(crate) async fn orderbook(
    State(app): State<App>,
    Path(ticker): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let depth = Query::parse(query.as_deref()).one("depth").and_then(|text| text.parse().ok());
    let hub = app.hub.lock();
    match hub.markets.find(&ticker) {
        Some(index) => {
            let book = book_json(&hub.markets.at(index).book, depth.unwrap_or(0));
            Json(json!({"orderbook_fp": book})).into_response()
        }
        None => not_found(),
    }
}

pub(crate) async fn orderbooks(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let query = Query::parse(query.as_deref());
    let tickers = query.all("tickers");
    if tickers.is_empty() || tickers.len() > 100 {
        let problem = "Parameter validation failed for GetMarketOrderbooks: tickers must have \
                       between 1 and 100 elements";
        return (StatusCode::BAD_REQUEST, Json(json!({"msg": problem}))).into_response();
    }
    let hub = app.hub.lock();
    let found = tickers.iter().filter_map(|ticker| {
        let market = hub.markets.at(hub.markets.find(ticker)?);
        Some(json!({"ticker": ticker, "orderbook_fp": book_json(&market.book, 0)}))
    });
    Json(json!({"orderbooks": found.collect::<Vec<_>>()})).into_response()
}

/// Bids only, no-leg prices, ascending; the best `depth` of each side, 0 for all.
fn book_json(book: &Book, depth: usize) -> Value {
    let side = |side: Side| -> Vec<Value> {
        let levels = book.shown(side, Scale::NoLeg);
        let from = if depth == 0 { 0 } else { levels.len().saturating_sub(depth) };
        let kept = levels[from..].iter();
        kept.map(|(price, size)| json!([price_text(*price), size_text(*size)])).collect()
    };
    json!({"yes_dollars": side(Side::Yes), "no_dollars": side(Side::No)})
}

pub(crate) async fn series(State(app): State<App>) -> Json<Value> {
    let hub = app.hub.lock();
    let mut list: Vec<&str> =
        hub.markets.iter().map(|(_, market)| &*market.naming.series_ticker).collect();
    list.sort_unstable();
    list.dedup();
    let series: Vec<Value> = list
        .iter()
        .map(|ticker| {
            json!({"ticker": ticker, "frequency": "custom", "title": format!("Simulated {ticker}"),
                   "category": "Simulation", "tags": [], "settlement_sources": [],
                   "contract_url": "", "contract_terms_url": "", "fee_type": "quadratic",
                   "fee_multiplier": 1, "additional_prohibitions": []})
        })
        .collect();
    Json(json!({"series": series}))
}

pub(crate) async fn events(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    events_page(&app, query.as_deref(), false)
}

pub(crate) async fn multivariate_events(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Response {
    events_page(&app, query.as_deref(), true)
}

fn events_page(app: &App, query: Option<&str>, multivariate: bool) -> Response {
    let query = Query::parse(query);
    let limit = match query.limit("GetEvents", 200, 200) {
        Ok(limit) => limit,
        Err(refusal) => return refusal,
    };
    let from = position_of(query.one("cursor")).unwrap_or(0) as usize;
    let hub = app.hub.lock();
    let all = events_of(&hub, &query, multivariate);
    let page = all.iter().skip(from).take(limit);
    let list: Vec<Value> = page.cloned().collect();
    let next = from + list.len();
    let cursor = if next < all.len() { cursor_of(next as u64) } else { String::new() };
    Json(json!({"events": list, "cursor": cursor})).into_response()
}

/// Events in the order of their birth.
fn events_of(hub: &Hub, query: &Query, multivariate: bool) -> Vec<Value> {
    let nested = query.one("with_nested_markets") == Some("true");
    let mut events: Vec<Map<String, Value>> = Vec::new();
    let wanted = hub.markets.iter().filter(|(_, market)| {
        let naming = &market.naming;
        naming.is_multivariate() == multivariate
            && query.one("series_ticker").is_none_or(|series| series == &*naming.series_ticker)
            && query.one("status").is_none_or(|status| status == market.status.filter())
    });
    for (_, market) in wanted {
        let ticker = json!(&*market.naming.event_ticker);
        if events.last().and_then(|event| event.get("event_ticker")) != Some(&ticker) {
            let event = json!({
                "event_ticker": ticker,
                "series_ticker": &*market.naming.series_ticker,
                "title": format!("What will happen in {}?", market.naming.event_ticker),
                "sub_title": "Simulated",
                "collateral_return_type": "MECNET",
                "mutually_exclusive": true,
                "category": "Simulation",
                "available_on_brokers": false,
            });
            let Value::Object(event) = event else { continue };
            events.push(event);
        }
        if let (true, Some(event)) = (nested, events.last_mut()) {
            let list = event.entry("markets").or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(market_json(market));
            }
        }
    }
    events.into_iter().map(Value::Object).collect()
}

pub(crate) async fn account_limits(State(app): State<App>, headers: HeaderMap) -> Response {
    let signed = ("GET", "/trade-api/v2/account/limits");
    if let Err(why) = app.keys.check(&headers, signed, clock::now().wall_ms) {
        return (StatusCode::UNAUTHORIZED, Json(why.body())).into_response();
    }
    // A request costs ten tokens.
    let per_sec = app.hub.lock().limits.rest_per_sec;
    let tokens = if per_sec > 0.0 { (per_sec * 10.0).max(10.0) as u64 } else { 200 };
    Json(json!({
        "grants": [],
        "read": {"bucket_capacity": tokens, "refill_rate": tokens},
        "usage_tier": "basic",
        "write": {"bucket_capacity": 100, "refill_rate": 100},
    }))
    .into_response()
}

pub(crate) async fn endpoint_costs() -> Json<Value> {
    Json(json!({"default_cost": 10, "endpoint_costs": []}))
}

fn not_found() -> Response {
    let body = json!({"error": {"code": "not_found", "message": "not found"}});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// Whether a market's trades have moved to `/historical`.
pub(crate) fn is_historical(status: Status) -> bool {
    status == Status::Finalized
}
