//! An upgrade as the runbook has it: the deduplicator first, then one gatherer after another, each stopped as asked
//! and started again while the exchange goes on. Nothing is lost, and there is no hole.

use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn all_programs_are_restarted_in_turn_under_load_without_a_hole() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(53)).await?;
    story.events(1_500).await?;
    story.fleet.deduplicator.program.stop().await?;
    story.fleet.deduplicator.restart().await?;
    story.fleet.connected().await?;
    for who in 0..story.fleet.gatherers.len() {
        story.events(800).await?;
        story.fleet.gatherers[who].program.stop().await?;
        story.fleet.gatherers[who].restart().await?;
        // What the runbook waits for before the next: it is followed, and no lane of it is broken.
        story.fleet.connected().await?;
        story.recovered().await?;
    }
    story.events(800).await?;
    let report = story.end(Holes::None).await?;
    assert_eq!(report.counted("ClickHouse holes"), 0, "{report}");
    Ok(())
}
