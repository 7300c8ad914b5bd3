//! A gatherer's disk is replaced by an older copy of itself, as after a restore from a backup: it tells old
//! sessions again, under positions that had meant something else meanwhile.

use std::fs;
use std::path::Path;

use demo::oracle::Report;
use demo::verify::Holes;

use super::Ground;
use crate::Victim;

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    let victim = Victim::Gatherer(1);
    let data = story.fleet.site.folder.join("west/data");
    let copy = story.fleet.site.folder.join("west/copy");
    story.events(u64::from(500 + ground.up_to(1_000))).await?;
    story.kill(victim).await?;
    copied(&data, &copy)?;
    story.back(victim).await?;
    story.recovered().await?;
    story.events(u64::from(500 + ground.up_to(1_000))).await?;
    story.kill(victim).await?;
    fs::remove_dir_all(&data)?;
    fs::rename(&copy, &data)?;
    story.back(victim).await?;
    story.recovered().await?;
    story.events(500).await?;
    story.end(Holes::None).await
}

fn copied(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copied(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
