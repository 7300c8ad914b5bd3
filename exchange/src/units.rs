//! Prices, sizes and sides as integers of the smallest unit, and their exact text forms.
//!
//! Text is read by hand and refused when it cannot be held exactly. The serde forms are the compact
//! integers of checkpoints and journals, not the wire's text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A price in 1/10,000 dollar (`0.4300` is 4300), from 0 to 10,000.
///
/// With `use_yes_price` both sides stand on the yes-leg scale.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Price(u16);

/// A number of contracts, or a change of it, in 1/100 contract (`15.78` is 1578).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Size(i64);

/// The side of a book: `yes` levels are bids; `no` levels are asks on the yes-leg scale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
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

    /// Reads dollars as text: `0.4300`, `0.43`, `1`. No sign, nothing above one dollar.
    pub fn parse(text: &str) -> Result<Self, BadNumber> {
        let units = unsigned::<4>(text.as_bytes()).map_err(|why| why.about(text))?;
        u16::try_from(units)
            .ok()
            .and_then(Self::from_units)
            .ok_or_else(|| BadNumber::OutOfRange(text.to_owned()))
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

    /// Reads contracts as text: `15.78`, `-54.00`, `300`. A leading minus is allowed, a plus is not.
    pub fn parse(text: &str) -> Result<Self, BadNumber> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            all => (false, all),
        };
        let units = unsigned::<2>(digits).map_err(|why| why.about(text))?;
        let units = i64::try_from(units).map_err(|_| BadNumber::OutOfRange(text.to_owned()))?;
        Ok(Self(if negative { -units } else { units }))
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

    /// Reads `yes` or `no`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "yes" => Some(Self::Yes),
            "no" => Some(Self::No),
            _ => None,
        }
    }

    /// The opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
        }
    }
}

/// The reason without the text, so that the good way allocates nothing.
enum Why {
    NotANumber,
    TooPrecise,
    OutOfRange,
}

impl Why {
    #[cold]
    fn about(self, text: &str) -> BadNumber {
        let text = text.to_owned();
        match self {
            Self::NotANumber => BadNumber::NotANumber(text),
            Self::TooPrecise => BadNumber::TooPrecise(text),
            Self::OutOfRange => BadNumber::OutOfRange(text),
        }
    }
}

/// Digits that can be added up without a look at overflow: 10^18 is less than 2^63.
const DIGITS_SAFE: usize = 18;

/// Reads `digits[.digits]` as an integer of the `DECIMALS`-th decimal.
#[inline]
fn unsigned<const DECIMALS: usize>(text: &[u8]) -> Result<u64, Why> {
    match text.len().checked_sub(DECIMALS + 1) {
        // The form of nearly every number on the wire: all decimals, and not too many digits.
        Some(point) if point > 0 && text[point] == b'.' && text.len() <= DIGITS_SAFE => {
            let (whole, fraction) = (&text[..point], &text[point + 1..]);
            let units = whole.iter().chain(fraction).try_fold(0_u64, |units, byte| {
                let digit = byte.wrapping_sub(b'0');
                (digit < 10).then(|| units * 10 + u64::from(digit))
            });
            units.ok_or(Why::NotANumber)
        }
        _ => unusual::<DECIMALS>(text),
    }
}

/// The same for every form.
#[cold]
fn unusual<const DECIMALS: usize>(text: &[u8]) -> Result<u64, Why> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) if at + 1 < text.len() => (&text[..at], &text[at + 1..]),
        Some(_) => return Err(Why::NotANumber),
        None => (text, &[][..]),
    };
    if whole.is_empty() {
        return Err(Why::NotANumber);
    }
    let (kept, surplus) = fraction.split_at(fraction.len().min(DECIMALS));
    let mut units = 0;
    for byte in whole.iter().chain(kept) {
        units = push_digit(units, *byte)?;
    }
    for _ in kept.len()..DECIMALS {
        units = push_digit(units, b'0')?;
    }
    if surplus.iter().any(|byte| !byte.is_ascii_digit()) {
        return Err(Why::NotANumber);
    }
    if surplus.iter().any(|byte| *byte != b'0') {
        return Err(Why::TooPrecise);
    }
    Ok(units)
}

