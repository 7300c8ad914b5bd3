//! The ledger: how far the log is durable and where it begins, beside the segments.
//!
//! Two slots of one file, written in place. One of them always holds what was synced last and is not
//! touched before the other is synced, so a torn write costs no more than what was not synced:
//! ```text
//! magic "SPOOLLDG" | version u16 | zero u16 | durable incarnation u32 | durable offset u64
//! | oldest incarnation u32 | zero u32 | oldest offset u64 | sequence u64 | crc32c u32
//! ```
//! All little-endian, 52 bytes, at 0 and at 4096. The slot with the higher sequence counts. It is
//! written after every fsync of the log and synced itself once a second at most: it survives a
//! killed process exactly, and a power loss up to about a second late. Late is safe: it only says
//! too little. A trim is synced before it deletes.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use crate::{
    Position,
    error::{Damage, IoFailure, OpenError},
    files::{File, Files, read_up_to},
    segment::{u32_at, u64_at},
};

const NAME: &str = "ledger";
const MAGIC: &[u8; 8] = b"SPOOLLDG";
const VERSION: u16 = 1;
const SLOT_BYTES: usize = 52;
/// A page apart: one torn page does not take both slots.
const SLOT_APART: usize = 4096;
const FILE_BYTES: usize = SLOT_APART + SLOT_BYTES;

/// What the ledger promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Everything before this was synced.
    pub(crate) durable: Position,
    /// Start of the oldest segment kept; [`Position::ZERO`] if nothing was ever trimmed.
    pub(crate) oldest: Position,
}

/// The open file, and what it says.
pub(crate) struct Ledger {
    file: Arc<dyn File>,
    path: PathBuf,
    sequence: u64,
    marks: Marks,
    /// The slot to write to: not the one that was synced last.
    slot: usize,
    unsynced: u32,
    sync_every: u32,
}

impl Ledger {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(NAME)
    }

    /// Writes the ledger of a log that has nothing yet.
    pub(crate) fn create(files: &dyn Files, dir: &Path) -> Result<Self, IoFailure> {
        let path = Self::path(dir);
        let beside = dir.join("ledger.tmp");
        let failed = |source| IoFailure::new("create", &path, source);
        let marks = Marks { durable: Position::ZERO, oldest: Position::ZERO };
        let mut bytes = vec![0; FILE_BYTES];
        bytes[..SLOT_BYTES].copy_from_slice(&encode(marks, 0));
        bytes[SLOT_APART..].copy_from_slice(&encode(marks, 1));
        match files.remove(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = files.create_new(&beside).map_err(failed)?;
        file.write_all_at(&bytes, 0).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        files.rename(&beside, &path).map_err(failed)?;
        files.sync_dir(dir).map_err(failed)?;
        Ok(Self { file, path, sequence: 1, marks, slot: 0, unsynced: 0, sync_every: 1 })
    }

    /// `None` if there is no such file.
    pub(crate) fn load(files: &dyn Files, dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = Self::path(dir);
        let file = match files.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IoFailure::new("open", path, source).into()),
        };
        let mut bytes = vec![0; FILE_BYTES];
        let filled = read_up_to(&*file, &mut bytes, 0)
            .map_err(|source| IoFailure::new("read", &path, source))?;
        bytes.truncate(filled);
        let mut newest = None;
        for (at, number) in [(0, 0), (SLOT_APART, 1)] {
            let slot = bytes.get(at..at + SLOT_BYTES).unwrap_or_default();
            match decode(slot) {
                Slot::Good { marks, sequence } => {
                    newest = newest.max(Some((sequence, marks, number)))
                }
                Slot::Bad => {}
                Slot::TooNew { found } => {
                    return Err(OpenError::TooNew { path, found, newest: VERSION });
                }
            }
        }
        let Some((sequence, marks, slot)) = newest else {
            let why = "no slot of the ledger is whole";
            return Err(Damage { file: path, offset: 0, why }.into());
        };
        Ok(Some(Self { file, path, sequence, marks, slot, unsynced: 0, sync_every: 1 }))
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// Sync at every so many calls of [`Self::write`].
    pub(crate) fn sync_every(&mut self, writes: u32) {
        self.sync_every = writes.max(1);
    }

    /// Writes the marks down, synced now and then.
    pub(crate) fn write(&mut self, marks: Marks) -> Result<(), IoFailure> {
        self.put(marks)?;
        self.unsynced += 1;
        if self.unsynced >= self.sync_every { self.sync() } else { Ok(()) }
    }

    /// Writes the marks down and syncs them.
    pub(crate) fn write_synced(&mut self, marks: Marks) -> Result<(), IoFailure> {
        self.put(marks)?;
        self.sync()
    }

    /// Syncs what was loaded, which a crash may have left written but not synced. The same bytes go
    /// to the same place, so that nothing is at stake.
    pub(crate) fn resync(&mut self) -> Result<(), IoFailure> {
        self.write_slot(self.marks, self.sequence)?;
        self.sync()
    }

    fn put(&mut self, marks: Marks) -> Result<(), IoFailure> {
        let sequence = self.sequence + 1;
        self.write_slot(marks, sequence)?;
        (self.sequence, self.marks) = (sequence, marks);
        Ok(())
    }

    fn write_slot(&self, marks: Marks, sequence: u64) -> Result<(), IoFailure> {
        self.file
            .write_all_at(&encode(marks, sequence), (self.slot * SLOT_APART) as u64)
            .map_err(|source| IoFailure::new("write", &self.path, source))
    }

    fn sync(&mut self) -> Result<(), IoFailure> {
        self.file.sync_data().map_err(|source| IoFailure::new("sync", &self.path, source))?;
        self.slot = 1 - self.slot;
        self.unsynced = 0;
        Ok(())
    }
}

