//! Books over REST: no-leg prices, bids only, no clock.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::frame::fields::Text;
use crate::message::Level;
use crate::rest::{BadBody, read};
use crate::units::{Price, Size};

const WHAT: &str = "an order book";

/// A book as REST gives it; [`RestBook::to_yes_leg`] brings it to the scale of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RestBook {
    /// Bids for yes.
    pub yes: Vec<Level>,
    /// Bids for no, in no-leg prices.
    pub no: Vec<Level>,
}

impl RestBook {
    /// Turns no-leg prices into yes-leg ones, both sides ascending.
    #[must_use]
    pub fn to_yes_leg(mut self) -> Self {
        for level in &mut self.no {
            level.price = level.price.complement();
        }
        self.yes.sort_by_key(|level| level.price);
        self.no.sort_by_key(|level| level.price);
        self
    }
}

/// Absent, null and empty sides are all empty. The legacy names are read only to be refused.
#[derive(Deserialize, Default)]
struct Sides {
    yes_dollars: Option<Vec<(Text<Price>, Text<Size>)>>,
    no_dollars: Option<Vec<(Text<Price>, Text<Size>)>>,
    yes: Option<IgnoredAny>,
    no: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Answer {
    orderbook_fp: Option<Sides>,
    /// An empty book once came under this name, with nothing in it.
    orderbook: Option<Sides>,
}

#[derive(Deserialize)]
struct Books {
    orderbooks: Vec<OneOfMany>,
}

#[derive(Deserialize)]
struct OneOfMany {
    ticker: String,
    orderbook_fp: Sides,
}

/// Reads `GET /markets/{ticker}/orderbook`.
pub fn orderbook(body: &str) -> Result<RestBook, BadBody> {
    let answer: Answer = read(WHAT, body)?;
    let Some(sides) = answer.orderbook_fp.or(answer.orderbook) else {
        return Err(BadBody { what: WHAT, detail: "no orderbook_fp".to_owned() });
    };
    book(sides)
}

/// Reads `GET /markets/orderbooks`.
pub fn orderbooks(body: &str) -> Result<Vec<(String, RestBook)>, BadBody> {
    let answer: Books = read("a list of order books", body)?;
    answer.orderbooks.into_iter().map(|one| Ok((one.ticker, book(one.orderbook_fp)?))).collect()
}

fn book(sides: Sides) -> Result<RestBook, BadBody> {
    if sides.yes.is_some() || sides.no.is_some() {
        let detail = "levels in the form of before 2026-03".to_owned();
        return Err(BadBody { what: WHAT, detail });
    }
    Ok(RestBook { yes: levels(sides.yes_dollars)?, no: levels(sides.no_dollars)? })
}

fn levels(wire: Option<Vec<(Text<Price>, Text<Size>)>>) -> Result<Vec<Level>, BadBody> {
    let wire = wire.unwrap_or_default();
    let mut levels = Vec::with_capacity(wire.len());
    for (Text(price), Text(size)) in wire {
        if size < Size::default() {
            let detail = format!("{size} rest at {price}");
            return Err(BadBody { what: WHAT, detail });
        }
        if size > Size::default() {
            levels.push(Level { price, size });
        }
    }
    Ok(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_an_empty_book_is_empty_and_nothing_else_is() {
        let empty = [
            r#"{"orderbook":{}}"#,
            r#"{"orderbook_fp":{"yes_dollars":[],"no_dollars":[]}}"#,
            r#"{"orderbook_fp":{"yes_dollars":null,"no_dollars":null}}"#,
        ];
        for body in empty {
            assert_eq!(orderbook(body), Ok(RestBook::default()), "{body}");
        }
        let bad = [
            "",
            "{}",
            r#"{"orderbook_fp":null}"#,
            r#"{"orderbook":{"yes":[[8,300]]}}"#,
            r#"{"orderbook_fp":{"yes_dollars":[["0.43"]]}}"#,
            r#"{"orderbook_fp":{"yes_dollars":[["0.43","-1.00"]]}}"#,
        ];
        for body in bad {
            assert!(orderbook(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_book_is_brought_to_the_yes_leg() {
        let body = r#"{"orderbooks":[{"ticker":"A","orderbook_fp":{"yes_dollars":[["0.4700","3.00"],["0.4000","1.00"]],"no_dollars":[["0.4000","1.00"],["0.4800","2.00"]]}}]}"#;
        let (ticker, book) = orderbooks(body).unwrap().remove(0);
        let book = book.to_yes_leg();
        let units = |side: &[Level]| side.iter().map(|l| l.price.units()).collect::<Vec<_>>();
        assert_eq!((ticker.as_str(), units(&book.yes)), ("A", vec![4000, 4700]));
        assert_eq!(units(&book.no), [5200, 6000]);
    }
}
