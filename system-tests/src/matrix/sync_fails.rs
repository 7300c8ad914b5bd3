//! An fsync that failed may never be tried again: the program stops for good and says why. The same for a
//! disk that has become read-only.

use anyhow::ensure;
use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::mount::{SmallDisk, read_only};
use crate::{EVENTS_MAX, Story, Victim};

const FAULTS: [(Victim, &str, &str); 4] = [
    (Victim::Gatherer(0), "spool.sync=eio", "cannot sync"),
    (Victim::Deduplicator, "spool.sync=eio", "cannot sync"),
    (Victim::Gatherer(1), "spool.write=erofs", "Read-only file system"),
    (Victim::Deduplicator, "spool.write=erofs", "Read-only file system"),
];

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut disk = Ok(None);
    let small = |plan: &mut demo::fleet::Plan| {
        disk = SmallDisk::at(&plan.site.folder.join("north").join("data"), 64);
    };
    let mut story = ground.story(3, small).await?;
    story.events(500).await?;
    for (victim, order, said) in ground.some(&FAULTS, 1) {
        let order = format!("{order}@{}", ground.up_to(50));
        story.rearm(victim, &order).await?;
        stops(&mut story, victim, &order, said).await?;
        story.arm(victim, None);
        story.back(victim).await?;
        story.recovered().await?;
        story.events(300).await?;
    }
    if let Some(disk) = disk? {
        let (disk, victim) = (story.keep(disk), Victim::Gatherer(2));
        story.program(victim).stop().await?;
        read_only(&disk, true)?;
        story.program(victim).start_again()?;
        stops(&mut story, victim, "a read-only disk", "Read-only file system").await?;
        read_only(&disk, false)?;
        story.back(victim).await?;
        story.recovered().await?;
    }
    story.end(Holes::None).await
}

async fn stops(story: &mut Story, victim: Victim, order: &str, said: &str) -> anyhow::Result<()> {
    let status = story.program(victim).ended(EVENTS_MAX).await?;
    ensure!(status.code() == Some(1), "{order}: {victim:?} ended with {status}");
    let last = story.program(victim).said();
    ensure!(last.contains(said), "{order}: {victim:?} does not say {said:?} at its end: {last}");
    Ok(())
}
