//! A single gatherer loses its socket: what happened meanwhile is a recorded hole, exactly there.

use demo::fleet::SimOptions;
use demo::verify::Holes;
use serde_json::json;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_had_is_a_hole_and_nothing_else_is() -> anyhow::Result<()> {
    let sim = SimOptions { markets: 10, ..market(17) };
    let mut story = Story::of(PROGRAMS, sim, 1, |plan| {
        // A hole is recorded when nobody can fill it any more; a test need not wait half a minute.
        plan.deduplicator_settings.push(("HOLE_WAIT", "3s".to_owned()));
    })
    .await?;
    story.events(1_500).await?;
    story.fault(0, json!({"kind": "cut", "close": false})).await?;
    story.recovered().await?;
    story.events(1_500).await?;
    let report = story.end(Holes::Justified).await?;
    assert!(
        report.counted("ClickHouse holes") > 0,
        "a cut of the only socket lost nothing?\n{report}"
    );
    assert!(report.counted("ClickHouse events inside holes") > 0, "{report}");
    assert!(report.counted("holes in lane_minutes") > 0, "{report}");
    Ok(())
}
