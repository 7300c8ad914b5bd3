//! One market's resting orders, totalled per level.
//!
//! Both sides are kept on the yes-leg scale: `yes` are bids, `no` are asks.

use std::collections::BTreeMap;

use crate::decimal::DOLLAR;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Yes,
    No,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
        }
    }

    /// The price as a client sees it: a `no` price is no-leg unless it asked for yes prices.
    pub(crate) fn shown(self, price: u16, scale: Scale) -> u16 {
        match (self, scale) {
            (Self::No, Scale::NoLeg) => DOLLAR - price,
            _ => price,
        }
    }
}

/// How `no` prices are written for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    YesLeg,
    NoLeg,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    yes: BTreeMap<u16, i64>,
    no: BTreeMap<u16, i64>,
}

impl Book {
    pub(crate) fn side(&self, side: Side) -> &BTreeMap<u16, i64> {
        match side {
            Side::Yes => &self.yes,
            Side::No => &self.no,
        }
    }

    /// Applies a change; a total that would fall to nothing or below leaves the book.
    pub(crate) fn apply(&mut self, side: Side, price: u16, delta: i64) {
        let levels = match side {
            Side::Yes => &mut self.yes,
            Side::No => &mut self.no,
        };
        let total = levels.get(&price).copied().unwrap_or(0).saturating_add(delta);
        if total > 0 {
            levels.insert(price, total);
        } else {
            levels.remove(&price);
        }
    }

    pub(crate) fn total(&self, side: Side, price: u16) -> i64 {
        self.side(side).get(&price).copied().unwrap_or(0)
    }

    /// Highest bid and its size.
    pub(crate) fn bid(&self) -> Option<(u16, i64)> {
        self.yes.last_key_value().map(|(price, size)| (*price, *size))
    }

    /// Lowest ask (yes-leg) and its size.
    pub(crate) fn ask(&self) -> Option<(u16, i64)> {
        self.no.first_key_value().map(|(price, size)| (*price, *size))
    }

    pub(crate) fn levels(&self) -> impl Iterator<Item = (Side, u16, i64)> {
        let yes = self.yes.iter().map(|(price, size)| (Side::Yes, *price, *size));
        yes.chain(self.no.iter().map(|(price, size)| (Side::No, *price, *size)))
    }

    pub(crate) fn clear(&mut self) {
        self.yes.clear();
        self.no.clear();
    }

    /// Levels of one side as shown to a client, ascending by the price shown.
    pub(crate) fn shown(&self, side: Side, scale: Scale) -> Vec<(u16, i64)> {
        let mut levels: Vec<_> = self
            .side(side)
            .iter()
            .map(|(price, size)| (side.shown(*price, scale), *size))
            .collect();
        levels.sort_unstable();
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_reaches_nothing_leaves_the_book() {
        let mut book = Book::default();
        book.apply(Side::Yes, 4300, 500);
        book.apply(Side::Yes, 4300, -500);
        assert_eq!(book, Book::default());
    }

    #[test]
    fn no_prices_are_shown_in_the_scale_that_was_asked_for() {
        let mut book = Book::default();
        book.apply(Side::No, 5200, 100);
        book.apply(Side::No, 5300, 200);
        assert_eq!(book.shown(Side::No, Scale::YesLeg), [(5200, 100), (5300, 200)]);
        assert_eq!(book.shown(Side::No, Scale::NoLeg), [(4700, 200), (4800, 100)]);
        assert_eq!(book.ask(), Some((5200, 100)));
    }
}
