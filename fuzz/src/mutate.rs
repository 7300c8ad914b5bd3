//! Bytes that are almost right: a seed from the corpus, damaged a few times.

use spool::faulty::Rng;

/// Pieces that parsers care about.
const WORDS: [&[u8]; 22] = [
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"-0",
    b"1e400",
    b"0.00001",
    b"9223372036854775807",
    b"18446744073709551616",
    b"-1",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\r\n",
    b"--",
    b"=",
    b"\"",
    b"\xf0\x9f\x92\xa3",
];

/// One input. The same generator gives the same inputs for the same corpus.
pub fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = corpus[rng.below(corpus.len())].clone();
    for _ in 0..1 + rng.below(6) {
        damage(&mut bytes, corpus, rng);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.below(bytes.len() + 1);
    let until = at + rng.below((bytes.len() - at).min(24) + 1);
    match rng.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        1 if at < bytes.len() => {
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'"', b'}'][rng.below(8)]
        }
        2 => drop(bytes.drain(at..until)),
        3 => {
            let piece = bytes[at..until].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => bytes.truncate(at),
        5 => {
            let word = WORDS[rng.below(WORDS.len())];
            bytes.splice(at..until, word.iter().copied());
        }
        6 => {
            let other = &corpus[rng.below(corpus.len())];
            let from = rng.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        7 => {
            let digits = rng.below(25);
            let number: Vec<u8> = (0..digits).map(|_| b'0' + rng.below(10) as u8).collect();
            bytes.splice(at..until, number);
        }
        _ => {
            let noise = rng.below(12);
            let noise = rng.bytes(noise);
            bytes.splice(at..until, noise);
        }
    }
    bytes.truncate(64 << 10);
}
