//! A place in a log, and how it is written as text.

use std::{fmt, str::FromStr};

/// A place in a log: between two records, never inside one.
///
/// A new incarnation begins at every opening of the log, so a position never means two things, even
/// if records were shown to someone before their fsync and then lost in a crash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// Which opening of the log; the first is 1.
    pub incarnation: u32,
    /// Bytes of records before this place, within the incarnation and over all its segments.
    pub offset: u64,
}

impl Position {
    /// Before every record of every log.
    pub const ZERO: Self = Self { incarnation: 0, offset: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation, self.offset)
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let bad = || BadPosition(text.to_owned());
        let (incarnation, offset) = text.split_once(':').ok_or_else(bad)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok()).flatten().ok_or_else(bad)
        };
        let incarnation = u32::try_from(number(incarnation)?).map_err(|_| bad())?;
        Ok(Self { incarnation, offset: number(offset)? })
    }
}

/// Text that is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log position such as 3:1234 (incarnation:offset)")]
pub struct BadPosition(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for (incarnation, offset) in [(0, 0), (3, 1234), (u32::MAX, u64::MAX)] {
            let position = Position { incarnation, offset };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        assert_eq!(Position { incarnation: 3, offset: 1234 }.to_string(), "3:1234");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", ":", "3", "3:", ":4", "+3:4", "3:-4", "3:4:5", " 3:4", "4294967296:0"] {
            assert_eq!(text.parse::<Position>(), Err(BadPosition(text.to_owned())));
        }
    }

    #[test]
    fn a_later_incarnation_comes_after_every_offset_of_an_earlier_one() {
        let early = Position { incarnation: 1, offset: u64::MAX };
        assert!(early < Position { incarnation: 2, offset: 0 });
        assert!(Position::ZERO < early);
    }
}
