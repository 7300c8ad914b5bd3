//! Each ClickHouse dies as by a power cut while rows come in, and is away for a while.

use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::Victim;

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let often = |plan: &mut demo::fleet::Plan| {
        for settings in [&mut plan.gatherer_settings, &mut plan.deduplicator_settings] {
            settings.push(("BATCH_FLUSH_SECS", "1".to_owned()));
            settings.push(("BATCH_ROWS", "300".to_owned()));
        }
    };
    let mut story = ground.story(3, often).await?;
    let rounds = if ground.long { 6 } else { 2 };
    for _ in 0..rounds {
        let random = u64::from(ground.up_to(900));
        story.events(400 + random).await?;
        story.fleet.deduplicator.engine.kill().await?;
        let who = ground.up_to(3) as usize - 1;
        story.fleet.gatherers[who].engine.kill().await?;
        story.logged(Victim::Deduplicator, &["connection_refused"]).await?;
        // What is received meanwhile waits in spool and journal.
        story.events(500).await?;
        tokio::time::sleep(ground.lasting(0, 20)).await;
        story.fleet.gatherers[who].engine.restart(&[]).await?;
        story.fleet.deduplicator.engine.restart(&[]).await?;
    }
    story.events(300).await?;
    story.end(Holes::None).await
}
