//! Gatherers die between two steps of their work, one after the other, and while they recover from it.

use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::Victim;

/// What lies between: append, fsync, its mark, the word of it; intent, tables, cursor; recovery.
const PLACES: [(&str, u32); 7] = [
    ("spool.unsynced", 60),
    ("spool.synced", 60),
    ("spool.durable", 60),
    ("store.intended", 3),
    ("store.table-due", 9),
    ("store.cursor-due", 3),
    ("spool.recovering", 1),
];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let batches = |plan: &mut demo::fleet::Plan| {
        plan.gatherer_settings.push(("BATCH_FLUSH_SECS", "1".to_owned()));
    };
    let mut story = ground.story(3, batches).await?;
    story.events(500).await?;
    for (turn, (place, most)) in ground.some(&PLACES, 2).into_iter().enumerate() {
        let who = Victim::Gatherer(turn % 3);
        story.dies_at(who, place, ground.up_to(most), false).await?;
        story.recovered().await?;
    }
    story.events(500).await?;
    story.end(Holes::None).await
}
