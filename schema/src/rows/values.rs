//! The kinds of value a column holds: numbers with their unit, shared text, enumerations.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

number! {
    /// `Decimal(5, 4)`: 1/10,000 dollar.
    Price(i32)
}
number! {
    /// `Decimal(18, 2)`: 1/100 contract.
    Size(i64)
}
number! {
    /// `DateTime64(3)`: milliseconds since 1970, UTC.
    UnixMillis(i64)
}
number! {
    /// `DateTime64(6)`: microseconds since 1970, UTC.
    UnixMicros(i64)
}
number! {
    /// `DateTime`: seconds since 1970, UTC.
    UnixSeconds(u32)
}

macro_rules! column_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "i8", try_from = "i8")]
        #[repr(i8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $value),*
        }

        impl From<$name> for i8 {
            fn from(value: $name) -> Self {
                value as Self
            }
        }

        impl TryFrom<i8> for $name {
            type Error = String;

            fn try_from(value: i8) -> Result<Self, String> {
                match value {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(format!(concat!(stringify!($name), " has no value {}"), value)),
                }
            }
        }
    };
}

column_enum! {
    /// Column `type`.
    EventType {
        /// One row a level, all with one seq.
        Snapshot = 1,
        /// One change of one level.
        Delta = 2,
    }
}
column_enum! {
    /// Column `side`.
    Side {
        /// Bids.
        Yes = 1,
        /// Asks.
        No = 2,
    }
}
column_enum! {
    /// Column `taker_side`.
    TakerSide {
        /// The exchange did not say.
        Unknown = 0,
        /// The taker bought yes.
        Yes = 1,
        /// The taker bought no.
        No = 2,
    }
}
column_enum! {
    /// Column `origin`.
    Origin {
        /// The feed.
        Live = 1,
        /// An answer to `get_snapshot`.
        GetSnapshot = 2,
        /// Our own repetition of the book.
        Checkpoint = 3,
        /// REST.
        Rest = 4,
    }
}
column_enum! {
    /// Column `state` of `gaps`.
    GapState {
        /// Not looked at yet.
        Open = 1,
        /// Filled afterwards.
        Repaired = 2,
        /// Nobody has it.
        Permanent = 3,
    }
}

/// Text that many rows share (tickers, gatherers): a clone is a counter, not an allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
