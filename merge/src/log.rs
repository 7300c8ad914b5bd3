//! What was accepted in one market: a window with absolute indices.
//!
//! Identity across lanes is positional: a lane that agrees so far stands at an index, and its next
//! delta must be the entry there. Clocks never fall within the window; a new era starts it anew.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{levels::Change, record::Provenance};

/// What a lane that lagged filled is given back when it caught up; a log of this length stays.
const KEPT_CAPACITY: usize = 256;

/// What an entry did to the book.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// One level changed.
    Delta(Change),
    /// The exchange replaced the book by an empty one (a market that closed).
    Emptied,
    /// The book starts here: at the market's start, after a hole, in a new era. No lane delivers
    /// this; lanes that come from before skip to it.
    Base,
}

/// One accepted event.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) clock: u64,
    pub(crate) what: What,
    /// The book's hash after it.
    pub(crate) hash: u64,
    pub(crate) from: Provenance,
}

impl Entry {
    /// The exchange's time of a delta, the receipt of everything else.
    fn ts_ms(&self) -> i64 {
        match self.what {
            What::Delta(change) => change.ts_ms,
            What::Emptied | What::Base => self.from.wall_ns.div_euclid(1_000_000),
        }
    }
}

/// The window.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub(crate) struct Log {
    first: u64,
    entries: VecDeque<Entry>,
    /// The last entry that fell out of the window, if any did in this era.
    trimmed: Option<Entry>,
}

/// Where a clock lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// After the last entry with this clock or a lower one.
    At(u64),
    /// Before the window.
    Forgotten,
}

impl Log {
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The index of the next event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// How many entries the window holds.
    pub(crate) fn length(&self) -> usize {
        self.entries.len()
    }

    /// Whether clocks do not fall, as they never do within an era.
    pub(crate) fn rises(&self) -> bool {
        let all = self.trimmed.iter().chain(&self.entries);
        all.map(|entry| entry.clock).is_sorted()
    }

    /// The entry at an index of the window.
    pub(crate) fn entry(&self, index: u64) -> Option<&Entry> {
        self.entries.get(index.checked_sub(self.first)? as usize)
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        self.entries.back().or(self.trimmed.as_ref())
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert!(
            self.last().is_none_or(|last| last.clock <= entry.clock),
            "clocks do not fall within an era"
        );
        self.entries.push_back(entry);
    }

    /// Forgets entries below `index`, but keeps the newest; says how many.
    pub(crate) fn trim_below(&mut self, index: u64) -> usize {
        let mut trimmed = 0;
        while self.first < index && self.entries.len() > 1 {
            self.trimmed = self.entries.pop_front();
            self.first += 1;
            trimmed += 1;
        }
        if self.entries.capacity() > KEPT_CAPACITY.max(self.entries.len() * 4) {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        trimmed
    }

    /// A new era: everything is forgotten, indices go on.
    pub(crate) fn restart(&mut self) -> usize {
        let dropped = self.entries.len();
        self.first = self.end();
        self.entries.clear();
        self.trimmed = None;
        dropped
    }

    /// Where a snapshot of clock `s` stands.
    pub(crate) fn after_clock(&self, s: u64) -> Place {
        if self.trimmed.is_some_and(|trimmed| s < trimmed.clock) {
            return Place::Forgotten;
        }
        let within = self.entries.partition_point(|entry| entry.clock <= s);
        if within == 0 && self.trimmed.is_none() {
            Place::Forgotten
        } else {
            Place::At(self.first + within as u64)
        }
    }

    /// The book's hash before the entry at `index`, if it is known.
    pub(crate) fn hash_before(&self, index: u64) -> Option<u64> {
        if index == self.first {
            return self.trimmed.map(|trimmed| trimmed.hash);
        }
        self.entry(index.checked_sub(1)?).map(|entry| entry.hash)
    }

    /// The index at which a book of this hash and clock `s` stands: after the last entry of a clock
    /// up to `s`, or before closing snapshots of that same clock, also of ones that we began with.
    pub(crate) fn find(&self, s: u64, hash: u64) -> Option<u64> {
        let Place::At(mut index) = self.after_clock(s) else { return None };
        loop {
            if self.hash_before(index) == Some(hash) {
                return Some(index);
            }
            let before = self.entry(index.checked_sub(1)?)?;
            let empty_base = before.what == What::Base && before.hash == 0;
            if !(before.what == What::Emptied || empty_base) || before.clock != s {
                return None;
            }
            index -= 1;
        }
    }

    /// Whether the entry closes the book of this hash. Closing does not move the clock, so a snapshot of the book
    /// and the closing may be of one.
    pub(crate) fn closes(&self, index: u64, hash: Option<u64>) -> bool {
        self.entry(index).is_some_and(|entry| entry.what == What::Emptied)
            && hash.is_some()
            && self.hash_before(index) == hash
    }

    /// Whether the last entry that fell out of the window is a closing snapshot of this clock.
    pub(crate) fn forgot_closing(&self, s: u64) -> bool {
        self.trimmed.is_some_and(|trimmed| trimmed.what == What::Emptied && trimmed.clock == s)
    }

    /// The newest index, from `from` on, before which the book had this hash.
    pub(crate) fn newest_with_hash(&self, hash: u64, from: u64) -> Option<u64> {
        let oldest = from.max(self.first);
        (oldest..=self.end()).rev().find(|&index| self.hash_before(index) == Some(hash))
    }

    /// The first change that a book of clock `s` lacks.
    pub(crate) fn first_after(&self, s: u64) -> Option<&Entry> {
        match self.after_clock(s) {
            Place::At(index) => self.entry(index),
            Place::Forgotten => self.trimmed.as_ref().or(self.entries.front()),
        }
    }

    /// The newest entry with a time of its own: a closing book has none, and its receipt may be late.
    pub(crate) fn last_timed(&self) -> Option<&Entry> {
        let mut newest = self.entries.iter().rev().chain(&self.trimmed);
        newest.find(|entry| entry.what != What::Emptied)
    }

    /// The time up to which the book of clock `s` was told, in milliseconds, if it is remembered.
    pub(crate) fn ts_at(&self, s: u64) -> Option<i64> {
        let Place::At(index) = self.after_clock(s) else { return None };
        let before = index.checked_sub(1).and_then(|before| self.entry(before));
        before.or(self.trimmed.as_ref()).map(Entry::ts_ms)
    }

    /// Where a lane that comes from before the window is compared from: a clock, and the index of
    /// the first entry after it.
    pub(crate) fn compared_from(&self) -> Option<(u64, u64)> {
        let floor = match (self.trimmed, self.entries.front()) {
            (Some(trimmed), _) => trimmed.clock,
            (None, Some(base)) if base.what == What::Base => base.clock,
            _ => return None,
        };
        let within = self.entries.partition_point(|entry| entry.clock <= floor);
        Some((floor, self.first + within as u64))
    }
}
