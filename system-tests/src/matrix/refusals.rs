//! ClickHouse refuses rows, for real: a query may use too little memory, a table holds too many parts, rows
//! violate a constraint; and it cannot be found by its name.

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use demo::fleet::Scraped;
use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::{Story, Victim};

/// Less than any insert needs.
const TOO_LITTLE_MB: &str = "1";
/// A name that never has an address (RFC 6761).
const NOWHERE: &str = "http://clickhouse.invalid:8123";

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let often = |plan: &mut demo::fleet::Plan| {
        plan.deduplicator_settings.push(("BATCH_FLUSH_SECS", "1".to_owned()));
    };
    let mut story = ground.story(3, often).await?;
    story.events(800).await?;

    story.fleet.deduplicator.engine.kill().await?;
    story.fleet.deduplicator.engine.restart(&["--query-memory-mb", TOO_LITTLE_MB]).await?;
    refused(&mut story, "memory_limit").await?;
    story.events(500).await?;
    story.fleet.deduplicator.engine.kill().await?;
    story.fleet.deduplicator.engine.restart(&[]).await?;
    stored_again(&mut story).await?;

    let client = Client::default()
        .with_url(&story.fleet.deduplicator.engine.url)
        .with_user("default")
        .with_database("kalshi");
    let run = async |sql: &str| client.query(sql).execute().await.with_context(|| sql.to_owned());
    run("SYSTEM STOP MERGES orderbook_events").await?;
    run("ALTER TABLE orderbook_events MODIFY SETTING parts_to_throw_insert = 1").await?;
    refused(&mut story, "too_many_parts").await?;
    story.events(500).await?;
    run("ALTER TABLE orderbook_events RESET SETTING parts_to_throw_insert").await?;
    run("SYSTEM START MERGES orderbook_events").await?;
    stored_again(&mut story).await?;

    run("ALTER TABLE orderbook_events ADD CONSTRAINT by_hand CHECK seq = 0").await?;
    refused(&mut story, "constraint").await?;
    story.events(500).await?;
    run("ALTER TABLE orderbook_events DROP CONSTRAINT by_hand").await?;
    stored_again(&mut story).await?;

    let there = story.fleet.deduplicator.engine.url.clone();
    started_with(&mut story, NOWHERE).await?;
    refused(&mut story, "dns_resolution").await?;
    story.events(500).await?;
    started_with(&mut story, &there).await?;
    stored_again(&mut story).await?;
    story.end(Holes::None).await
}

/// Starts the deduplicator again with another address of its ClickHouse.
async fn started_with(story: &mut Story, url: &str) -> anyhow::Result<()> {
    let deduplicator = &mut story.fleet.deduplicator;
    deduplicator.program.stop().await?;
    deduplicator.program.set("CLICKHOUSE_URL", Some(url.to_owned()));
    deduplicator.restart().await
}

/// Waits until the deduplicator's batches are refused for this reason, in metrics and in the log.
async fn refused(story: &mut Story, category: &str) -> anyhow::Result<()> {
    let label = format!("type=\"{category}\"");
    story
        .until(category, async |fleet| {
            let scraped = Scraped::of(&fleet.deduplicator.metrics).await?;
            Ok(scraped.sum("writer_errors_total", &label) >= 2.0)
        })
        .await?;
    let said = story.log_of(Victim::Deduplicator)?;
    ensure!(said.contains(category), "the log does not name {category}");
    Ok(())
}

async fn stored_again(story: &mut Story) -> anyhow::Result<()> {
    story
        .until("rows are stored again", async |fleet| {
            let health = fleet.deduplicator.health().await?;
            Ok(health.at("/clickhouse/reachable") == true)
        })
        .await
}
