//! The way to ClickHouse: rows that were stored and whose confirmation is lost, a line that is slow, silent,
//! cut. A batch is the same batch when it is sent again, so nothing may stand there twice.

use anyhow::ensure;
use demo::fleet::Scraped;
use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::{Line, Proxies, Story, Victim};

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut proxies = Proxies::default();
    let wired = |plan: &mut demo::fleet::Plan| {
        proxies = Proxies::on_every_wire(plan);
        for settings in [&mut plan.gatherer_settings, &mut plan.deduplicator_settings] {
            settings.push(("BATCH_FLUSH_SECS", "1".to_owned()));
        }
    };
    let mut story = ground.story(3, wired).await?;
    story.events(500).await?;
    let rounds = if ground.long { 5 } else { 1 };
    for _ in 0..rounds {
        let failed = errors(&story).await?;
        proxies.set("store ", Line::Unanswered)?;
        let wanted = failed + f64::from(1 + ground.up_to(2));
        story
            .until("answers are lost", async |fleet| {
                Ok(Scraped::of(&fleet.deduplicator.metrics).await?.sum("writer_errors_total", "")
                    >= wanted)
            })
            .await?;
        proxies.set("store ", Line::Slow(60_000))?;
        story.events(500).await?;
        proxies.set("store ", Line::Silent)?;
        // The long form is longer than a confirmation is waited for.
        tokio::time::sleep(ground.lasting(2, 75)).await;
        proxies.set("store ", Line::Cut)?;
        story.events(500).await?;
        proxies.set("store ", Line::Good)?;
        story.events(300).await?;
    }
    let said = story.log_of(Victim::Deduplicator)?;
    ensure!(said.contains("connection_refused"), "the cut line has no category in the log");
    ensure!(!ground.long || said.contains("timeout"), "the silent line has no category in the log");
    story.end(Holes::None).await
}

async fn errors(story: &Story) -> anyhow::Result<f64> {
    Ok(Scraped::of(&story.fleet.deduplicator.metrics).await?.sum("writer_errors_total", ""))
}
