//! The records of a batch, one after the other: how they lie in `Batch.records`.
//!
//! ```text
//! length u32 LE | capture bytes | length u32 LE | capture bytes | ...
//! ```

use crate::{capture::BadCapture, limits::CAPTURE_BYTES_MAX};

/// What stands before each record.
pub const RECORD_LENGTH_BYTES: usize = 4;

/// Appends one record. `payload` must not be longer than [`CAPTURE_BYTES_MAX`].
pub fn push_record(out: &mut Vec<u8>, payload: &[u8]) {
    assert!(payload.len() <= CAPTURE_BYTES_MAX, "the spool refuses longer records");
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Splits `Batch.records`; after an error it ends.
pub fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes }
}

/// The iterator that [`records`] makes.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    fn split(&mut self) -> Result<&'a [u8], BadCapture> {
        let cut = |needed| BadCapture::Cut { bytes: self.rest.len(), needed };
        let (length, rest) =
            self.rest.split_first_chunk().ok_or_else(|| cut(RECORD_LENGTH_BYTES))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > CAPTURE_BYTES_MAX {
            return Err(BadCapture::TooLong { bytes: length, limit: CAPTURE_BYTES_MAX });
        }
        let (record, rest) =
            rest.split_at_checked(length).ok_or_else(|| cut(RECORD_LENGTH_BYTES + length))?;
        self.rest = rest;
        Ok(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], BadCapture>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.split();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<u8> {
        let mut bytes = Vec::new();
        push_record(&mut bytes, b"one");
        push_record(&mut bytes, b"");
        push_record(&mut bytes, b"three");
        bytes
    }

    #[test]
    fn version_1_bytes_never_change() {
        assert_eq!(three(), b"\x03\0\0\0one\0\0\0\0\x05\0\0\0three");
    }

    #[test]
    fn what_was_pushed_is_split_again() {
        let bytes = three();
        let split: Result<Vec<_>, _> = records(&bytes).collect();
        assert_eq!(split, Ok(vec![&b"one"[..], b"", b"three"]));
    }

    #[test]
    fn every_cut_but_the_borders_is_refused() {
        let bytes = three();
        let borders = [0, 7, 11, 20];
        for cut in 0..=bytes.len() {
            let split: Result<Vec<_>, _> = records(&bytes[..cut]).collect();
            assert_eq!(split.is_ok(), borders.contains(&cut), "cut at {cut}: {split:?}");
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_and_ends_the_list() {
        let mut bytes = (CAPTURE_BYTES_MAX as u32 + 1).to_le_bytes().to_vec();
        bytes.extend([0; 32]);
        let mut list = records(&bytes);
        assert!(matches!(list.next(), Some(Err(BadCapture::TooLong { .. }))));
        assert_eq!(list.next(), None);
    }
}
