//! A canonical book as JSON, with exact decimals as text; live, and at any moment of the record.

pub(crate) mod stored;
pub(crate) mod surface;

use exchange::{Level, Side};
use serde::Serialize;
use uuid::Uuid;

/// The answer of `GET /book/{ticker}`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Book {
    pub(crate) market_ticker: String,
    pub(crate) market_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) era: u16,
    pub(crate) clock: Option<u64>,
    pub(crate) ts_ms: i64,
    /// Bids, rising: price in dollars, contracts.
    pub(crate) yes: Vec<(String, String)>,
    /// Asks in yes-leg prices, rising.
    pub(crate) no: Vec<(String, String)>,
}

/// A book as the merge holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) ticker: String,
    pub(crate) market_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) era: u16,
    pub(crate) clock: Option<u64>,
    pub(crate) ts_ms: i64,
    pub(crate) book: exchange::Book,
    /// Whether a lane covers it: a market that nobody follows any more has none.
    pub(crate) covered: bool,
}

impl Held {
    pub(crate) fn of(market: &merge::MarketView<'_>) -> Self {
        let (yes, no) = (market.levels(Side::Yes), market.levels(Side::No));
        Self {
            ticker: market.ticker.to_owned(),
            market_id: market.market_id,
            seq: market.seq,
            era: market.era,
            clock: market.clock,
            ts_ms: market.ts_ms,
            book: exchange::Book::from_levels(&yes, &no),
            covered: !market.covering.is_empty(),
        }
    }

    pub(crate) fn shown(self) -> Book {
        let [yes, no] = stored::sides(&self.book);
        let Self { ticker, market_id, seq, era, clock, ts_ms, .. } = self;
        Book { market_ticker: ticker, market_id, seq, era, clock, ts_ms, yes, no }
    }
}

/// One side as text.
pub(crate) fn side(levels: &[Level]) -> Vec<(String, String)> {
    levels
        .iter()
        .map(|level| {
            let (price, size) = (level.price.units(), level.size.units());
            (
                format!("{}.{:04}", price / 10_000, price % 10_000),
                format!("{}.{:02}", size / 100, size % 100),
            )
        })
        .collect()
}

#[cfg(test)]
#[path = "book/tests.rs"]
mod point_in_time;

#[cfg(test)]
mod tests {
    use exchange::{Price, Size};

    use super::*;

    #[test]
    fn decimals_are_exact() {
        let price = Price::from_units(405).expect("within a dollar");
        let level = Level { price, size: Size::from_units(1_205) };
        assert_eq!(side(&[level]), [("0.0405".to_owned(), "12.05".to_owned())]);
    }
}
