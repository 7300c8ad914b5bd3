//! Checkpoints: the merge's whole state, written down whole or not at all, the newest two kept.
//!
//! ```text
//! checkpoints/0000000042: a spool cursor file (crc32c, renamed into place) that holds
//! version u8 = 4 | postcard of Checkpoint
//! ```
//! A checkpoint is written only after the journal is durable up to what it includes. Acks come from
//! the older of the two kept, so that one damaged file loses nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use merge::{LaneMinute, Merge};
use serde::{Deserialize, Serialize};
use spool::{AnyDisk, CursorFile, Log, Position};

const VERSION: u8 = 5;
const KEPT: usize = 2;
/// How long one wait for the journal lasts before the log is looked at for a failure.
const DURABLE_WAIT: Duration = Duration::from_secs(5);

/// What a checkpoint says besides the state.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct Head {
    /// Rising by one.
    pub(crate) number: u64,
    /// Every journal record before this is in the state.
    journal: (u32, u64),
    /// Up to where each gatherer's records are in the state.
    gatherers: Vec<(String, Option<(u32, u64)>)>,
    /// The accounts that were closed with it; they are not in the state any more.
    pub(crate) rows: Vec<LaneMinute>,
}

/// A checkpoint that was read.
pub(crate) struct Loaded {
    bytes: u64,
    pub(crate) head: Head,
    pub(crate) merge: Merge,
}

/// A checkpoint ready to be written: a copy of the state, and what is said of it.
pub(crate) struct Sealed {
    head: Head,
    merge: Merge,
}

/// Proof that a checkpoint, and the journal below it, survive a power loss.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    head: Head,
    bytes: u64,
}

impl Head {
    pub(crate) fn new(
        number: u64,
        journal: Position,
        gatherers: Vec<(String, Option<proto::Position>)>,
        rows: Vec<LaneMinute>,
    ) -> Self {
        let pair = |position: proto::Position| (position.incarnation, position.offset);
        let gatherers =
            gatherers.into_iter().map(|(name, position)| (name, position.map(pair))).collect();
        Self { number, journal: (journal.incarnation, journal.offset), gatherers, rows }
    }

    pub(crate) fn journal(&self) -> Position {
        Position { incarnation: self.journal.0, offset: self.journal.1 }
    }

    /// By gatherer, where its next record not in the state is; those never heard are left out.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (&str, proto::Position)> {
        self.gatherers.iter().filter_map(|(name, position)| {
            let (incarnation, offset) = (*position)?;
            Some((name.as_str(), proto::Position { incarnation, offset }))
        })
    }
}

impl Loaded {
    /// It was read from disk: it is durable, and so was the journal before it was written.
    pub(crate) fn into_parts(self) -> (Durable, Merge) {
        (Durable { head: self.head, bytes: self.bytes }, self.merge)
    }
}

impl Sealed {
    pub(crate) fn new(head: Head, merge: Merge) -> Self {
        Self { head, merge }
    }

    /// Where the journal must be durable before it is written.
    pub(crate) fn journal(&self) -> Position {
        self.head.journal()
    }
}

impl Durable {
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Of its file, without the header.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Waits for the journal, then writes the checkpoint down and forgets the oldest. Blocks.
pub(crate) fn store(dir: &Path, sealed: &Sealed, log: &Log) -> anyhow::Result<Durable> {
    store_at(&AnyDisk::machine(), dir, sealed, log)
}

pub(crate) fn store_at(
    disk: &AnyDisk,
    dir: &Path,
    sealed: &Sealed,
    log: &Log,
) -> anyhow::Result<Durable> {
    while !log.wait_durable(sealed.head.journal(), DURABLE_WAIT) {
        if let Some(cause) = log.poisoned() {
            return Err(anyhow!("the journal failed: {cause}"));
        }
    }
    let path = path(dir, sealed.head.number);
    let bytes = CursorFile::open_at(disk, path)
        .and_then(|file| file.store_with(|out| serialise(sealed, out)))
        .context("cannot write a checkpoint")?;
    failpoint::hit("checkpoint.stored");
    let numbers = numbers(disk, dir)?;
    for old in numbers.iter().rev().skip(KEPT) {
        let path = self::path(dir, *old);
        disk.remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(Durable { head: sealed.head.clone(), bytes })
}

/// Straight into the file: the state may be a hundred megabytes.
fn serialise(sealed: &Sealed, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(&[VERSION])?;
    postcard::to_io(&(&sealed.head, &sealed.merge), out).map(|_| ()).map_err(io::Error::other)
}

/// The newest checkpoint that can be read; each that cannot is named in the log. `None`: there is
/// no checkpoint at all, or none but the first, before which nothing was trimmed or acknowledged.
pub(crate) fn load(disk: &AnyDisk, dir: &Path) -> anyhow::Result<Option<Loaded>> {
    let numbers = numbers(disk, dir)?;
    let mut unreadable = Vec::new();
    for number in numbers.iter().rev() {
        let path = path(dir, *number);
        match read(disk, &path) {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    component = "recover", event = "checkpoint_unreadable", file = %path.display(),
                    error, "falling back to the checkpoint before"
                );
                unreadable.push(error);
            }
        }
    }
    if numbers.last().is_none_or(|newest| *newest <= 1) {
        return Ok(None);
    }
    Err(anyhow!(
        "no checkpoint in {} can be read ({}), and the journal before them is trimmed away; move \
         DATA_DIR aside and start with an empty one: the program then continues from ClickHouse",
        dir.display(),
        unreadable.join("; ")
    ))
}

