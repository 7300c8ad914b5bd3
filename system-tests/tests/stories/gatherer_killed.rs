//! A gatherer dies as by a power cut, twice, and comes back: the others carry the feed.

use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gatherer_leaves_no_trace_in_the_record() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(12)).await?;
    story.events(2_000).await?;
    for who in [1, 2] {
        let before = story.figure(who, "frames").await?;
        story.kill_gatherer(who).await?;
        story.recovered().await?;
        story.events(1_500).await?;
        assert!(story.figure(who, "frames").await? > before, "it does not capture again");
    }
    story.end(Holes::None).await?;
    Ok(())
}
