//! One segment: its name, and the header before its records.
//!
//! ```text
//! magic "SPOOLSEG" | version u16 | zero u16 | incarnation u32 | first offset u64
//! | incarnation before u32 | offset before u64 | crc32c of all that u32 | records ...
//! ```
//! All little-endian, 40 bytes. Magic, version and checksum stay where they are in every version.
//! "Before" is where the segment before this one ended: with it a missing or shortened segment is
//! noticed although nothing else lists the segments. Names sort by position.

use std::path::{Path, PathBuf};

use crate::{Position, error::Damage};

/// The layout written; a reader knows all up to this one.
pub(crate) const VERSION: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 40;

const MAGIC: &[u8; 8] = b"SPOOLSEG";
const EXTENSION: &str = "log";

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position of its first record.
    pub(crate) start: Position,
    /// Where the segment before it ended; [`Position::ZERO`] for the first of all.
    pub(crate) previous: Position,
}

/// Why a header cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Damaged { why: &'static str },
    TooNew { found: u16 },
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.start.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.start.offset.to_le_bytes());
        bytes.extend_from_slice(&self.previous.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.previous.offset.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.try_into().expect("the fields above are 40 bytes")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let Some(header) = bytes.get(..HEADER_BYTES) else {
            return Err(BadHeader::Damaged { why: "the file is shorter than a segment's header" });
        };
        if !header.starts_with(MAGIC) {
            return Err(BadHeader::Damaged { why: "not a segment of this log (wrong magic)" });
        }
        if crc32c::crc32c(&header[..36]) != u32_at(header, 36) {
            return Err(BadHeader::Damaged { why: "the segment header's checksum does not match" });
        }
        match u16::from_le_bytes([header[8], header[9]]) {
            VERSION => {}
            found => return Err(BadHeader::TooNew { found }),
        }
        Ok(Self {
            start: Position { incarnation: u32_at(header, 12), offset: u64_at(header, 16) },
            previous: Position { incarnation: u32_at(header, 24), offset: u64_at(header, 28) },
        })
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Where in the file of a segment that starts at `start` the offset lies.
pub(crate) fn file_offset(start: Position, offset: u64) -> u64 {
    HEADER_BYTES as u64 + (offset - start.offset)
}

pub(crate) fn path(dir: &Path, start: Position) -> PathBuf {
    dir.join(format!("{:010}-{:020}.{EXTENSION}", start.incarnation, start.offset))
}

/// The start that a file's name tells; `None` for files that are no segments.
pub(crate) fn start_of(path: &Path) -> Result<Option<Position>, Damage> {
    if path.extension().is_none_or(|extension| extension != EXTENSION) {
        return Ok(None);
    }
    let parsed = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| {
        let (incarnation, offset) = stem.split_once('-')?;
        Some(Position { incarnation: incarnation.parse().ok()?, offset: offset.parse().ok()? })
    });
    // The name must be the one we would write, so that no two names mean the same segment.
    let dir = path.parent().unwrap_or(Path::new(""));
    match parsed {
        Some(start) if self::path(dir, start) == path => Ok(Some(start)),
        _ => Err(Damage { file: path.to_owned(), offset: 0, why: "not the name of a segment" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        start: Position { incarnation: 3, offset: 0x0102 },
        previous: Position { incarnation: 2, offset: 7 },
    };

    #[test]
    fn version_1_bytes_never_change() {
        let mut expected = b"SPOOLSEG\x01\0\0\0\x03\0\0\0\x02\x01\0\0\0\0\0\0".to_vec();
        expected.extend_from_slice(b"\x02\0\0\0\x07\0\0\0\0\0\0\0\x47\xa6\xb7\x38");
        assert_eq!(HEADER.encode().as_slice(), expected);
        assert_eq!(Header::decode(&expected), Ok(HEADER));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_damage() {
        let bytes = HEADER.encode();
        for cut in 0..HEADER_BYTES {
            assert!(matches!(Header::decode(&bytes[..cut]), Err(BadHeader::Damaged { .. })));
        }
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Header::decode(&flipped), Err(BadHeader::Damaged { .. })));
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..36]).to_le_bytes();
        bytes[36..].copy_from_slice(&crc);
        assert_eq!(Header::decode(&bytes), Err(BadHeader::TooNew { found: 2 }));
    }

    #[test]
    fn names_sort_by_position_and_only_ours_are_taken() {
        let dir = Path::new("d");
        let early = Position { incarnation: 9, offset: 99 };
        let late = Position { incarnation: 10, offset: 1 };
        assert!(path(dir, early) < path(dir, late));
        assert_eq!(start_of(&path(dir, late)), Ok(Some(late)));
        assert_eq!(start_of(Path::new("d/ledger")), Ok(None));
        assert!(start_of(Path::new("d/3-4.log")).is_err());
    }
}
