//! The sockets to the exchange: silent, slow, flapping; a subscription that the exchange ends (error 25). One
//! gatherer after the other; two are whole at any time.

use std::time::Duration;

use demo::oracle::Report;
use demo::verify::Holes;
use serde_json::{Value, json};

use super::Ground;

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    story.events(500).await?;
    // The long silence is more than any session waits for: the connection must be given up.
    let silent = ground.lasting(3, 100).as_secs();
    let orders: [(Value, u32); 4] = [
        (json!({"kind": "stall", "seconds": silent}), 1),
        (json!({"kind": "slow", "bytes_per_sec": 30_000, "seconds": 4}), 1),
        (json!({"kind": "cut", "close": false}), 5),
        (json!({"kind": "error", "code": 25}), 1),
    ];
    let mut who = ground.up_to(3) as usize;
    for (order, times) in orders {
        who += 1;
        for _ in 0..times {
            story.fault(who % 3, order.clone()).await?;
            if times > 1 {
                tokio::time::sleep(Duration::from_millis(u64::from(ground.up_to(700)))).await;
            }
        }
        story.events(800).await?;
        story.recovered().await?;
    }
    story.end(Holes::None).await
}
