//! A queue whose copies share their full chunks, so that a checkpoint copies almost nothing.
//!
//! Entries have rising numbers that wrap at 31 bits. Only the entries are serialised; read back,
//! they are numbered from 0.

use std::{collections::VecDeque, fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

/// Entries of a chunk; divides the numbers there are.
pub(crate) const CHUNK: usize = 4_096;
/// Numbers wrap here, so that a table of them has a value left for an empty slot.
const MASK: u32 = u32::MAX >> 1;

/// The oldest entry first.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// All but the last are full. The chunk of number `n` begins at a multiple of `CHUNK`.
    chunks: VecDeque<Arc<Vec<T>>>,
    /// Number of the oldest entry.
    first: u32,
    len: usize,
    /// Room for chunks that are not in use.
    spare: Vec<Vec<T>>,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), first: 0, len: 0, spare: Vec::new() }
    }
}

impl<T: Copy> Clone for Ring<T> {
    fn clone(&self) -> Self {
        let mut chunks = self.chunks.clone();
        if let Some(last) = chunks.back_mut()
            && last.len() < CHUNK
        {
            *last = Arc::new(last.to_vec());
        }
        Self { chunks, first: self.first, len: self.len, spare: Vec::new() }
    }
}

impl<T: Copy> Ring<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    pub(crate) fn front(&self) -> Option<&T> {
        (self.len > 0).then(|| self.get(self.first))
    }

    /// The entry of a number between the oldest and the newest.
    pub(crate) fn get(&self, number: u32) -> &T {
        let start = self.first & !(CHUNK as u32 - 1);
        let at = (number.wrapping_sub(start) & MASK) as usize;
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    /// As [`Self::get`], to be changed; a chunk that a copy shares is copied.
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut T {
        let start = self.first & !(CHUNK as u32 - 1);
        let at = (number.wrapping_sub(start) & MASK) as usize;
        &mut Arc::make_mut(&mut self.chunks[at / CHUNK])[at % CHUNK]
    }

    /// All entries with their numbers, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..self.len).map(|at| {
            let number = self.first.wrapping_add(at as u32) & MASK;
            (number, self.get(number))
        })
    }

    /// Returns the entry's number.
    pub(crate) fn push(&mut self, entry: T) -> u32 {
        let number = self.first.wrapping_add(self.len as u32) & MASK;
        if (number as usize).is_multiple_of(CHUNK) {
            let chunk = self.room();
            self.chunks.push_back(Arc::new(chunk));
        }
        let last = self.chunks.back_mut().and_then(Arc::get_mut);
        let last = last.expect("a copy has a last chunk of its own");
        last.push(entry);
        self.len += 1;
        number
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let entry = *self.front()?;
        self.first = self.first.wrapping_add(1) & MASK;
        self.len -= 1;
        if (self.first as usize).is_multiple_of(CHUNK) {
            let chunk = self.chunks.pop_front().expect("the entry was in it");
            if let Some(mut chunk) = Arc::into_inner(chunk) {
                chunk.clear();
                self.spare.push(chunk);
            }
        }
        Some(entry)
    }

    /// Takes and touches the memory for so many entries; `with` is written into it, and must not be
    /// all zeros, which the system gives without giving memory.
    pub(crate) fn reserve(&mut self, entries: usize, with: T) {
        // One more: the oldest chunk is in use to its last entry, the newest from its first.
        let chunks = entries.div_ceil(CHUNK) + 1;
        while self.chunks.len() + self.spare.len() < chunks {
            let mut chunk = vec![with; CHUNK];
            chunk.clear();
            self.spare.push(chunk);
        }
    }

    fn room(&mut self) -> Vec<T> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK))
    }
}

impl<T: Copy + Serialize> Serialize for Ring<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(_, entry)| entry))
    }
}

impl<'de, T: Copy + Deserialize<'de>> Deserialize<'de> for Ring<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Copy + Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ring<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence of entries")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ring<T>, A::Error> {
                let mut ring = Ring::default();
                while let Some(entry) = seq.next_element()? {
                    ring.push(entry);
                }
                Ok(ring)
            }
        }
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn model_of(ring: &Ring<u64>) -> Vec<u64> {
        ring.iter().map(|(_, entry)| *entry).collect()
    }

    /// Beside a queue, with copies taken now and then that must stay as they were.
    #[test]
    fn it_is_a_queue_and_its_copies_do_not_change() {
        for seed in 0..10 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let start = MASK - (3 * CHUNK as u32 - 1);
            let mut ring = Ring { first: start, ..Ring::default() };
            let mut model = VecDeque::new();
            let mut copies = Vec::new();
            for at in 0..12 * CHUNK as u64 {
                let number = ring.push(at);
                model.push_back(at);
                assert_eq!(*ring.get(number), at, "seed {seed}");
                if rng.random_ratio(2, 3) {
                    assert_eq!(ring.pop_front(), model.pop_front(), "seed {seed} at {at}");
                }
                if rng.random_ratio(1, 3_000) {
                    copies.push((ring.clone(), model.clone()));
                }
            }
            copies.push((ring, model));
            for (copy, model) in copies {
                assert_eq!(model_of(&copy), Vec::from(model), "seed {seed}");
                let bytes = postcard::to_allocvec(&copy).expect("serialises");
                let read: Ring<u64> = postcard::from_bytes(&bytes).expect("reads back");
                assert_eq!(model_of(&read), model_of(&copy), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_copy_shares_all_but_the_last_chunk() {
        let mut ring = Ring::default();
        for at in 0..CHUNK as u64 + 1 {
            ring.push(at);
        }
        let copy = ring.clone();
        assert!(Arc::ptr_eq(&copy.chunks[0], &ring.chunks[0]));
        assert_eq!(copy.chunks[1].capacity(), 1);
    }

    /// Full, and going on for ever: no chunk is asked of the system again.
    #[test]
    fn what_was_reserved_is_enough() {
        let kept = 3 * CHUNK + 17;
        let mut ring = Ring::default();
        ring.reserve(kept, 7);
        let reserved = ring.spare.len();
        for at in 0..20 * CHUNK as u64 {
            while ring.len() >= kept {
                ring.pop_front();
            }
            ring.push(at);
            assert_eq!(ring.chunks.len() + ring.spare.len(), reserved);
        }
    }
}
