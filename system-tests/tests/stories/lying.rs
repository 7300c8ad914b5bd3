//! One gatherer's connection lies about sizes for a while: two honest ones outvote it.

use demo::verify::Holes;
use serde_json::json;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_connection_is_outvoted_and_found_out() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(16)).await?;
    story.events(1_500).await?;
    story.fault(1, json!({"kind": "lie", "how": "size", "seconds": 2})).await?;
    story.noticed(1, "divergences").await?;
    story.events(3_000).await?;
    for honest in [0, 2] {
        assert_eq!(story.figure(honest, "divergences").await?, 0, "an honest one is accused");
    }
    story.end(Holes::None).await?;
    Ok(())
}