fn read(disk: &AnyDisk, path: &Path) -> anyhow::Result<Loaded> {
    let bytes = CursorFile::open_at(disk, path.to_owned())?.load()?.context("it is gone")?;
    let (&version, rest) = bytes.split_first().context("it is empty")?;
    anyhow::ensure!(version == VERSION, "it has version {version}, we read {VERSION}");
    let (head, merge): (_, Merge) =
        postcard::from_bytes(rest).context("it is of another version's state")?;
    if let Some(what) = merge.contradiction() {
        anyhow::bail!("it contradicts itself: {what}");
    }
    Ok(Loaded { bytes: bytes.len() as u64, head, merge })
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}"))
}

/// The numbers of the checkpoints there are, rising.
fn numbers(disk: &AnyDisk, dir: &Path) -> anyhow::Result<Vec<u64>> {
    let files = disk.list(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
    let names = files.iter().filter_map(name).filter(|name| name.len() == 10);
    let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use spool::{Options, Spool};

    use super::*;

    fn head(number: u64, journal: Position) -> Head {
        let east = proto::Position { incarnation: 1, offset: number };
        Head::new(number, journal, vec![("east".to_owned(), Some(east))], Vec::new())
    }

    /// Three checkpoints, of which two are kept.
    fn three(dir: &Path) {
        let (mut writer, log, _) =
            Spool::open(&dir.join("log"), Options::default()).expect("a new log");
        let mut merge = Merge::new(merge::Config::default());
        merge.gatherer("east");
        for number in 1..=3 {
            writer.append(b"x").expect("room");
            let sealed = Sealed::new(head(number, writer.next()), merge.clone());
            let durable = store(&dir.join("c"), &sealed, &log).expect("writes");
            assert!(log.durable() >= durable.head().journal(), "the journal goes first");
        }
    }

    #[test]
    fn the_newest_of_two_is_loaded() {
        let dir = tempfile::tempdir().expect("a folder");
        three(dir.path());
        assert_eq!(numbers(&AnyDisk::machine(), &dir.path().join("c")).expect("a list"), [2, 3]);
        let loaded = load(&AnyDisk::machine(), &dir.path().join("c"))
            .expect("readable")
            .expect("there is one");
        assert_eq!(loaded.head.number, 3);
        let positions: Vec<_> = loaded.head.positions().collect();
        assert_eq!(positions, [("east", proto::Position { incarnation: 1, offset: 3 })]);
        assert_eq!(loaded.merge.totals().gatherers[0].name, "east");
    }

    #[test]
    fn a_damaged_one_falls_back_to_the_one_before_and_two_damaged_ones_stop_us() {
        let dir = tempfile::tempdir().expect("a folder");
        three(dir.path());
        let dir = dir.path().join("c");
        assert!(
            load(&AnyDisk::machine(), &dir.join("none"))
                .expect("no checkpoint is no error")
                .is_none()
        );
        for (number, left) in [(3, Some(2)), (2, None)] {
            let path = path(&dir, number);
            let mut bytes = std::fs::read(&path).expect("it is there");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, bytes).expect("writes");
            let loaded =
                load(&AnyDisk::machine(), &dir).ok().flatten().map(|loaded| loaded.head.number);
            assert_eq!(loaded, left);
        }
    }
}
