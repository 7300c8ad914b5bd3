//! The book of one market, small and fast: a sorted vector a side, and a hash of the content that
//! is kept up to date with every change, so that two books are compared in one instruction.

use exchange::{Level, Price, Side, Size};
use serde::{Deserialize, Serialize};

/// One change of one level.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) no: bool,
    pub(crate) price: u16,
    pub(crate) delta: i64,
    pub(crate) ts_ms: i64,
}

/// A book. The order of levels in a frame does not matter to its hash.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Book {
    sides: [Vec<(u16, i64)>; 2],
    hash: u64,
}

impl Change {
    pub(crate) fn side(&self) -> Side {
        if self.no { Side::No } else { Side::Yes }
    }

    pub(crate) fn price(&self) -> Price {
        Price::from_units(self.price).expect("made from a Price")
    }
}

impl Book {
    pub(crate) fn from_levels(yes: &[Level], no: &[Level]) -> Self {
        let mut book = Self::default();
        for (side, levels) in [(false, yes), (true, no)] {
            book.sides[usize::from(side)].reserve_exact(levels.len());
            for level in levels {
                book.apply(side, level.price.units(), level.size.units());
            }
        }
        book
    }

    /// Adds `delta` at a level; a level of size zero is no level.
    pub(crate) fn apply(&mut self, no: bool, price: u16, delta: i64) {
        let side = &mut self.sides[usize::from(no)];
        let at = side.partition_point(|level| level.0 < price);
        match side.get_mut(at) {
            Some(level) if level.0 == price => {
                self.hash = self.hash.wrapping_sub(mix(no, price, level.1));
                level.1 = level.1.wrapping_add(delta);
                if level.1 == 0 {
                    side.remove(at);
                } else {
                    self.hash = self.hash.wrapping_add(mix(no, price, level.1));
                }
            }
            _ if delta != 0 => {
                side.insert(at, (price, delta));
                self.hash = self.hash.wrapping_add(mix(no, price, delta));
            }
            _ => {}
        }
    }

    /// What will rest at the level of `change` once it is applied.
    pub(crate) fn resting_after(&self, change: &Change) -> i64 {
        let side = &self.sides[usize::from(change.no)];
        let at = side.partition_point(|level| level.0 < change.price);
        let before =
            side.get(at).filter(|level| level.0 == change.price).map_or(0, |level| level.1);
        before.wrapping_add(change.delta)
    }

    /// Equal books have equal hashes; an empty book has 0.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sides.iter().all(Vec::is_empty)
    }

    /// One side, rising by price, sizes above zero.
    pub(crate) fn levels(&self, no: bool) -> Vec<Level> {
        let side = &self.sides[usize::from(no)];
        side.iter()
            .filter(|level| level.1 > 0)
            .filter_map(|&(price, size)| {
                Some(Level { price: Price::from_units(price)?, size: Size::from_units(size) })
            })
            .collect()
    }

    /// Whether anything stands at a place.
    pub(crate) fn holds(&self, side: Side, price: Price) -> bool {
        let levels = &self.sides[usize::from(side == Side::No)];
        levels.binary_search_by_key(&price.units(), |level| level.0).is_ok()
    }

    /// The places that hold something here and nothing in `other`.
    pub(crate) fn missing_in(&self, other: &Self) -> Vec<(Side, Price)> {
        let mut missing = Vec::new();
        for (no, side) in [(false, Side::Yes), (true, Side::No)] {
            let theirs = &other.sides[usize::from(no)];
            for &(price, _) in &self.sides[usize::from(no)] {
                if theirs.binary_search_by_key(&price, |level| level.0).is_err() {
                    missing.extend(Price::from_units(price).map(|price| (side, price)));
                }
            }
        }
        missing
    }
}

/// A well mixed number for one level; their wrapping sum does not depend on the order.
fn mix(no: bool, price: u16, size: i64) -> u64 {
    let mut x = (size as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((u64::from(price) << 1 | u64::from(no)).wrapping_mul(0xd6e8_feb8_6659_fd93));
    x = (x ^ x >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ x >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_content_and_not_on_the_way() {
        let mut a = Book::default();
        a.apply(false, 10, 5);
        a.apply(true, 10, 7);
        a.apply(false, 10, 3);
        let mut b = Book::default();
        b.apply(true, 10, 7);
        b.apply(false, 10, 8);
        assert_eq!(a, b);
        b.apply(true, 10, 1);
        assert_ne!(a.hash(), b.hash());
        b.apply(true, 10, -8);
        b.apply(false, 10, -8);
        assert!(b.is_empty());
        assert_eq!(b.hash(), 0);
        assert_eq!(a.missing_in(&b).len(), 2);
    }
}
