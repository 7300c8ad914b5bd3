//! One feed of two lies, so that no majority tells who is right: what they disagree about is held until the
//! exchange's own book (`get_snapshot`) decides. The record is untouched, the liar is named, an alarm is raised.

use anyhow::ensure;
use demo::oracle::Report;
use demo::verify::Holes;
use serde_json::json;

use super::Ground;
use crate::{Story, Victim, http};

const LIES: [&str; 3] = ["price", "size", "stale"];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    // On a busy machine the honest one may be late, and a lie that nobody contradicts in time is believed until
    // the audit refutes it: that is another story.
    let patient = |plan: &mut demo::fleet::Plan| {
        plan.deduplicator_settings.push(("CONFIRM_WAIT", "2s".to_owned()));
    };
    let mut story = ground.story(2, patient).await?;
    let liar = ground.up_to(2) as usize - 1;
    story.events(800).await?;
    for how in ground.some(&LIES, 2) {
        let before = divergences(&story, liar).await?;
        story.fault(liar, json!({"kind": "lie", "how": how, "seconds": 2})).await?;
        story
            .until(how, async |fleet| {
                let pointer = format!("/gatherers/{}/divergences", fleet.gatherers[liar].name);
                Ok(fleet.deduplicator.health().await?.count(&pointer) > before)
            })
            .await?;
        story.recovered().await?;
        story.events(800).await?;
    }
    let name = story.fleet.gatherers[liar].name.clone();
    story.logged(Victim::Deduplicator, &["merge_alarm", "lane_diverged", &name]).await?;
    let accused = divergences(&story, 1 - liar).await?;
    ensure!(accused == 0, "the honest one is accused of {accused} lies");
    let metrics = http::get(&story.fleet.deduplicator.metrics, "/metrics").await?.body;
    let raised = metrics.lines().any(|line| {
        line.starts_with("dedup_alarms_total{kind=\"lane_diverged\"}") && !line.ends_with(" 0")
    });
    ensure!(raised, "no metric tells of it:\n{metrics}");
    story.end(Holes::None).await
}

async fn divergences(story: &Story, who: usize) -> anyhow::Result<u64> {
    story.figure(who, "divergences").await
}
