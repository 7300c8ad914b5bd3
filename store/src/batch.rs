//! The borders of the batch in hand, written down before its first send.

use std::path::Path;

use anyhow::Context as _;
use spool::{AnyDisk, CursorFile, Position, Reader, Record, Upto};

/// A batch: the records from `from` to just below `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Borders {
    /// Its first record.
    pub from: Position,
    /// Behind its last.
    pub to: Position,
}

/// A batch being read: for the first time, or again up to the end it had then.
pub struct Reading {
    from: Position,
    /// Behind the last record. Not where the reader stands: one that found nothing more may stand at
    /// the beginning of a later incarnation, and read again the batch would go on from there.
    end: Position,
    to: Option<Position>,
}

impl Reading {
    /// Begins at `from`; `to`: where a batch that was begun before ends.
    pub fn begin(from: Position, to: Option<Position>) -> Self {
        Self { from, end: from, to }
    }

    /// Whether nothing more belongs to it.
    pub fn is_whole(&self) -> bool {
        self.to.is_some_and(|to| self.end >= to)
    }

    /// Whether it is read again.
    pub fn was_begun(&self) -> bool {
        self.to.is_some()
    }

    /// Whether it holds nothing yet.
    pub fn is_empty(&self) -> bool {
        self.end == self.from
    }

    /// The next record of it; `None`: there is nothing more for now.
    ///
    /// # Errors
    /// When the log is damaged, or does not hold what a batch that was begun held.
    pub fn next<'r>(&mut self, reader: &'r mut Reader) -> anyhow::Result<Option<Record<'r>>> {
        match reader.next(Upto::Durable)? {
            Some(record) => {
                anyhow::ensure!(
                    self.to.is_none_or(|to| record.next <= to),
                    "the log has other records than a batch that was begun: {} is behind its end",
                    record.at
                );
                self.end = record.next;
                Ok(Some(record))
            }
            None => {
                anyhow::ensure!(self.to.is_none(), "the log ends before a batch that was begun");
                Ok(None)
            }
        }
    }

    /// Where it begins and ends.
    pub fn borders(&self) -> Borders {
        Borders { from: self.from, to: self.end }
    }
}

/// ```text
/// version u8 = 1 | from: incarnation u32 LE, offset u64 LE | to: the same
/// ```
const VERSION: u8 = 1;
const BYTES: usize = 1 + 2 * POSITION_BYTES;
const POSITION_BYTES: usize = 12;

/// The file that holds the borders of the newest batch.
pub struct Intent {
    file: CursorFile,
}

impl Borders {
    /// What the server knows the batch by: the same for the same batch of the same sink.
    pub fn token(self, sink: &str) -> String {
        format!("{sink}:{}-{}", self.from, self.to)
    }
}

impl Intent {
    pub(crate) fn open(dir: &Path, name: &str) -> anyhow::Result<Self> {
        Self::open_at(&AnyDisk::machine(), dir, name)
    }

    /// As the sinks open it, on a disk of the caller's choice.
    pub fn open_at(disk: &AnyDisk, dir: &Path, name: &str) -> anyhow::Result<Self> {
        Ok(Self { file: CursorFile::open_at(disk, dir.join(format!("{name}.intent")))? })
    }

    /// The borders to keep to, if a batch that begins at `cursor` was begun before.
    pub fn begun_at(&self, cursor: Position) -> anyhow::Result<Option<Borders>> {
        let Some(bytes) = self.file.load()? else { return Ok(None) };
        let borders = decode(&bytes).context("the intent file is of another version")?;
        Ok((borders.from == cursor).then_some(borders))
    }

    /// Makes the borders durable. Only then may the batch be sent.
    pub fn begin(&self, borders: Borders) -> anyhow::Result<()> {
        Ok(self.file.store(&encode(borders))?)
    }
}

fn encode(borders: Borders) -> [u8; BYTES] {
    let mut bytes = [VERSION; BYTES];
    for (position, at) in [(borders.from, 1), (borders.to, 1 + POSITION_BYTES)] {
        bytes[at..at + 4].copy_from_slice(&position.incarnation.to_le_bytes());
        bytes[at + 4..at + POSITION_BYTES].copy_from_slice(&position.offset.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Borders> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (from, to) = rest.split_at_checked(POSITION_BYTES)?;
    Some(Borders { from: position(from)?, to: position(to)? })
}

fn position(bytes: &[u8]) -> Option<Position> {
    let (incarnation, offset) = bytes.split_at_checked(4)?;
    Some(Position {
        incarnation: u32::from_le_bytes(incarnation.try_into().ok()?),
        offset: u64::from_le_bytes(offset.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use spool::faulty::FaultyDisk;
    use spool::{Log, Options, Spool};

    use super::*;

    fn borders() -> Borders {
        Borders {
            from: Position { incarnation: 1, offset: 2 },
            to: Position { incarnation: 3, offset: 0x0102 },
        }
    }

    /// Found by the simulation: the reader of the first reading stood in an incarnation without records,
    /// and the batch read again took in the first record of the one after it.
    #[test]
    fn a_batch_at_the_end_of_an_incarnation_is_the_same_when_it_is_read_again() {
        let disk = AnyDisk::faulty(&FaultyDisk::default());
        let open = || {
            Spool::open_at(&disk, Path::new("log"), &Options::default()).expect("a healthy disk")
        };
        let read = |log: &Log, to: Option<Position>| {
            let mut reader = log.read_from(log.oldest()).expect("readable");
            let mut reading = Reading::begin(log.oldest(), to);
            let mut payloads = Vec::new();
            while !reading.is_whole() {
                let Some(record) = reading.next(&mut reader).expect("whole") else { break };
                payloads.push(record.payload.to_vec());
            }
            (reading.borders(), payloads)
        };
        let (mut writer, _, _) = open();
        writer.append(b"first").expect("room");
        drop(writer);
        let (empty, log, _) = open();
        let (borders, payloads) = read(&log, None);
        assert_eq!(payloads, [b"first"]);
        drop((empty, log));
        let (mut writer, log, _) = open();
        assert_eq!(read(&log, Some(borders.to)), (borders, payloads.clone()), "nothing came since");
        writer.append(b"second").expect("room");
        writer.commit().expect("a healthy disk");
        assert_eq!(read(&log, Some(borders.to)), (borders, payloads));
    }

    #[test]
    fn version_1_bytes_never_change() {
        let expected = [1, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(encode(borders()), expected);
        assert_eq!(decode(&expected), Some(borders()));
    }

    #[test]
    fn what_is_cut_or_newer_is_not_read() {
        let whole = encode(borders());
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut]), None, "cut at {cut}");
        }
        let mut newer = whole;
        newer[0] = 2;
        assert_eq!(decode(&newer), None);
    }
}
