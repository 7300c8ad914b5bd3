//! Prices, sizes and sides as integers of the smallest unit, and their exact text forms.

use std::fmt;

/// A price in 1/10,000 dollar (`0.4300` is 4300), from 0 to 10,000.
///
/// With `use_yes_price` both sides stand on the yes-leg scale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Price(u16);

/// A number of contracts, or a change of it, in 1/100 contract (`15.78` is 1578).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Size(i64);

/// The side of a book: `yes` levels are bids; `no` levels are asks on the yes-leg scale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Bids for yes.
    Yes,
    /// Bids for no, which are asks for yes.
    No,
}

/// Why a text is not a number that we can hold exactly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadNumber {
    /// Not `digits[.digits]` with an optional minus where one is allowed.
    NotANumber(String),
    /// More decimals than the unit holds, and not all of the surplus are zeros.
    TooPrecise(String),
    /// Outside the range of the type.
    OutOfRange(String),
}

impl Price {
    /// One dollar: the greatest price.
    pub const DOLLAR: Self = Self(10_000);

    /// A price of `units` 1/10,000 dollars; `None` above one dollar.
    pub const fn from_units(units: u16) -> Option<Self> {
        if units <= 10_000 { Some(Self(units)) } else { None }
    }

    /// 1/10,000 dollars.
    pub const fn units(self) -> u16 {
        self.0
    }

    /// The same price seen from the other leg: one dollar minus this.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(10_000 - self.0)
    }
}

impl Size {
    /// `units` 1/100 contracts.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// 1/100 contracts.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl Side {
    /// `yes` or `no`, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

impl fmt::Display for BadNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber(text) => write!(f, "{text:?} is not a decimal number"),
            Self::TooPrecise(text) => write!(f, "{text:?} has more decimals than we can hold"),
            Self::OutOfRange(text) => write!(f, "{text:?} is out of range"),
        }
    }
}

impl std::error::Error for BadNumber {}
