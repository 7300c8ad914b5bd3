//! The exchange changes the form of its messages without a word: an unknown field harms nothing and is
//! counted; a field that is missing, renamed or of another type makes the frame undecodable: counted, kept
//! raw, and nothing stored in its place.

use std::process::{Command, Stdio};

use anyhow::ensure;
use clickhouse::Client;
use demo::fleet::{Fleet, Scraped};
use demo::oracle::Report;
use demo::verify::Holes;
use serde_json::json;

use super::Ground;
use crate::Story;

const CHANGES: [&str; 3] = ["rename", "missing", "type"];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let soon = |plan: &mut demo::fleet::Plan| {
        plan.deduplicator_settings.push(("HOLE_WAIT", "3s".to_owned()));
    };
    let mut story = ground.story(3, soon).await?;
    story.events(500).await?;
    drift(&story, "new").await?;
    story
        .until("unknown fields are counted", async |fleet| {
            let scraped = Scraped::of(&fleet.gatherers[0].metrics).await?;
            Ok(scraped.sum("gatherer_unknown_fields_total", "") > 0.0)
        })
        .await?;
    story.events(800).await?;
    for who in 0..3 {
        ensure!(story.figure(who, "undecodable").await? == 0, "a new field alone harms nothing");
    }
    for change in ground.some(&CHANGES, 2) {
        let before = undecodable(&story).await?;
        drift(&story, change).await?;
        for (who, before) in before.into_iter().enumerate() {
            story.until(change, async |fleet| Ok(figure(fleet, who).await? > before)).await?;
        }
        story.recovered().await?;
        story.events(500).await?;
    }
    for who in 0..3 {
        kept_raw(&mut story, who).await?;
    }
    story.fleet.sim()?.pause().await?;
    story.fleet.caught_up().await?;
    decoded_again(&story, 0).await?;
    story.end(Holes::Justified).await
}

/// What an old decoder could not read is there once a new one has read the raw frames: here all rows of a
/// gatherer are taken away, and come back the same.
async fn decoded_again(story: &Story, who: usize) -> anyhow::Result<()> {
    let gatherer = &story.fleet.gatherers[who];
    let client = client(&gatherer.engine.url);
    let digest = async || {
        let sql = "SELECT count(), sum(cityHash64(*)) FROM orderbook_events FINAL";
        client.query(sql).fetch_one::<(u64, u64)>().await
    };
    let before = digest().await?;
    client.query("TRUNCATE TABLE orderbook_events").execute().await?;
    let mut command = Command::new(&story.fleet.site.host);
    command.args(["__gatherer", "decode-again", "--gatherer-id", &gatherer.name]);
    command.args(["--clickhouse-url", &gatherer.engine.url]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Held open: a hosted program whose parent is gone ends itself.
    let stdin = child.stdin.take();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await??;
    drop(stdin);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success() && said.contains("frames decoded again"), "{said}");
    let after = digest().await?;
    ensure!(
        before.0 > 0 && before == after,
        "{before:?} rows were there, {after:?} came back: {said}"
    );
    Ok(())
}

fn client(url: &str) -> Client {
    Client::default().with_url(url).with_user("default").with_database("kalshi")
}

async fn drift(story: &Story, change: &str) -> anyhow::Result<()> {
    let order = json!({"kind": "schema", "change": change, "seconds": 1.5});
    story.fleet.sim()?.fault(&order).await.map(drop)
}

async fn undecodable(story: &Story) -> anyhow::Result<[u64; 3]> {
    let mut counts = [0; 3];
    for (who, count) in counts.iter_mut().enumerate() {
        *count = story.figure(who, "undecodable").await?;
    }
    Ok(counts)
}

async fn figure(fleet: &Fleet, who: usize) -> anyhow::Result<u64> {
    let pointer = format!("/gatherers/{}/undecodable", fleet.gatherers[who].name);
    Ok(fleet.deduplicator.health().await?.count(&pointer))
}

/// As many frames as were counted lie in the gatherer's store, byte for byte.
async fn kept_raw(story: &mut Story, who: usize) -> anyhow::Result<()> {
    const CHANGED: &str = "SELECT count() FROM raw_frames FINAL \
        WHERE JSONExtractString(frame, 'type') IN ('orderbook_delta', 'ticker') \
        AND (frame LIKE '%price_dollars_v2%' OR frame LIKE '%\"price_dollars\":0%' \
        OR frame LIKE '%\"price_dollars\":1%' \
        OR (JSONExtractString(frame, 'type') = 'orderbook_delta' AND frame NOT LIKE '%\"delta_fp\":%'))";
    let client = client(&story.fleet.gatherers[who].engine.url);
    story
        .until("every undecodable frame is kept raw", async |fleet| {
            let counted = figure(fleet, who).await?;
            let kept: u64 = client.query(CHANGED).fetch_one().await?;
            Ok(counted > 0 && kept == counted)
        })
        .await
}