fn push_digit(units: u64, byte: u8) -> Result<u64, Why> {
    if !byte.is_ascii_digit() {
        return Err(Why::NotANumber);
    }
    units
        .checked_mul(10)
        .and_then(|tens| tens.checked_add(u64::from(byte - b'0')))
        .ok_or(Why::OutOfRange)
}

impl TryFrom<u16> for Price {
    type Error = BadNumber;

    fn try_from(units: u16) -> Result<Self, BadNumber> {
        Self::from_units(units).ok_or_else(|| BadNumber::OutOfRange(units.to_string()))
    }
}

impl From<Price> for u16 {
    fn from(price: Price) -> Self {
        price.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", units / 100, units % 100)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_exactly_or_refused() {
        let good = [("0.4300", 4300), ("0", 0), ("1", 10_000), ("1.0000", 10_000), ("0.5", 5000)];
        for (text, units) in good.into_iter().chain([("0.430000", 4300), ("00.0001", 1)]) {
            assert_eq!(Price::parse(text).map(Price::units), Ok(units), "{text}");
        }
        for text in ["", ".", "0.", ".5", "-0.43", "+0.43", "1e3", " 0.4", "0.4 ", "0,4", "0.4.3"] {
            assert_eq!(Price::parse(text), Err(BadNumber::NotANumber(text.to_owned())));
        }
        let bad = BadNumber::TooPrecise("0.43001".to_owned());
        assert_eq!(Price::parse("0.43001"), Err(bad));
        for text in ["1.0001", "2", "99999999999999999999999"] {
            assert_eq!(Price::parse(text), Err(BadNumber::OutOfRange(text.to_owned())));
        }
        assert!(matches!(Price::parse("0.4300a"), Err(BadNumber::NotANumber(_))));
    }

    #[test]
    fn sizes_may_be_negative_and_stop_at_the_edge_of_the_type() {
        let good = [("15.78", 1578), ("-54.00", -5400), ("300", 30_000), ("0.00", 0), ("-0.00", 0)];
        for (text, units) in good {
            assert_eq!(Size::parse(text).map(Size::units), Ok(units), "{text}");
        }
        assert_eq!(Size::parse("92233720368547758.07").map(Size::units), Ok(i64::MAX));
        assert!(matches!(Size::parse("92233720368547758.08"), Err(BadNumber::OutOfRange(_))));
        assert!(matches!(Size::parse("1.005"), Err(BadNumber::TooPrecise(_))));
        for text in ["", "-", "--1", "+1", "1e3", "NaN", "-.5", "1_000"] {
            assert!(matches!(Size::parse(text), Err(BadNumber::NotANumber(_))), "{text}");
        }
    }

    #[test]
    fn the_compact_form_refuses_a_price_above_one_dollar() {
        let bytes = postcard::to_stdvec(&(Price::DOLLAR, Size(-5), Side::No)).unwrap();
        assert_eq!(bytes, [0x90, 0x4e, 9, 1]);
        let back = postcard::from_bytes::<(Price, Size, Side)>(&bytes).unwrap();
        assert_eq!(back, (Price::DOLLAR, Size(-5), Side::No));
        assert!(postcard::from_bytes::<Price>(&[0x91, 0x4e]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(units in 0u16..=10_000, size in -i64::MAX..=i64::MAX) {
            let price = Price(units);
            prop_assert_eq!(Price::parse(&price.to_string()), Ok(price));
            prop_assert_eq!(Size::parse(&Size(size).to_string()), Ok(Size(size)));
        }

        #[test]
        fn the_usual_form_is_read_as_every_other(text in "[0-9.+ -]{0,20}") {
            let quick = unsigned::<2>(text.as_bytes()).map_err(|why| why.about(&text));
            let slow = unusual::<2>(text.as_bytes()).map_err(|why| why.about(&text));
            prop_assert_eq!(quick, slow);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _price = Price::parse(&text);
            let _size = Size::parse(&text);
        }
    }
}
