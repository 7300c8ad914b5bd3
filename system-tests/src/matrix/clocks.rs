//! The host clock of a gatherer steps: its stamps lie, its captures do not.

use std::fs;

use demo::oracle::Report;
use demo::verify::Holes;
use serde_json::json;

use super::Ground;
use crate::Victim;

/// Milliseconds. With the first and the last a new connection is refused by the exchange, which looks at the
/// time that is signed; a standing one goes on.
const STEPS: [i64; 4] = [90_000, -10_000, 10_000, -90_000];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    let victim = Victim::Gatherer(1);
    let file = story.fleet.site.folder.join("clock");
    fs::write(&file, "0")?;
    story.kill(victim).await?;
    story.program(victim).set("FAILPOINT_CLOCK", Some(file.display().to_string()));
    story.back(victim).await?;
    story.recovered().await?;
    for step in ground.some(&STEPS, 3) {
        fs::write(&file, step.to_string())?;
        story.events(600).await?;
        // What the stepped one brings must carry the market when another lane is lost.
        story.fault(0, json!({"kind": "cut", "close": false})).await?;
        story.events(800).await?;
        fs::write(&file, "0")?;
        story.recovered().await?;
        story.events(300).await?;
    }
    story.end(Holes::None).await
}
