//! The book of one market: what rests at which price, on two sides, with a content hash.
//!
//! A side is a vector sorted by price: books are small, most changes hit an existing level, and a
//! comparison with a snapshot is a comparison of slices.

use serde::{Deserialize, Serialize};

use crate::message::{Delta, Level, Snapshot};
use crate::units::{Price, Side, Size};

/// Two sides of levels, ascending by price. Equal books have equal hashes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    yes: Vec<Level>,
    no: Vec<Level>,
    hash: u64,
}

/// A change that the book cannot take. The book is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BookError {
    /// More would be taken away than rests there.
    #[error("{delta} of {side} at {price}, where {resting} rests")]
    Negative {
        /// The side.
        side: Side,
        /// The level's price.
        price: Price,
        /// What rests there.
        resting: Size,
        /// The change that was refused.
        delta: Size,
    },
    /// The sum does not fit in 64 bits.
    #[error("{delta} of {side} at {price} is more than we can count")]
    Overflow {
        /// The side.
        side: Side,
        /// The level's price.
        price: Price,
        /// The change that was refused.
        delta: Size,
    },
}

impl Book {
    /// An empty book.
    pub const fn new() -> Self {
        Self { yes: Vec::new(), no: Vec::new(), hash: 0 }
    }

    /// Applies a delta; says what rests at its level now.
    pub fn apply(&mut self, delta: &Delta<'_>) -> Result<Size, BookError> {
        self.change(delta.side, delta.price, delta.delta)
    }

    /// Changes one level by `delta`; says what rests there now. A level of zero is gone.
    pub fn change(&mut self, side: Side, price: Price, delta: Size) -> Result<Size, BookError> {
        let levels = match side {
            Side::Yes => &mut self.yes,
            Side::No => &mut self.no,
        };
        let place = levels.binary_search_by_key(&price, |level| level.price);
        let resting = place.map_or(Size::default(), |at| levels[at].size);
        let Some(units) = resting.units().checked_add(delta.units()) else {
            return Err(BookError::Overflow { side, price, delta });
        };
        if units < 0 {
            return Err(BookError::Negative { side, price, resting, delta });
        }
        let size = Size::from_units(units);
        match (place, units) {
            (Ok(at), 0) => {
                levels.remove(at);
            }
            (Ok(at), _) => levels[at].size = size,
            (Err(_), 0) => {}
            (Err(at), _) => levels.insert(at, Level { price, size }),
        }
        self.hash = self
            .hash
            .wrapping_sub(mixed(side, price, resting))
            .wrapping_add(mixed(side, price, size));
        Ok(size)
    }

    /// Takes the snapshot for the whole truth.
    pub fn replace(&mut self, snapshot: &Snapshot<'_>) {
        *self = Self::from_levels(&snapshot.yes, &snapshot.no);
    }

    /// A book of these levels, in any order; of a price that stands twice the last counts.
    pub fn from_levels(yes: &[Level], no: &[Level]) -> Self {
        let (yes, no) = (sorted(yes), sorted(no));
        let sum = |side: Side, levels: &[Level]| {
            levels
                .iter()
                .fold(0_u64, |sum, level| sum.wrapping_add(mixed(side, level.price, level.size)))
        };
        let hash = sum(Side::Yes, &yes).wrapping_add(sum(Side::No, &no));
        Self { yes, no, hash }
    }

    /// The levels of one side, ascending by price.
    pub fn levels(&self, side: Side) -> &[Level] {
        match side {
            Side::Yes => &self.yes,
            Side::No => &self.no,
        }
    }

    /// What rests at a price; zero where there is no level.
    pub fn size_at(&self, side: Side, price: Price) -> Size {
        let levels = self.levels(side);
        levels
            .binary_search_by_key(&price, |level| level.price)
            .map_or(Size::default(), |at| levels[at].size)
    }

    /// The best level on the yes-leg scale: the highest bid (`yes`), the lowest ask (`no`).
    pub fn best(&self, side: Side) -> Option<Level> {
        match side {
            Side::Yes => self.yes.last().copied(),
            Side::No => self.no.first().copied(),
        }
    }

    /// Whether nothing rests on either side.
    pub const fn is_empty(&self) -> bool {
        self.yes.is_empty() && self.no.is_empty()
    }

