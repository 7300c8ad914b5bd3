//! One journal record: how a canonical record lies in the log.
//!
//! ```text
//! version u8 = 1 | postcard of merge::Record
//! ```
//! Postcard: enum variants and integers as LEB128 varints (signed ones zig-zag), fields in the order
//! of their declaration, texts and lists with their length. A new layout is a new version.

use merge::Record;

const VERSION: u8 = 1;

/// Why bytes are no record of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BadRecord {
    /// Nothing at all.
    Empty,
    /// Written by a newer program.
    Version(u8),
    /// Not what version 1 writes.
    Malformed(postcard::Error),
    /// Bytes after the end.
    Trailing(usize),
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("a journal record is empty"),
            Self::Version(found) => {
                write!(f, "a journal record has version {found}, we read {VERSION}")
            }
            Self::Malformed(error) => write!(f, "a journal record is malformed: {error}"),
            Self::Trailing(bytes) => write!(f, "a journal record is followed by {bytes} bytes"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// Replaces what `out` holds by the record.
pub(crate) fn encode(record: &Record, out: &mut Vec<u8>) {
    out.clear();
    out.push(VERSION);
    *out = postcard::to_extend(record, std::mem::take(out))
        .expect("a record has nothing that postcard cannot write");
}

/// Reads one record.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, BadRecord> {
    let (&version, rest) = bytes.split_first().ok_or(BadRecord::Empty)?;
    if version != VERSION {
        return Err(BadRecord::Version(version));
    }
    match postcard::take_from_bytes(rest) {
        Ok((record, [])) => Ok(record),
        Ok((_, trailing)) => Err(BadRecord::Trailing(trailing.len())),
        Err(error) => Err(BadRecord::Malformed(error)),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
