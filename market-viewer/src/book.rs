//! The book as the deduplicator answers it, with exact numbers.

use exchange::{Level, Price, Size};
use serde::{Deserialize, Serialize};

/// A side as it is answered: price and size, decimals as text, rising by price.
type TextSide = Vec<(String, String)>;

/// The answer of `GET /book/{ticker}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) market_ticker: String,
    pub(crate) seq: u64,
    pub(crate) era: u16,
    pub(crate) clock: Option<u64>,
    pub(crate) ts_ms: i64,
    pub(crate) yes: TextSide,
    pub(crate) no: TextSide,
}

/// A book, best levels first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Book {
    pub(crate) ticker: String,
    pub(crate) seq: u64,
    pub(crate) era: u16,
    pub(crate) clock: Option<u64>,
    pub(crate) ts_ms: i64,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
}

impl Book {
    /// Reads an answer; a number that cannot be held exactly is refused.
    pub(crate) fn read(answer: &Answer) -> Result<Self, exchange::BadNumber> {
        let side = |side: &TextSide| {
            side.iter()
                .map(|(price, size)| {
                    Ok(Level { price: Price::parse(price)?, size: Size::parse(size)? })
                })
                .collect::<Result<Vec<Level>, exchange::BadNumber>>()
        };
        let (mut bids, mut asks) = (side(&answer.yes)?, side(&answer.no)?);
        bids.sort_by_key(|level| std::cmp::Reverse(level.price));
        asks.sort_by_key(|level| level.price);
        Ok(Self {
            ticker: answer.market_ticker.clone(),
            seq: answer.seq,
            era: answer.era,
            clock: answer.clock,
            ts_ms: answer.ts_ms,
            bids,
            asks,
        })
    }

    /// Best ask minus best bid, in 1/10,000 dollar; below zero where the book is crossed.
    pub(crate) fn spread_units(&self) -> Option<i32> {
        let (bid, ask) = (self.bids.first()?, self.asks.first()?);
        Some(i32::from(ask.price.units()) - i32::from(bid.price.units()))
    }
}

/// A spread in dollars.
pub(crate) fn spread_text(units: i32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:04}", units / 10_000, units % 10_000)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer with these bids and asks, rising by price.
    pub(crate) fn answer(seq: u64, yes: &[(&str, &str)], no: &[(&str, &str)]) -> Answer {
        let side = |side: &[(&str, &str)]| {
            side.iter().map(|(price, size)| ((*price).to_owned(), (*size).to_owned())).collect()
        };
        Answer {
            market_ticker: "KXA-1".to_owned(),
            seq,
            era: 0,
            clock: Some(41),
            ts_ms: 1_786_085_188_978,
            yes: side(yes),
            no: side(no),
        }
    }

    #[test]
    fn the_best_levels_come_first_and_numbers_are_exact() {
        let answer = answer(
            7,
            &[("0.4000", "5.00"), ("0.4300", "120.05")],
            &[("0.4500", "33.00"), ("0.9900", "1.00")],
        );
        let book = Book::read(&answer).unwrap();
        assert_eq!(book.bids[0].size.to_string(), "120.05");
        assert_eq!(book.asks[0].price.to_string(), "0.4500");
        assert_eq!(book.spread_units().map(spread_text).as_deref(), Some("0.0200"));
        assert_eq!(spread_text(-15), "-0.0015");
        let mut wrong = answer;
        wrong.yes[0].0 = "0.40001".to_owned();
        assert!(Book::read(&wrong).is_err());
    }
}
