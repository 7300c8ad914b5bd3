//! The deduplicator dies as by a power cut and goes on from its journal: nothing twice, nothing missing.

use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_deduplicator_goes_on_where_it_was() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(14)).await?;
    for _ in 0..2 {
        story.events(2_000).await?;
        story.fleet.deduplicator.kill_and_restart().await?;
        story.fleet.connected().await?;
    }
    story.events(2_000).await?;
    story.end(Holes::None).await?;
    Ok(())
}
