//! REST and the administration of faults.

use serde_json::json;

use crate::world::{World, books};

#[tokio::test]
async fn markets_are_paged_and_filtered() {
    let world = World::open(&["--markets", "25", "--start-paused"]).await;
    let (mut tickers, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = world.get(&format!("/trade-api/v2/markets?limit=10&cursor={cursor}")).await;
        let markets = page["markets"].as_array().unwrap();
        assert!(markets.len() <= 10 && !markets.is_empty());
        tickers.extend(markets.iter().map(|market| market["ticker"].as_str().unwrap().to_owned()));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(tickers.len(), 25);
    let count = async |query: &str| {
        let (_, page) = world.get(&format!("/trade-api/v2/markets?{query}")).await;
        page["markets"].as_array().unwrap().len()
    };
    let two = format!("tickers={},{}", tickers[0], tickers[3]);
    assert_eq!(count(&two).await, 2);
    let of_series = tickers.iter().filter(|ticker| ticker.starts_with("KXETHD-")).count();
    assert_eq!(count("series_ticker=KXETHD").await, of_series);
    let multivariate = tickers.iter().filter(|ticker| ticker.starts_with("KXMVE")).count();
    assert!(multivariate > 0);
    assert_eq!(count("mve_filter=only").await, multivariate);
    assert_eq!(count("mve_filter=exclude").await, 25 - multivariate);
    assert_eq!(count("status=settled").await, 0);
    assert_eq!(count("cursor=garbage").await, 25, "a garbage cursor is the first page");
    let (status, body) = world.get("/trade-api/v2/markets?limit=1001").await;
    assert_eq!(status, 400);
    assert!(
        body["msg"].as_str().unwrap().starts_with("Parameter validation failed for GetMarkets: ")
    );
    assert_eq!(world.get("/trade-api/v2/markets/NO-SUCH").await.0, 404);
    let (_, one) = world.get(&format!("/trade-api/v2/markets/{}", tickers[0])).await;
    assert_eq!(one["market"]["ticker"], json!(tickers[0]));
    assert!(one["market"].get("market_id").is_none());
    world.close().await;
}

#[tokio::test]
async fn books_are_no_leg_priced_bids() {
    let world = World::open(&["--markets", "3", "--rate", "2000"]).await;
    world.until("deltas", |status| status["deltas"].as_u64() > Some(500)).await;
    world.post("/sim/pause", &json!({})).await;
    let truth = books(&world.truth().await);
    let tickers = world.tickers().await;
    let query =
        tickers.iter().map(|ticker| format!("tickers={ticker}")).collect::<Vec<_>>().join("&");
    let (_, many) = world.get(&format!("/trade-api/v2/markets/orderbooks?{query}")).await;
    for (place, ticker) in tickers.iter().enumerate() {
        let (_, one) = world.get(&format!("/trade-api/v2/markets/{ticker}/orderbook")).await;
        assert_eq!(many["orderbooks"][place]["orderbook_fp"], one["orderbook_fp"]);
        let book = &one["orderbook_fp"];
        let msg =
            json!({"yes_dollars_fp": book["yes_dollars"], "no_dollars_fp": book["no_dollars"]});
        let shown: std::collections::BTreeMap<_, _> = crate::client::levels_of(&msg)
            .into_iter()
            .map(|((side, price), size)| {
                let price = if side == "no" { 10_000 - price } else { price };
                ((side, price), size)
            })
            .collect();
        assert_eq!(shown, truth[ticker].1);
    }
    assert_eq!(world.get("/trade-api/v2/markets/orderbooks").await.0, 400);
    world.close().await;
}

#[tokio::test]
async fn all_trades_can_be_fetched_page_by_page() {
    let world = World::open(&["--markets", "5", "--rate", "3000"]).await;
    world.until("trades", |status| status["trades"].as_u64() > Some(60)).await;
    world.post("/sim/pause", &json!({})).await;
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) =
            world.get(&format!("/trade-api/v2/markets/trades?limit=25&cursor={cursor}")).await;
        let trades = page["trades"].as_array().unwrap();
        ids.extend(trades.iter().map(|trade| trade["trade_id"].clone()));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    ids.reverse();
    let truth = world.truth().await;
    let expected: Vec<_> = truth
        .iter()
        .filter(|line| line["t"] == "trade")
        .map(|line| line["trade_id"].clone())
        .collect();
    assert_eq!(ids, expected);
    let (_, none) = world.get("/trade-api/v2/markets/trades?max_ts=1000").await;
    assert_eq!(none["trades"], json!([]));
    world.close().await;
}

#[tokio::test]
async fn the_rest_answers_for_exchange_series_events_and_limits() {
    let world = World::open(&["--markets", "30", "--rest-rate", "8"]).await;
    let (_, status) = world.get("/trade-api/v2/exchange/status").await;
    assert_eq!(status, json!({"exchange_active": true, "trading_active": true}));
    let (_, schedule) = world.get("/trade-api/v2/exchange/schedule").await;
    assert!(schedule["schedule"]["standard_hours"].is_array());
    let (_, series) = world.get("/trade-api/v2/series").await;
    assert!(series["series"].as_array().unwrap().len() > 5);
    let (_, events) = world.get("/trade-api/v2/events?limit=2&with_nested_markets=true").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 2);
    assert!(events["events"][1]["markets"].is_array() && events["cursor"] != "");
    let mut limited = (200, serde_json::Value::Null);
    for _ in 0..30 {
        limited = world.get("/trade-api/v2/account/endpoint_costs").await;
        if limited.0 == 429 {
            break;
        }
    }
    assert_eq!(limited, (429, json!({"error": "too many requests"})));
    world.close().await;
}

#[tokio::test]
async fn administration_asks_for_its_token_and_names_mistakes() {
    let world = World::open(&["--admin-token", "secret"]).await;
    assert_eq!(world.get("/sim/status").await.0, 401);
    let bearer = "authorization: Bearer secret\r\n";
    assert_eq!(world.http("GET", "/sim/status", bearer, "").await.0, 200);
    for (path, body) in [
        ("/sim/faults", r#"{"kind":"flood"}"#),
        ("/sim/faults", r#"{"kind":"stall","seconds":-1}"#),
        ("/sim/rate", r#"{"deltas_per_sec":-1}"#),
    ] {
        let (status, answer) = world.http("POST", path, bearer, body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["msg"].is_string());
    }
    let (status, _) = world.http("POST", "/sim/rate", bearer, r#"{"deltas_per_sec":10}"#).await;
    assert_eq!(status, 200);
    world.close().await;
}
