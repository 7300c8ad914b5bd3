//! One record: how it lies on disk.
//!
//! ```text
//! length of payload u32 LE | crc32c of length and payload u32 LE | payload
//! ```
//! Written once, never changed; a new layout is a new segment version. The checksum covers the
//! length too, so eight zero bytes are not an empty record.

/// Length and checksum.
pub(crate) const RECORD_HEADER_BYTES: usize = 8;

/// What the format allows in one record: a longer length is damage and is never allocated.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// Why the bytes at hand do not begin with a whole record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    /// The bytes end before the record does; `need` bytes are wanted at least.
    Incomplete { need: usize },
    /// The bytes are not what was written.
    Damaged { why: &'static str },
}

/// Bytes a record with this payload takes in the log.
pub(crate) fn size(payload_bytes: usize) -> usize {
    RECORD_HEADER_BYTES + payload_bytes
}

/// Appends one record whose payload is the parts in a row; `length` is the sum of their lengths.
pub(crate) fn encode(parts: &[&[u8]], length: u32, out: &mut Vec<u8>) {
    let length = length.to_le_bytes();
    let mut crc = crc32c::crc32c(&length);
    for part in parts {
        crc = crc32c::crc32c_append(crc, part);
    }
    out.extend_from_slice(&length);
    out.extend_from_slice(&crc.to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The payload of the record that `bytes` begin with.
pub(crate) fn decode(bytes: &[u8]) -> Result<&[u8], Torn> {
    let Some((header, rest)) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>() else {
        return Err(Torn::Incomplete { need: RECORD_HEADER_BYTES });
    };
    let [a, b, c, d, e, f, g, h] = *header;
    let length = [a, b, c, d];
    let payload_bytes = u32::from_le_bytes(length) as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(Torn::Damaged { why: "a record length that is never written" });
    }
    let Some(payload) = rest.get(..payload_bytes) else {
        return Err(Torn::Incomplete { need: size(payload_bytes) });
    };
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), payload);
    if crc != u32::from_le_bytes([e, f, g, h]) {
        return Err(Torn::Damaged { why: "a record's checksum does not match" });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&[payload], payload.len() as u32, &mut bytes);
        bytes
    }

    #[test]
    fn version_1_bytes_never_change() {
        assert_eq!(encoded(b"123456789"), b"\x09\0\0\0\x78\xd2\x17\x57123456789");
        assert_eq!(encoded(b""), b"\0\0\0\0\xc7\x4b\x67\x48");
    }

    #[test]
    fn parts_make_the_same_record_as_their_concatenation() {
        let mut bytes = Vec::new();
        encode(&[b"12", b"", b"345", b"6789"], 9, &mut bytes);
        assert_eq!(bytes, encoded(b"123456789"));
    }

    #[test]
    fn what_was_written_is_read_and_what_follows_is_left_alone() {
        for length in [0, 1, 7, 8, 255, 4096] {
            let payload: Vec<u8> = (0..length).map(|i| (i * 31) as u8).collect();
            let mut bytes = encoded(&payload);
            bytes.extend_from_slice(b"next");
            assert_eq!(decode(&bytes), Ok(payload.as_slice()));
        }
    }

    #[test]
    fn every_cut_is_incomplete_and_never_damage() {
        let bytes = encoded(b"a record of some bytes");
        for cut in 0..bytes.len() {
            let need = if cut < RECORD_HEADER_BYTES { RECORD_HEADER_BYTES } else { bytes.len() };
            assert_eq!(decode(&bytes[..cut]), Err(Torn::Incomplete { need }), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encoded(b"a record of some bytes");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = decode(&flipped);
            assert!(read.is_err(), "bit {bit}");
            if bit >= 32 {
                assert!(matches!(read, Err(Torn::Damaged { .. })), "bit {bit}");
            }
        }
    }

    #[test]
    fn zeros_are_not_a_record() {
        assert!(matches!(decode(&[0; 64]), Err(Torn::Damaged { .. })));
    }
}
