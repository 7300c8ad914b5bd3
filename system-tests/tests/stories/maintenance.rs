//! The exchange closes for maintenance, all connections end, and its clocks begin again from below.

use demo::verify::Holes;
use serde_json::json;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_fall_across_maintenance_make_a_new_era_and_no_loss() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(15)).await?;
    story.events(2_000).await?;
    story.fleet.sim()?.fault(&json!({"kind": "maintenance", "seconds": 3})).await?;
    story.fleet.sim()?.closed_and_open_again().await?;
    story.recovered().await?;
    story.events(2_000).await?;
    let report = story.end(Holes::Justified).await?;
    assert!(report.counted("ClickHouse markets in a later era") > 0, "no clock fell\n{report}");
    Ok(())
}
