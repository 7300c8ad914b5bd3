//! A place in a gatherer's spool, as the programs speak of it.

use std::fmt;

use crate::wire;

/// A place in a gatherer's spool. The order is the order of the spool: a later incarnation comes after.
///
/// A type of its own, so that this crate knows nothing of the spool's files; programs convert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Which opening of the spool wrote it; rises at every start.
    pub incarnation: u32,
    /// Place within that incarnation.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation, self.offset)
    }
}

impl From<Position> for wire::Position {
    fn from(position: Position) -> Self {
        Self { incarnation: position.incarnation, offset: position.offset }
    }
}

impl From<wire::Position> for Position {
    fn from(wire: wire::Position) -> Self {
        Self { incarnation: wire.incarnation, offset: wire.offset }
    }
}
