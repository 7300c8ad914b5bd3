//! A book as the oracle keeps it: exact integers, nothing clever.

use std::collections::BTreeMap;

use exchange::Side;

/// A level's place: side and price in 1/10,000 dollar (yes leg).
pub type LevelKey = (Side, u16);

/// Resting sizes in 1/100 contract; no level of size zero.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Book(BTreeMap<LevelKey, i64>);

impl Book {
    /// The book of these levels.
    pub fn from_levels(levels: impl IntoIterator<Item = (LevelKey, i64)>) -> Self {
        Self(levels.into_iter().filter(|(_, size)| *size != 0).collect())
    }

    /// Adds `change` to a level; a level of zero, or of less, goes, as at the exchange.
    pub fn apply(&mut self, key: LevelKey, change: i64) {
        let size = self.0.entry(key).or_default();
        *size += change;
        if *size <= 0 {
            self.0.remove(&key);
        }
    }

    /// Whether nothing rests.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every level, in order of side and price.
    pub fn levels(&self) -> impl Iterator<Item = (LevelKey, i64)> + '_ {
        self.0.iter().map(|(key, size)| (*key, *size))
    }

    /// The first level at which the two differ, with both sizes.
    pub fn first_difference(&self, other: &Self) -> Option<(LevelKey, i64, i64)> {
        let mut keys: Vec<_> = self.0.keys().chain(other.0.keys()).copied().collect();
        keys.sort_unstable();
        keys.into_iter()
            .map(|key| (key, self.size(key), other.size(key)))
            .find(|(_, ours, theirs)| ours != theirs)
    }

    fn size(&self, key: LevelKey) -> i64 {
        self.0.get(&key).copied().unwrap_or_default()
    }
}
