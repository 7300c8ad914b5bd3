//! What is known at a moment: the book, what changed last, and whether the deduplicator answers.
//!
//! Pure: answers and times are told.

use std::collections::BTreeMap;

use exchange::{Price, Size};

use crate::book::Book;

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) book: Option<Book>,
    /// Levels whose size changed with the newest book: by how much.
    pub(crate) bids_changed: BTreeMap<Price, i64>,
    pub(crate) asks_changed: BTreeMap<Price, i64>,
    /// Newer books than the first.
    pub(crate) changes: u64,
    /// Why the newest question was not answered.
    pub(crate) problem: Option<String>,
    pub(crate) now_ms: i64,
}

/// What an answer brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// The first book.
    First,
    /// Another book.
    Changed,
    /// The same book.
    Same,
}

impl State {
    /// Takes in an answer.
    pub(crate) fn take(&mut self, book: Book, now_ms: i64) -> News {
        (self.now_ms, self.problem) = (now_ms, None);
        let news = match &self.book {
            None => News::First,
            Some(old) if (old.era, old.seq) == (book.era, book.seq) => News::Same,
            Some(old) => {
                self.bids_changed = changed(&old.bids, &book.bids);
                self.asks_changed = changed(&old.asks, &book.asks);
                self.changes += 1;
                News::Changed
            }
        };
        self.book = Some(book);
        news
    }

    /// Takes in that there was no answer; what was known is still shown.
    pub(crate) fn fail(&mut self, problem: String, now_ms: i64) {
        (self.now_ms, self.problem) = (now_ms, Some(problem));
    }
}

fn changed(old: &[exchange::Level], new: &[exchange::Level]) -> BTreeMap<Price, i64> {
    let mut by: BTreeMap<Price, i64> = BTreeMap::new();
    for level in new {
        *by.entry(level.price).or_default() += level.size.units();
    }
    for level in old {
        *by.entry(level.price).or_default() -= level.size.units();
    }
    by.retain(|_, units| *units != 0);
    by
}

/// A change of size, with its sign.
pub(crate) fn change_text(units: i64) -> String {
    let sign = if units > 0 { "+" } else { "" };
    format!("{sign}{}", Size::from_units(units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::answer;

    #[test]
    fn only_another_seq_is_a_change() {
        let mut state = State::default();
        let book = |seq, bid| Book::read(&answer(seq, &[("0.4000", bid)], &[])).unwrap();
        assert_eq!(state.take(book(1, "5.00"), 10), News::First);
        assert_eq!(state.take(book(1, "5.00"), 20), News::Same);
        state.fail("no answer".to_owned(), 25);
        assert!(state.book.is_some());
        assert_eq!(state.take(book(2, "4.50"), 30), News::Changed);
        assert_eq!((state.changes, state.problem.as_deref()), (1, None));
        let by: Vec<String> = state.bids_changed.values().map(|by| change_text(*by)).collect();
        assert_eq!(by, ["-0.50"]);
        let mut next_era = book(2, "4.50");
        next_era.era = 1;
        assert_eq!(state.take(next_era, 40), News::Changed);
    }
}
