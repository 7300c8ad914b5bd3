//! A bounded memory of what was already said, and when first: 40 bytes an entry.
//!
//! The entries lie in a ring, the oldest first; an open-addressed table of their numbers finds them.
//! Only the ring is serialised and copied; the table is made again from it where it is needed.

use serde::{Deserialize, Serialize};

use crate::{record::Provenance, ring::Ring};

/// No lane of the first 255 gatherers.
const NO_LANE: u16 = u16::MAX;

/// No entry has this number.
const EMPTY: u32 = u32::MAX;

/// What the memory says about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    New,
    /// This very frame said it first: it is handed over again.
    Again,
    /// Said before by another frame, received so much earlier.
    Before {
        skew_us: u64,
    },
    /// Older than the memory: whether it was said cannot be known.
    TooOld,
}

/// The frame that said a key first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct First {
    pub(crate) wall_ns: i64,
    lane: u16,
    tellers: u16,
}

/// One key and the frame that said it first.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
struct Kept {
    key: [u64; 2],
    /// Its receipt.
    wall_ns: i64,
    /// Exchange time relative to the receipt.
    ts_off_ms: i32,
    /// The lane, shortened: with the receipt it names the frame.
    lane: u16,
    /// Gatherers that said it since, a bit each; only where `tell` is called.
    tellers: u16,
}

/// Keys with the time of what they stand for, the oldest forgotten first.
#[derive(Serialize, Deserialize, Debug, Default)]
pub(crate) struct Memory {
    /// In order of arrival.
    ring: Ring<Kept>,
    /// Numbers of entries by their key's hash.
    #[serde(skip)]
    slots: Vec<u32>,
    /// The newest time that was forgotten for want of room.
    forgotten_ms: Option<i64>,
    newest_ms: i64,
}

impl First {
    /// Whether it was this very frame.
    pub(crate) fn is(&self, from: &Provenance) -> bool {
        (self.wall_ns, self.lane) == (from.wall_ns, lane(from))
    }

    /// Whether the gatherer of `from` has said it. Of gatherers beyond the sixteenth it is not known.
    pub(crate) fn is_told_by(&self, from: &Provenance) -> bool {
        self.tellers & teller(from) != 0
    }

    /// Whether it came by the same lane. Of sessions 256 apart the answer may be wrong.
    pub(crate) fn is_of_lane(&self, from: &Provenance) -> bool {
        self.lane == lane(from)
    }
}

impl Seen {
    /// A copy of what `first` said.
    pub(crate) fn before(first: First, from: &Provenance) -> Self {
        let skew_us = (from.wall_ns.saturating_sub(first.wall_ns) / 1000).max(0) as u64;
        Self::Before { skew_us }
    }
}

impl Kept {
    fn ts_ms(&self) -> i64 {
        self.wall_ns.div_euclid(1_000_000).saturating_add(self.ts_off_ms.into())
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone(), slots: Vec::new(), ..*self }
    }
}

impl Memory {
    /// Takes the memory that `kept` entries need, now.
    pub(crate) fn reserve(&mut self, kept: usize) {
        let key = [u64::MAX; 2];
        self.ring.reserve(kept, Kept { key, wall_ns: 0, ts_off_ms: 0, lane: 0, tellers: 0 });
        let slots = slots_for(kept.max(self.ring.len()));
        if self.slots.len() < slots {
            self.rebuild(slots);
        }
    }

    pub(crate) fn look(&mut self, key: u128, ts_ms: i64, age_ms: i64, from: &Provenance) -> Seen {
        if let Some(first) = self.first(key) {
            return if first.is(from) { Seen::Again } else { Seen::before(first, from) };
        }
        let aged = ts_ms < self.newest_ms.saturating_sub(age_ms);
        if aged || self.forgotten_ms.is_some_and(|forgotten| ts_ms <= forgotten) {
            return Seen::TooOld;
        }
        Seen::New
    }

    /// Who said a key first.
    pub(crate) fn first(&mut self, key: u128) -> Option<First> {
        self.index();
        let kept = self.ring.get(self.find(split(key))?);
        Some(First { wall_ns: kept.wall_ns, lane: kept.lane, tellers: kept.tellers })
    }

    /// Remembers that the gatherer of `from` said a key too.
    pub(crate) fn tell(&mut self, key: u128, from: &Provenance) {
        self.index();
        if let Some(number) = self.find(split(key)) {
            self.ring.get_mut(number).tellers |= teller(from);
        }
    }

    /// It is not known who said it: whoever says it next may be telling it for the first time.
    pub(crate) fn forget_tellers(&mut self, key: u128) {
        if let Some(number) = self.find(split(key)) {
            let kept = self.ring.get_mut(number);
            (kept.tellers, kept.lane) = (0, NO_LANE);
        }
    }

    pub(crate) fn keep(&mut self, key: u128, ts_ms: i64, from: &Provenance, kept: usize) {
        self.index();
        let key = split(key);
        if self.find(key).is_some() {
            return;
        }
        while self.ring.len() >= kept.max(1) {
            self.forget_first();
        }
        let wall_ms = from.wall_ns.div_euclid(1_000_000);
        let off = ts_ms.saturating_sub(wall_ms).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let (lane, tellers) = (lane(from), teller(from));
        let entry = Kept { key, wall_ns: from.wall_ns, ts_off_ms: off, lane, tellers };
        let number = self.ring.push(entry);
        self.newest_ms = self.newest_ms.max(ts_ms);
        if self.ring.len() * 4 > self.slots.len() * 3 {
            self.rebuild(slots_for(self.ring.len()));
        } else {
            place(&mut self.slots, hash(key), number);
        }
    }

