//! A recording without clocks, as old captures are, goes the whole way.

use std::path::Path;
use std::time::Duration;

use demo::fleet::SimOptions;
use demo::verify::Holes;
use system_tests::Story;

use crate::PROGRAMS;

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_without_clocks_is_stored_once() -> anyhow::Result<()> {
    let sim = SimOptions {
        replay: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/without_clock.ndjson")),
        replay_clock: "none".to_owned(),
        ..SimOptions::default()
    };
    let story = Story::begin(PROGRAMS, sim).await?;
    while story.fleet.sim()?.replay_remaining().await? != Some(0) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let report = story.end(Holes::None).await?;
    assert_eq!(report.counted("ClickHouse deltas"), 600, "{report}");
    assert_eq!(report.counted("ClickHouse trades"), 12, "{report}");
    Ok(())
}
