//! A bounded memory of what was already said, and by which frame first.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use crate::record::Provenance;

/// A fast hasher for keys that nobody chooses in order to collide.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Quick(u64);

pub(crate) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        let x = (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^ x >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let mut last = rest.len() as u64;
        for &byte in rest {
            last = last << 8 | u64::from(byte);
        }
        self.write_u64(last);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

/// 128 bits of a value's content; two different values of one window share it by chance in one of
/// 10^26 pairs.
pub(crate) fn fingerprint(value: &impl Hash) -> u128 {
    let mut low = Quick(1);
    let mut high = Quick(0x5851_f42d_4c95_7f2d);
    value.hash(&mut low);
    value.hash(&mut high);
    u128::from(low.finish()) | u128::from(high.finish()) << 64
}

/// What the memory says about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    New,
    /// Said before by this frame.
    Before(Provenance),
    /// Older than the memory: whether it was said cannot be known.
    TooOld,
}

/// Keys with the time of what they stand for, the oldest forgotten first.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub(crate) struct Memory {
    known: QuickMap<u128, Provenance>,
    /// In order of arrival.
    order: VecDeque<(i64, u128)>,
    /// The newest time that was forgotten for want of room.
    forgotten_ms: Option<i64>,
    newest_ms: i64,
}

impl Memory {
    pub(crate) fn look(&self, key: u128, ts_ms: i64, age_ms: i64) -> Seen {
        if let Some(from) = self.known.get(&key) {
            return Seen::Before(*from);
        }
        let aged = ts_ms < self.newest_ms.saturating_sub(age_ms);
        if aged || self.forgotten_ms.is_some_and(|forgotten| ts_ms <= forgotten) {
            return Seen::TooOld;
        }
        Seen::New
    }

    pub(crate) fn keep(&mut self, key: u128, ts_ms: i64, from: Provenance, kept: usize) {
        if self.known.insert(key, from).is_none() {
            self.order.push_back((ts_ms, key));
            self.newest_ms = self.newest_ms.max(ts_ms);
        }
        while self.order.len() > kept {
            let Some((ts_ms, key)) = self.order.pop_front() else { return };
            self.known.remove(&key);
            self.forgotten_ms = Some(self.forgotten_ms.map_or(ts_ms, |held| held.max(ts_ms)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_and_too_old_when_it_may_have_been_forgotten() {
        let mut memory = Memory::default();
        let from = Provenance { seq: 9, ..Provenance::default() };
        for (key, ts_ms) in [(1, 100), (2, 200), (3, 300)] {
            assert_eq!(memory.look(key, ts_ms, 1_000), Seen::New);
            memory.keep(key, ts_ms, from, 2);
        }
        assert_eq!(memory.look(2, 200, 1_000), Seen::Before(from));
        assert_eq!(memory.look(1, 100, 1_000), Seen::TooOld);
        assert_eq!(memory.look(7, 150, 1_000), Seen::New);
        assert_eq!(memory.look(7, 150, 100), Seen::TooOld);
    }

    #[test]
    fn fingerprints_of_similar_values_differ() {
        let all: std::collections::HashSet<u128> =
            (0..100_000_u64).map(|n| fingerprint(&(n, "KXBTC", n % 7))).collect();
        assert_eq!(all.len(), 100_000);
    }
}
