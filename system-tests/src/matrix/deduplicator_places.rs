//! The deduplicator dies between two steps of its work, again and again, at its stop and while it recovers.

use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::Victim;

/// At the last two it must be asked to stop: only then, or after many megabytes, is a Parquet file closed.
const PLACES: [(&str, u32, bool); 10] = [
    ("spool.unsynced", 60, false),
    ("spool.synced", 60, false),
    ("spool.durable", 60, false),
    ("store.intended", 3, false),
    ("store.table-due", 9, false),
    ("store.cursor-due", 3, false),
    ("checkpoint.stored", 3, false),
    ("recover.replaying", 5, false),
    ("archive.published", 2, true),
    ("archive.unlisted", 1, true),
];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let settings = |plan: &mut demo::fleet::Plan| {
        plan.deduplicator_settings.push(("BATCH_FLUSH_SECS", "1".to_owned()));
        // So that there is something to replay.
        plan.deduplicator_settings.push(("CHECKPOINT_EVERY", "2s".to_owned()));
    };
    let mut story = ground.story(3, settings).await?;
    story.events(500).await?;
    for (place, most, asked) in ground.some(&PLACES, 3) {
        let victim = Victim::Deduplicator;
        story.dies_at(victim, place, ground.up_to(most), asked).await?;
        story.fleet.connected().await?;
        story.events(if place == "recover.replaying" { 1_500 } else { 300 }).await?;
    }
    story.end(Holes::None).await
}