    fn find(&self, key: [u64; 2]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(key) & mask;
        while self.slots[slot] != EMPTY {
            let number = self.slots[slot];
            if self.ring.get(number).key == key {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// After it was read from a checkpoint, or copied.
    fn index(&mut self) {
        if self.slots.is_empty() && self.ring.len() > 0 {
            self.rebuild(slots_for(self.ring.len()));
        }
    }

    fn rebuild(&mut self, slots: usize) {
        self.slots = vec![EMPTY; slots];
        for (number, entry) in self.ring.iter() {
            place(&mut self.slots, hash(entry.key), number);
        }
    }

    fn forget_first(&mut self) {
        let Some(oldest) = self.ring.front().copied() else { return };
        let mask = self.slots.len() - 1;
        let mut hole = hash(oldest.key) & mask;
        while self.slots[hole] != self.ring.first() {
            assert!(self.slots[hole] != EMPTY, "every entry of the ring is in the table");
            hole = (hole + 1) & mask;
        }
        // What was placed behind it for want of its slot moves up, so that no search ends early.
        let mut next = (hole + 1) & mask;
        while self.slots[next] != EMPTY {
            let home = hash(self.ring.get(self.slots[next]).key) & mask;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[hole] = EMPTY;
        self.ring.pop_front();
        let ts_ms = oldest.ts_ms();
        self.forgotten_ms = Some(self.forgotten_ms.map_or(ts_ms, |held| held.max(ts_ms)));
    }
}

/// A power of two of slots, a quarter of them at least empty.
fn slots_for(entries: usize) -> usize {
    (entries * 4 / 3 + 1).next_power_of_two().max(64)
}

fn place(slots: &mut [u32], hash: usize, number: u32) {
    let mask = slots.len() - 1;
    let mut slot = hash & mask;
    while slots[slot] != EMPTY {
        slot = (slot + 1) & mask;
    }
    slots[slot] = number;
}

fn split(key: u128) -> [u64; 2] {
    [key as u64, (key >> 64) as u64]
}

fn hash(key: [u64; 2]) -> usize {
    let mut x = key[0] ^ key[1].rotate_left(32);
    x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (x ^ x >> 32) as usize
}

/// The gatherer, and the end of the session's number: sessions that follow each other differ.
fn lane(from: &Provenance) -> u16 {
    u16::from(from.gatherer.0) << 8 | (from.session & 0xff) as u16
}

fn teller(from: &Provenance) -> u16 {
    1_u16.checked_shl(from.gatherer.0.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, VecDeque};

    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::ring::CHUNK;

    fn from(wall_ns: i64) -> Provenance {
        Provenance { wall_ns, ..Provenance::default() }
    }

    #[test]
    fn a_key_is_new_once_and_too_old_when_it_may_have_been_forgotten() {
        let mut memory = Memory::default();
        for (key, ts_ms) in [(1, 100), (2, 200), (3, 300)] {
            assert_eq!(memory.look(key, ts_ms, 1_000, &from(ts_ms)), Seen::New);
            memory.keep(key, ts_ms, &from(ts_ms), 2);
        }
        assert_eq!(memory.look(2, 200, 1_000, &from(200)), Seen::Again);
        let other = Provenance { session: 1, ..from(200) };
        assert_eq!(memory.look(2, 200, 1_000, &other), Seen::Before { skew_us: 0 });
        assert_eq!(memory.look(2, 200, 1_000, &from(7_200)), Seen::Before { skew_us: 7 });
        assert_eq!(memory.look(1, 100, 1_000, &from(0)), Seen::TooOld);
        assert_eq!(memory.look(7, 150, 1_000, &from(0)), Seen::New);
        assert_eq!(memory.look(7, 150, 100, &from(0)), Seen::TooOld);
    }

    /// Beside a map that forgets by the same rule; now and then through a checkpoint.
    #[test]
    fn it_holds_the_newest_keys_and_no_others() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let kept = rng.random_range(1..300);
            let mut memory = Memory::default();
            let mut model: HashMap<u128, i64> = HashMap::new();
            let mut order: VecDeque<u128> = VecDeque::new();
            for at in 0..3_000_i64 {
                // Few different hashes, so that runs of slots form.
                let key = u128::from(rng.random_range(0..40_u8)) << 60
                    | u128::from(rng.random_range(0..20_u8));
                let seen = memory.look(key, at, i64::MAX, &from(at));
                let known = model.contains_key(&key);
                assert_eq!(matches!(seen, Seen::Before { .. }), known, "seed {seed} at {at}");
                memory.keep(key, at, &from(at), kept);
                if !known {
                    if order.len() >= kept {
                        model.remove(&order.pop_front().expect("full"));
                    }
                    order.push_back(key);
                    model.insert(key, at);
                }
                if rng.random_ratio(1, 500) {
                    let bytes = postcard::to_allocvec(&memory).expect("serialises");
                    memory = postcard::from_bytes(&bytes).expect("reads back");
                    memory.reserve(rng.random_range(0..400));
                    memory = memory.clone();
                }
            }
            assert_eq!(memory.ring.len(), model.len(), "seed {seed}");
        }
    }

    #[test]
    fn a_full_memory_takes_at_most_48_bytes_an_entry() {
        for kept in [200_000, 1_000_000] {
            let mut memory = Memory::default();
            for at in 0..kept as i64 + 10 {
                let key = u128::from((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                memory.keep(key, at, &from(at), kept);
            }
            let chunks = kept.div_ceil(CHUNK) + 1;
            let bytes = chunks * CHUNK * size_of::<Kept>() + memory.slots.len() * 4;
            assert!(bytes <= 48 * kept, "{} bytes an entry", bytes / kept);
        }
    }
}
