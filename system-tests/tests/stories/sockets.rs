//! Sockets are cut, frames are dropped, repeated and damaged, one gatherer after the other.

use demo::verify::Holes;
use serde_json::json;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_one_gatherer_at_a_time_loses_nothing() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(13)).await?;
    story.events(1_500).await?;
    story.fault(0, json!({"kind": "cut", "close": false})).await?;
    story.recovered().await?;
    story.fault(1, json!({"kind": "drop", "frames": 20})).await?;
    story.noticed(1, "breaks").await?;
    story.recovered().await?;
    story.fault(2, json!({"kind": "corrupt", "frames": 3})).await?;
    story.noticed(2, "undecodable").await?;
    story.recovered().await?;
    story.fault(0, json!({"kind": "repeat", "frames": 30})).await?;
    story.fault(1, json!({"kind": "cut", "close": true})).await?;
    story.recovered().await?;
    story.events(1_500).await?;
    story.end(Holes::None).await?;
    Ok(())
}
