//! Disks fill up. A gatherer whose disk is full closes its sockets and says so rather than lose silently; a
//! deduplicator whose disk is full waits, and the gatherers' spools keep what comes.

use std::fs;

use anyhow::ensure;
use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::mount::{SmallDisk, fill};
use crate::{Story, Victim};

const MEGABYTES: u32 = 48;

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut disks = Ok((None, None));
    let small = |plan: &mut demo::fleet::Plan| {
        let at = |who: &str| SmallDisk::at(&plan.site.folder.join(who).join("data"), MEGABYTES);
        disks = at("east").and_then(|east| Ok((east, at("deduplicator")?)));
    };
    let mut story = ground.story(3, small).await?;
    story.events(500).await?;
    if let (Some(east), Some(canonical)) = disks? {
        let (east, canonical) = (story.keep(east), story.keep(canonical));
        let ballast = fill(&east)?;
        story
            .until("the full gatherer says so", async |fleet| {
                let health = fleet.gatherers[0].health().await?;
                Ok(health.text("/status") == "down" && health.whole().contains("spool"))
            })
            .await?;
        // Its own count: the deduplicator may still be taking in what was spooled before.
        let received = async |story: &Story| -> anyhow::Result<u64> {
            Ok(story.fleet.gatherers[0].health().await?.count("/frames_total"))
        };
        let before = received(&story).await?;
        // The others carry the feed.
        story.events(1_000).await?;
        tokio::time::sleep(ground.lasting(0, 60)).await;
        ensure!(received(&story).await? <= before + 400, "it captures on a full disk");
        fs::remove_file(ballast)?;
        story.recovered().await?;
        story.events(300).await?;

        let ballast = fill(&canonical)?;
        story.logged(Victim::Deduplicator, &["the journal waits for room"]).await?;
        tokio::time::sleep(ground.lasting(3, 60)).await;
        fs::remove_file(ballast)?;
        story.recovered().await?;
        story.events(500).await?;
    }
    story.end(Holes::None).await
}