impl PartialOrd for Marks {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Marks {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.durable, self.oldest).cmp(&(other.durable, other.oldest))
    }
}

enum Slot {
    Good { marks: Marks, sequence: u64 },
    Bad,
    TooNew { found: u16 },
}

fn encode(marks: Marks, sequence: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&marks.durable.incarnation.to_le_bytes());
    bytes.extend_from_slice(&marks.durable.offset.to_le_bytes());
    bytes.extend_from_slice(&marks.oldest.incarnation.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&marks.oldest.offset.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.try_into().expect("the fields above are 52 bytes")
}

fn decode(bytes: &[u8]) -> Slot {
    let whole = bytes.len() == SLOT_BYTES
        && bytes.starts_with(MAGIC)
        && crc32c::crc32c(&bytes[..48]) == u32_at(bytes, 48);
    if !whole {
        return Slot::Bad;
    }
    match u16::from_le_bytes([bytes[8], bytes[9]]) {
        VERSION => Slot::Good {
            marks: Marks {
                durable: Position { incarnation: u32_at(bytes, 12), offset: u64_at(bytes, 16) },
                oldest: Position { incarnation: u32_at(bytes, 24), offset: u64_at(bytes, 32) },
            },
            sequence: u64_at(bytes, 40),
        },
        found => Slot::TooNew { found },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        durable: Position { incarnation: 3, offset: 500 },
        oldest: Position { incarnation: 2, offset: 64 },
    };

    #[test]
    fn version_1_bytes_never_change() {
        let mut expected = b"SPOOLLDG\x01\0\0\0\x03\0\0\0\xf4\x01\0\0\0\0\0\0".to_vec();
        expected.extend_from_slice(b"\x02\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0");
        expected.extend_from_slice(&crc32c::crc32c(&expected).to_le_bytes());
        assert_eq!(encode(MARKS, 9).as_slice(), expected);
        assert!(matches!(decode(&expected), Slot::Good { marks: MARKS, sequence: 9 }));
    }

    #[test]
    fn every_flipped_bit_spoils_the_slot() {
        let bytes = encode(MARKS, 9);
        for bit in 0..SLOT_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped), Slot::Bad));
        }
    }
}