    /// A hash of the content, whatever way led to it; 0 for the empty book.
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

fn sorted(levels: &[Level]) -> Vec<Level> {
    let mut sorted: Vec<Level> = levels.to_vec();
    sorted.reverse();
    sorted.sort_by_key(|level| level.price);
    sorted.dedup_by_key(|level| level.price);
    sorted.retain(|level| level.size > Size::default());
    sorted
}

/// One level's part of the sum; zero for an empty level, which is no level.
fn mixed(side: Side, price: Price, size: Size) -> u64 {
    if size.units() == 0 {
        return 0;
    }
    let place = u64::from(price.units()) << 1 | u64::from(side == Side::No);
    let spread = avalanche(place.wrapping_add(0x9e37_79b9_7f4a_7c15));
    avalanche(spread ^ size.units().cast_unsigned())
}

/// The finalizer of SplitMix64.
const fn avalanche(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn price(units: u16) -> Price {
        Price::from_units(units).unwrap()
    }

    fn side_of(no: bool) -> Side {
        if no { Side::No } else { Side::Yes }
    }

    #[test]
    fn a_level_never_goes_below_zero_and_the_book_stays_as_it_was() {
        let mut book = Book::new();
        assert_eq!(
            book.change(Side::Yes, price(5), Size::from_units(300)),
            Ok(Size::from_units(300))
        );
        let before = book.clone();
        let error = book.change(Side::Yes, price(5), Size::from_units(-301)).unwrap_err();
        assert!(matches!(error, BookError::Negative { resting, .. } if resting.units() == 300));
        assert!(book.change(Side::No, price(5), Size::from_units(-1)).is_err());
        let error = book.change(Side::Yes, price(5), Size::from_units(i64::MAX)).unwrap_err();
        assert!(matches!(error, BookError::Overflow { .. }));
        assert_eq!(book, before);
        assert_eq!(book.change(Side::Yes, price(5), Size::from_units(-300)), Ok(Size::default()));
        assert_eq!((book.is_empty(), book.hash()), (true, 0));
    }

    #[test]
    fn best_is_the_highest_bid_and_the_lowest_ask() {
        let level = |units| Level { price: price(units), size: Size::from_units(1) };
        let (yes, no) = (vec![level(40), level(42), level(41)], vec![level(50), level(45)]);
        let id = Uuid::nil();
        let snapshot = Snapshot { market_ticker: "A", market_id: id, clock: None, yes, no };
        let mut book = Book::new();
        book.replace(&snapshot);
        assert_eq!(book.best(Side::Yes), Some(level(42)));
        assert_eq!(book.best(Side::No), Some(level(45)));
        assert_eq!(book.size_at(Side::No, price(50)), Size::from_units(1));
        let bytes = postcard::to_stdvec(&book).unwrap();
        assert_eq!(postcard::from_bytes::<Book>(&bytes).unwrap(), book);
    }

    proptest! {
        #[test]
        fn the_book_is_a_map_and_its_hash_knows_only_the_content(
            changes in proptest::collection::vec((any::<bool>(), 0u16..12, -300i64..300), 0..200),
        ) {
            let mut book = Book::new();
            let mut model = BTreeMap::<(bool, u16), i64>::new();
            for (no, at, delta) in changes {
                let resting = model.get(&(no, at)).copied().unwrap_or(0);
                let result = book.change(side_of(no), price(at), Size::from_units(delta));
                prop_assert_eq!(result.is_ok(), resting + delta >= 0);
                if result.is_ok() {
                    model.insert((no, at), resting + delta);
                }
                model.retain(|_, size| *size != 0);
            }
            let side = |wanted: bool| -> Vec<Level> {
                model
                    .iter()
                    .filter(|((no, _), _)| *no == wanted)
                    .map(|((_, at), size)| Level { price: price(*at), size: Size::from_units(*size) })
                    .collect()
            };
            let (yes, mut no) = (side(false), side(true));
            prop_assert_eq!(book.levels(Side::Yes), yes.as_slice());
            prop_assert_eq!(book.levels(Side::No), no.as_slice());
            no.reverse();
            let other = Book::from_levels(&yes, &no);
            prop_assert_eq!(other.hash(), book.hash());
            prop_assert_eq!(other, book);
        }

        #[test]
        fn one_different_level_is_another_hash(at in 0u16..100, size in 1i64..100_000, no: bool) {
            let mut book = Book::new();
            book.change(Side::Yes, price(50), Size::from_units(7)).unwrap();
            let before = book.hash();
            let mut other = book.clone();
            book.change(side_of(no), price(at), Size::from_units(size)).unwrap();
            prop_assert_ne!(book.hash(), before);
            other.change(side_of(!no), price(at), Size::from_units(size)).unwrap();
            prop_assert_ne!(book.hash(), other.hash(), "the same level on the other side");
        }
    }
}
