//! The deduplicator's disk is lost: journal, checkpoints and catalog. The record goes on from ClickHouse and from
//! the gatherers' spools, the archive gets what only the lost chunk held, and the accounts still add up.

use std::fs;

use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::Victim;

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    let victim = Victim::Deduplicator;
    let data = story.fleet.site.folder.join("deduplicator/data");
    story.events(u64::from(800 + ground.up_to(800))).await?;
    // A stop closes the chunk: a part is in the archive, the next one only in the chunk that is lost.
    story.program(victim).stop().await?;
    story.back(victim).await?;
    story.events(u64::from(800 + ground.up_to(800))).await?;
    story.kill(victim).await?;
    fs::remove_dir_all(&data)?;
    story.back(victim).await?;
    story.logged(victim, &["took_over"]).await?;
    story.recovered().await?;
    story.events(500).await?;
    story.end(Holes::None).await
}
