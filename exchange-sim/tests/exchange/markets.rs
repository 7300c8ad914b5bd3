//! Markets by command and by the clock.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_market_opens_and_closes_by_the_clock_without_a_word() {
    let world = World::open(&["--markets", "3", "--rate", "300"]).await;
    let ticker = "KXCLOCK-26-A";
    let create = json!({"do": "create", "ticker": ticker, "open_in": 1, "close_in": 4,
                        "announce": false, "share": 0.5});
    world.post("/sim/markets", &create).await;
    let (_, one) = world.get(&format!("/trade-api/v2/markets/{ticker}")).await;
    assert_eq!(one["market"]["status"], json!("initialized"));
    let (_, page) = world.get("/trade-api/v2/markets?status=unopened").await;
    assert_eq!(page["markets"].as_array().unwrap().len(), 1);
    let shown = async |wanted: &str| {
        let show = async {
            loop {
                let (_, one) = world.get(&format!("/trade-api/v2/markets/{ticker}")).await;
                if one["market"]["status"] == json!(wanted) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::world::LIMIT, show).await.expect(wanted);
    };
    shown("active").await;
    shown("closed").await;
    world.until("an empty book", |status| status["emptied"] == json!(1)).await;
    let truth = world.truth().await;
    let of = |kind: &str| {
        truth
            .iter()
            .filter(|line| line["t"] == json!(kind) && line["market"] == json!(ticker))
            .count()
    };
    assert_eq!((of("lifecycle"), of("market"), of("empty")), (0, 1, 1));
    assert!(of("delta") > 0, "it traded while it was open");
    world.post("/sim/markets", &json!({"do": "settle", "ticker": ticker})).await;
    shown("finalized").await;
    let truth = world.truth().await;
    let told = truth.iter().filter(|line| line["t"] == json!("lifecycle")).count();
    assert_eq!(told, 2, "determined and settled");
    world.close().await;
}

#[tokio::test]
async fn rest_is_limited_by_command_and_the_account_says_what_it_may() {
    let world = World::open(&["--markets", "3", "--rest-rate", "50", "--start-paused"]).await;
    world.fault(json!({"kind": "limit", "seconds": 60})).await;
    let (status, body) = world.get("/trade-api/v2/markets").await;
    assert_eq!((status, body), (429, json!({"error": "too many requests"})));
    world.fault(json!({"kind": "limit", "seconds": 0})).await;
    world.until("an end of it", |status| status["rest_requests"].as_u64() >= Some(1)).await;
    let ask = async {
        while world.get("/trade-api/v2/markets").await.0 != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::world::LIMIT, ask).await.expect("allowed again");
    let (_, status) = world.get("/sim/status").await;
    assert!(status["rest_limited"].as_u64() >= Some(1), "{status}");
    world.close().await;
}
