//! Bits flip in what lies on a disk. A damaged file is named and never guessed at; a torn tail, which a power
//! cut leaves, is cut off and said; a damaged checkpoint falls back to the one before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use catalog::{Catalog, CatalogUrl};
use demo::oracle::Report;
use demo::verify::Holes;

use super::{Ground, newest};
use crate::{EVENTS_MAX, Story, Victim};

/// What is done to a file, and what must follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Harm {
    /// A bit in the middle: the program refuses to start and names the file.
    Refused,
    /// Everything in it: the same.
    Overwritten,
    /// A bit in the middle: the program names the file and goes on without it.
    Named,
    /// Bytes at the end that no fsync has covered: cut off.
    Torn,
    /// Removed: the program names the file and goes on.
    Lost,
}

const GATHERER: Victim = Victim::Gatherer(1);
const DEDUPLICATOR: Victim = Victim::Deduplicator;

/// Victim, folder below its own, the file (empty: the newest segment, `#`: the newest checkpoint), the harm.
const FILES: [(Victim, &str, &str, Harm); 13] = [
    (GATHERER, "west/data/spool", "", Harm::Refused),
    (GATHERER, "west/data/spool", "", Harm::Torn),
    (GATHERER, "west/data/spool", "ledger", Harm::Overwritten),
    (GATHERER, "west/data/acks", "canonical", Harm::Refused),
    (GATHERER, "west/data/sink", "gatherer.intent", Harm::Refused),
    (GATHERER, "west/data/sink", "identity", Harm::Refused),
    (DEDUPLICATOR, "deduplicator/data/journal/log", "", Harm::Refused),
    (DEDUPLICATOR, "deduplicator/data/journal/log", "", Harm::Torn),
    (DEDUPLICATOR, "deduplicator/data/journal/log", "ledger", Harm::Overwritten),
    (DEDUPLICATOR, "deduplicator/data/journal/sinks", "canonical.intent", Harm::Refused),
    (DEDUPLICATOR, "deduplicator/data/checkpoints", "#", Harm::Named),
    (DEDUPLICATOR, "deduplicator/data", CATALOG, Harm::Overwritten),
    (DEDUPLICATOR, "deduplicator/data", CATALOG, Harm::Lost),
];
const CATALOG: &str = "catalog.sqlite";

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut story = ground.story(3, |_| ()).await?;
    for (victim, folder, name, harm) in ground.some(&FILES, 4) {
        story.events(1_000).await?;
        if harm == Harm::Lost {
            // So that there are files in the archive, which must not be made twice.
            story.program(victim).stop().await?;
        } else {
            story.kill(victim).await?;
        }
        let folder = story.fleet.site.folder.join(folder);
        let path = file(&folder, name)?;
        if name == CATALOG {
            // Or SQLite would read its log and not the damaged file.
            Catalog::open(&CatalogUrl::sqlite(&path)).await?.close().await;
        }
        let good = fs::read(&path).with_context(|| path.display().to_string())?;
        match harm {
            Harm::Lost => fs::remove_file(&path)?,
            harm => fs::write(&path, harmed(ground, &good, harm))?,
        }
        let outcome = follows(&mut story, victim, &path, harm).await;
        outcome.with_context(|| format!("{harm:?} {}", path.display()))?;
        if matches!(harm, Harm::Refused | Harm::Overwritten) {
            fs::write(&path, good)?;
            story.back(victim).await?;
        }
        story.recovered().await?;
    }
    story.events(300).await?;
    story.end(Holes::None).await
}

fn file(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    match name {
        "" => newest(folder, |name| name.ends_with(".log")),
        "#" => newest(folder, |name| name.bytes().all(|byte| byte.is_ascii_digit())),
        name => Ok(folder.join(name)),
    }
}

fn harmed(ground: &mut Ground, good: &[u8], harm: Harm) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match harm {
        Harm::Overwritten => bytes.fill(0xa5),
        Harm::Torn => bytes.extend((0..ground.up_to(5_000)).map(|byte| (byte * 37) as u8)),
        Harm::Refused | Harm::Named | Harm::Lost => {
            // In the second quarter: behind every header, and long durable.
            let quarter = u32::try_from(bytes.len() / 4).unwrap_or(u32::MAX).max(1);
            let at = bytes.len() / 4 + ground.up_to(quarter) as usize - 1;
            bytes[at] ^= 1 << (ground.up_to(8) - 1);
        }
    }
    bytes
}

async fn follows(story: &mut Story, victim: Victim, path: &Path, harm: Harm) -> anyhow::Result<()> {
    let before = story.log_of(victim)?.len();
    let name = path.display().to_string();
    match harm {
        Harm::Refused | Harm::Overwritten => {
            story.program(victim).start_again()?;
            let status = story.program(victim).ended(EVENTS_MAX).await?;
            ensure!(status.code() == Some(1), "it ended with {status}");
            let last = story.program(victim).said();
            ensure!(last.contains(&name), "its last word does not name the file: {last}");
            let is_log = name.ends_with(".log");
            ensure!(!is_log || last.contains("byte"), "it does not say at which byte: {last}");
        }
        Harm::Named | Harm::Torn | Harm::Lost => {
            story.back(victim).await?;
            let said = story.log_of(victim)?.split_off(before);
            ensure!(said.contains(&name), "it does not name the file:\n{said}");
        }
    }
    Ok(())
}
