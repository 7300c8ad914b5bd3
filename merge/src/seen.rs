//! Hashes of what was said.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
};

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

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

/// 128 bits of a value's content; two different values of one window share it by chance in one of
/// 10^26 pairs.
pub(crate) fn fingerprint(value: &(impl Hash + ?Sized)) -> u128 {
    let mut low = Quick(1);
    let mut high = Quick(0x5851_f42d_4c95_7f2d);
    value.hash(&mut low);
    value.hash(&mut high);
    u128::from(low.finish()) | u128::from(high.finish()) << 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_of_similar_values_differ() {
        let all: std::collections::HashSet<u128> =
            (0..100_000_u64).map(|n| fingerprint(&(n, "KXBTC", n % 7))).collect();
        assert_eq!(all.len(), 100_000);
    }
}
