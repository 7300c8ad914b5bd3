//! What each deduplicator has made durable: kept in memory, and in a file each, so that a restart does not forget who
//! still needs what.
//!
//! ```text
//! acks/NAME: version u8 = 1 | incarnation u32 LE | offset u64 LE
//! ```
//! A deduplicator that is gone for good is forgotten by deleting its file and starting again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use spool::{CursorFile, Position};

const VERSION: u8 = 1;
const BYTES: usize = 1 + 4 + 8;

/// All deduplicators ever seen, and their acks.
pub(crate) struct Acks {
    dir: PathBuf,
    known: Mutex<BTreeMap<String, Ack>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ack {
    below: Position,
    stored: bool,
    streams: usize,
}

impl Acks {
    /// Reads what earlier runs knew.
    ///
    /// # Errors
    /// When the folder cannot be used or a file is damaged: guessing here could delete what is still needed.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let mut known = BTreeMap::new();
        let entries =
            fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            // What a crash left beside the files; names never begin with a point or end so.
            if name.ends_with(".tmp") {
                continue;
            }
            if let Some(bytes) = CursorFile::open(&path)?.load()? {
                let below = decode(&bytes).with_context(|| {
                    format!("{} is of another version, or no ack", path.display())
                })?;
                known.insert(name.to_owned(), Ack { below, stored: true, streams: 0 });
            }
        }
        Ok(Self { dir: dir.to_owned(), known: Mutex::new(known) })
    }

    /// A deduplicator follows. From now on nothing it has not acked is deleted.
    pub(crate) fn joined(&self, name: &str) {
        let new = Ack { below: Position::ZERO, stored: false, streams: 0 };
        self.locked().entry(name.to_owned()).or_insert(new).streams += 1;
    }

    /// A deduplicator's stream ended.
    pub(crate) fn left(&self, name: &str) {
        if let Some(ack) = self.locked().get_mut(name) {
            ack.streams = ack.streams.saturating_sub(1);
        }
    }

    /// Everything below is durable there. An ack never goes back: what was acked may be gone.
    pub(crate) fn record(&self, name: &str, below: Position) {
        if let Some(ack) = self.locked().get_mut(name)
            && ack.below < below
        {
            (ack.below, ack.stored) = (below, false);
        }
    }

    /// What every known deduplicator has made durable; `None` if none is known.
    pub(crate) fn lowest(&self) -> Option<Position> {
        self.locked().values().map(|ack| ack.below).min()
    }

    /// Known deduplicators that do not follow now.
    pub(crate) fn absent(&self) -> Vec<String> {
        let known = self.locked();
        known.iter().filter(|(_, ack)| ack.streams == 0).map(|(name, _)| name.clone()).collect()
    }

    /// Streams that follow now.
    pub(crate) fn streams(&self) -> usize {
        self.locked().values().map(|ack| ack.streams).sum()
    }

    /// Writes what is new since the last call. Blocks for an fsync each.
    pub(crate) fn store(&self) -> anyhow::Result<()> {
        let new: Vec<(String, Position)> = self
            .locked()
            .iter()
            .filter(|(_, ack)| !ack.stored)
            .map(|(name, ack)| (name.clone(), ack.below))
            .collect();
        for (name, below) in new {
            CursorFile::open(self.dir.join(&name))?.store(&encode(below))?;
            if let Some(ack) = self.locked().get_mut(&name) {
                ack.stored = ack.below == below;
            }
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Ack>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(below: Position) -> [u8; BYTES] {
    let mut bytes = [VERSION; BYTES];
    bytes[1..5].copy_from_slice(&below.incarnation.to_le_bytes());
    bytes[5..].copy_from_slice(&below.offset.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
    let (&[VERSION], rest) = bytes.split_first_chunk::<1>()? else { return None };
    let (incarnation, offset) = rest.split_first_chunk::<4>()?;
    Some(Position {
        incarnation: u32::from_le_bytes(*incarnation),
        offset: u64::from_le_bytes(offset.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { incarnation: 2, offset: 0x0102 };

    #[test]
    fn version_1_bytes_never_change() {
        assert_eq!(encode(AT), [1, 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&encode(AT)), Some(AT));
        for cut in 0..BYTES {
            assert_eq!(decode(&encode(AT)[..cut]), None);
        }
        assert_eq!(decode(&[2; BYTES]), None);
    }

    #[test]
    fn acks_survive_a_restart_and_the_slowest_counts() {
        let dir = tempfile::tempdir().expect("a folder");
        let acks = Acks::open(dir.path()).expect("new");
        assert_eq!(acks.lowest(), None);
        acks.joined("one");
        acks.joined("two");
        acks.record("one", AT);
        assert_eq!(acks.lowest(), Some(Position::ZERO), "two has acked nothing");
        acks.record("two", Position { offset: 5, ..AT });
        acks.record("two", Position { offset: 4, ..AT });
        acks.store().expect("stored");
        acks.left("two");
        let again = Acks::open(dir.path()).expect("again");
        assert_eq!(again.lowest(), Some(Position { offset: 5, ..AT }));
        assert_eq!((again.streams(), again.absent().len()), (0, 2));
        assert_eq!((acks.streams(), acks.absent()), (1, vec!["two".to_owned()]));
    }

    #[test]
    fn a_damaged_ack_is_not_guessed_at() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("one"), b"not an ack").expect("written");
        assert!(Acks::open(dir.path()).is_err());
    }
}
