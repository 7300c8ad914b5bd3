//! Books that gatherers asked for over REST: from a capture to the journal, past the merge, which has no place for a
//! book without a clock.
//!
//! After a restart the gatherers hand over again what came after the checkpoint; what the journal holds of it already
//! is known from the replay and is not written twice.

use std::collections::BTreeSet;

use merge::{GathererIndex, Record, RestBooksRecord, Share};

/// Polled books on their way.
#[derive(Default)]
pub(crate) struct Polled {
    /// In the journal behind the checkpoint, and not handed over again yet.
    known: BTreeSet<(GathererIndex, i64)>,
    /// For the journal, in order.
    waiting: Vec<Record>,
}

impl Polled {
    /// The journal holds this record already.
    pub(crate) fn replayed(&mut self, record: &Record) {
        if let Record::RestBooks(books) = record {
            self.known.insert((books.gatherer, books.wall_ns));
        }
    }

    /// Takes in the body of an answer, as far as it tells of the markets that are kept.
    ///
    /// # Errors
    /// When it is not what the exchange answers; the gatherer's spool keeps it as it came.
    pub(super) fn take(
        &mut self,
        (gatherer, wall_ns): (GathererIndex, i64),
        body: &str,
        share: Share,
    ) -> Result<(), exchange::rest::BadBody> {
        if self.known.remove(&(gatherer, wall_ns)) {
            return Ok(());
        }
        let books = exchange::rest::orderbooks(body)?.into_iter();
        let books = books.filter(|(ticker, _)| share.keeps(ticker)).map(|(ticker, book)| {
            let book = book.to_yes_leg();
            (ticker, book.yes, book.no)
        });
        let record = RestBooksRecord { gatherer, wall_ns, books: books.collect() };
        if !record.books.is_empty() || share.is_whole() {
            self.waiting.push(Record::RestBooks(Box::new(record)));
        }
        Ok(())
    }

    /// What goes to the journal now.
    pub(super) fn drain(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"orderbooks":[{"ticker":"A-1","orderbook_fp":{"yes_dollars":[["0.4000","5.00"]],
        "no_dollars":[["0.3000","7.00"]]}}]}"#;
    const EAST: GathererIndex = GathererIndex(0);

    #[test]
    fn books_are_journalled_on_the_yes_leg() {
        let mut polled = Polled::default();
        polled.take((EAST, 7), BODY, Share::default()).expect("books");
        let [Record::RestBooks(books)] = &polled.drain()[..] else { panic!("one record") };
        let (ticker, yes, no) = &books.books[0];
        assert_eq!(
            (ticker.as_str(), yes[0].price.units(), no[0].price.units()),
            ("A-1", 4000, 7000)
        );
        assert!(polled.drain().is_empty());
        assert!(polled.take((EAST, 8), "{}", Share::default()).is_err());
    }

    #[test]
    fn what_the_journal_holds_is_not_written_again() {
        let mut polled = Polled::default();
        polled.take((EAST, 7), BODY, Share::default()).expect("books");
        let before = polled.drain();
        let mut restarted = Polled::default();
        before.iter().for_each(|record| restarted.replayed(record));
        restarted.take((EAST, 7), BODY, Share::default()).expect("books");
        assert!(restarted.drain().is_empty());
        restarted.take((EAST, 9), BODY, Share::default()).expect("books");
        assert_eq!(restarted.drain().len(), 1);
    }

    #[test]
    fn a_part_takes_the_books_of_its_markets_only() {
        let counts: Vec<usize> = ["1/2", "2/2"]
            .map(|share| {
                let mut polled = Polled::default();
                polled.take((EAST, 7), BODY, share.parse().expect("a share")).expect("books");
                polled.drain().len()
            })
            .into();
        assert_eq!(counts.iter().sum::<usize>(), 1, "{counts:?}");
    }
}
