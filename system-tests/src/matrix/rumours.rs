//! One feed of three lies: the record is untouched and the liar is named.

use anyhow::ensure;
use demo::oracle::Report;
use demo::verify::Holes;
use serde_json::json;

use super::Ground;
use crate::{Story, Victim};

const LIES: [&str; 3] = ["price", "size", "stale"];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    story.events(800).await?;
    for how in ground.some(&LIES, 2) {
        let before = quarantines(&story).await?;
        lie(&story, how).await?;
        story
            .until(how, async |fleet| {
                Ok(fleet.deduplicator.health().await?.count("/canonical/alarms") > before)
            })
            .await?;
        story.recovered().await?;
        story.events(800).await?;
    }
    story.logged(Victim::Deduplicator, &["merge_alarm", "west"]).await?;
    for honest in [0, 2] {
        let accused = story.figure(honest, "divergences").await?;
        ensure!(accused == 0, "an honest gatherer is accused of {accused} lies");
    }
    story.end(Holes::None).await
}

async fn quarantines(story: &Story) -> anyhow::Result<u64> {
    Ok(story.fleet.deduplicator.health().await?.count("/canonical/alarms"))
}

async fn lie(story: &Story, how: &str) -> anyhow::Result<()> {
    story.fault(1, json!({"kind": "lie", "how": how, "seconds": 2})).await
}
