//! A lane that joined within a clock whose changes were not all told yet.
//!
//! A snapshot of clock s holds every change of s. If the last clock we hold is s, and its book is by chance the
//! snapshot's before its last change, the lane stands where it does not belong, and another change of s tells.

use exchange::Moment;

use crate::{
    levels::Book,
    log::What,
    market::Market,
    segment::{Shown, Stage, Start},
};

impl Market {
    /// Takes a segment back to where it is placed, if the entry at which it stands is a change that its
    /// snapshot held. Says whether it did.
    pub(crate) fn joined_too_early(&mut self, at: usize, now: Moment) -> bool {
        let segment = &self.segments[at];
        let (Some(by), Some(next)) = (segment.joined_by, segment.joined()) else { return false };
        let Some(entry) = self.log.entry(next).copied() else { return false };
        let held = entry.clock == segment.floor && matches!(entry.what, What::Delta(_));
        let floor = segment.floor;
        // Asked once: what comes after this entry says nothing more.
        self.segments[at].joined_by = None;
        if !held || self.log.hash_before(next) != Some(by.hash) {
            return false;
        }
        let Some(book) = self.book_before(next) else { return false };
        let shown = Shown { clock: Some(floor), book, asked: by.asked };
        let start = Start { shown, from: by.from, denied: false, counted: true, since: now };
        self.segments[at].stage = Stage::Placing(Box::new(start));
        true
    }

    /// Our book before the entry at `index`, unless it was replaced since.
    fn book_before(&self, index: u64) -> Option<Book> {
        let mut book = self.book.clone();
        for index in (index..self.log.end()).rev() {
            let What::Delta(change) = self.log.entry(index)?.what else { return None };
            book.apply(change.no, change.price, change.delta.wrapping_neg());
        }
        Some(book)
    }
}
