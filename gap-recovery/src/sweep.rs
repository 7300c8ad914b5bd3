//! Reads everything that the exchange gives for a question and compares it with what is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use exchange::rest::RestTrade;
use serde_json::json;

use crate::audit::{BEGUN, Done};
use crate::commands::Tools;
use crate::fetch::Pages;
use crate::plan::{Question, Span};
use crate::rest::AskError;
use crate::trades;
use crate::verdict::TradesAnswer;

/// What was found for one span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// Trades that the exchange gave.
    pub(crate) trades: u64,
    /// Those of them that were not stored.
    pub(crate) missing: u64,
    /// Those of them that were stored now; one that lies in two spans counts for the first.
    pub(crate) stored: u64,
    pub(crate) answer: TradesAnswer,
}

/// What was found for the spans of a question, in their order.
pub(crate) struct Swept {
    pub(crate) found: Vec<Found>,
    /// Trades that were stored.
    pub(crate) written: u64,
    /// Why the exchange was not read to the end.
    pub(crate) error: Option<AskError>,
}

/// Nothing was asked.
pub(crate) const NOTHING: Found =
    Found { trades: 0, missing: 0, stored: 0, answer: TradesAnswer::Failed };

/// Sweeps the spans of `question`; what is missing is stored page by page if `is_writing`, so that
/// memory is bounded by a page.
///
/// # Errors
/// When the store or the audit fails; that the exchange failed is in the answer.
pub(crate) async fn sweep(
    tools: &Tools<'_>,
    question: &Question,
    spans: &[&Span],
    is_writing: bool,
) -> anyhow::Result<Swept> {
    let mut counts = Counts::of(spans);
    let mut swept = Swept { found: Vec::new(), written: 0, error: None };
    let mut pages = Pages::of(&tools.exchange, question);
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                swept.error = Some(error);
                break;
            }
        };
        let page: Vec<RestTrade> = page.into_iter().filter(|trade| counts.wants(trade)).collect();
        counts.add(&page, |found| found.trades += 1);
        let missing = trades::missing(&tools.store, page).await?;
        counts.add(&missing, |found| found.missing += 1);
        if is_writing && !missing.is_empty() {
            keep(tools, &missing).await?;
            counts.add_once(&missing, |found| found.stored += 1);
            swept.written += missing.len() as u64;
        }
    }
    if swept.error.is_none() {
        // Silence about a market means nothing unless the exchange knows it.
        match tools.exchange.known(&counts.silent()).await {
            Ok(known) => counts.answered(&known.into_iter().map(|(ticker, _)| ticker).collect()),
            Err(error) => swept.error = Some(error),
        }
    }
    swept.found = counts.found;
    Ok(swept)
}

/// Stores a page of missing trades. The audit hears of it before, market by market, so that no end of
/// this program leaves a trade that it does not mention.
async fn keep(tools: &Tools<'_>, missing: &[RestTrade]) -> anyhow::Result<()> {
    let now_us = tools.now_us();
    for (ticker, (rows, from_ms, to_ms)) in by_market(missing) {
        let begun = Done {
            action: "trades",
            ticker: Some(ticker),
            span_ms: Some((from_ms, to_ms)),
            outcome: BEGUN,
            rows,
            // By their `ingest_ts` one finds the very rows.
            detail: json!({"ingest_us": now_us}),
        };
        tools.audit.record(begun, &tools.config.by, now_us.div_euclid(1_000)).await?;
    }
    trades::store(&tools.store, missing, now_us).await
}

/// How many trades each market has, and when its first and its last was.
fn by_market(trades: &[RestTrade]) -> BTreeMap<&str, (u64, i64, i64)> {
    let mut markets: BTreeMap<&str, (u64, i64, i64)> = BTreeMap::new();
    for trade in trades {
        let at = trade.created_ms;
        let (rows, from_ms, to_ms) = markets.entry(&trade.ticker).or_insert((0, at, at));
        *rows += 1;
        (*from_ms, *to_ms) = (at.min(*from_ms), at.max(*to_ms));
    }
    markets
}

/// What is counted for each span.
struct Counts<'a> {
    spans: &'a [&'a Span],
    by_ticker: HashMap<&'a str, Vec<usize>>,
    found: Vec<Found>,
}

impl<'a> Counts<'a> {
    fn of(spans: &'a [&'a Span]) -> Self {
        let mut by_ticker: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            by_ticker.entry(&span.ticker).or_default().push(at);
        }
        Self { spans, by_ticker, found: vec![NOTHING; spans.len()] }
    }

    /// The spans that a trade lies in, by their places.
    fn places(&self, trade: &RestTrade) -> impl Iterator<Item = usize> {
        let of_market = self.by_ticker.get(trade.ticker.as_str()).into_iter().flatten().copied();
        let created_ms = trade.created_ms;
        of_market.filter(move |&at| {
            let span = self.spans[at];
            (span.from_ms..=span.to_ms).contains(&created_ms)
        })
    }

    /// A question about all markets is answered with much that nobody asked for.
    fn wants(&self, trade: &RestTrade) -> bool {
        self.places(trade).next().is_some()
    }

    /// For every span that a trade lies in.
    fn add(&mut self, trades: &[RestTrade], add: impl Fn(&mut Found)) {
        for trade in trades {
            let places: Vec<usize> = self.places(trade).collect();
            places.into_iter().for_each(|at| add(&mut self.found[at]));
        }
    }

    /// For the first span that a trade lies in.
    fn add_once(&mut self, trades: &[RestTrade], add: impl Fn(&mut Found)) {
        for trade in trades {
            let place = self.places(trade).next();
            place.into_iter().for_each(|at| add(&mut self.found[at]));
        }
    }

    fn silent(&self) -> Vec<String> {
        let silent = self.spans.iter().zip(&self.found).filter(|(_, found)| found.trades == 0);
        let tickers: BTreeSet<&str> = silent.map(|(span, _)| span.ticker.as_str()).collect();
        tickers.into_iter().map(str::to_owned).collect()
    }

    /// Everything was read to the end; `known` are those of the silent that the exchange knows.
    fn answered(&mut self, known: &BTreeSet<String>) {
        for (span, found) in self.spans.iter().zip(&mut self.found) {
            let is_known = found.trades > 0 || known.contains(&span.ticker);
            found.answer = if is_known { TradesAnswer::Complete } else { TradesAnswer::Unknown };
        }
    }
}

#[cfg(test)]
mod tests {
    use exchange::{Price, Side, Size};
    use uuid::Uuid;

    use super::*;

    fn trade(ticker: &str, created_ms: i64) -> RestTrade {
        let price = Price::from_units(5_000).unwrap();
        RestTrade {
            trade_id: Uuid::nil(),
            ticker: ticker.to_owned(),
            yes_price: price,
            no_price: price,
            count: Size::from_units(100),
            taker: Side::Yes,
            is_block_trade: None,
            created_ms,
        }
    }

    #[test]
    fn a_trade_counts_for_every_span_of_its_market_that_it_lies_in() {
        let span =
            |ticker: &str, from_ms, to_ms| Span { ticker: ticker.to_owned(), from_ms, to_ms };
        let spans = [span("A", 0, 10), span("A", 10, 20), span("B", 0, 20), span("C", 0, 20)];
        let spans: Vec<&Span> = spans.iter().collect();
        let mut counts = Counts::of(&spans);
        assert!(!counts.wants(&trade("D", 5)));
        counts.add_once(&[trade("A", 10), trade("A", 11)], |found| found.stored += 1);
        let stored: Vec<u64> = counts.found.iter().map(|found| found.stored).collect();
        assert_eq!(stored, [1, 1, 0, 0], "no trade is counted twice");
        counts.add(&[trade("A", 10), trade("A", 21), trade("B", 11)], |found| found.trades += 1);
        let trades: Vec<u64> = counts.found.iter().map(|found| found.trades).collect();
        assert_eq!(trades, [1, 1, 1, 0]);
        assert_eq!(counts.silent(), ["C"]);
        counts.answered(&BTreeSet::new());
        assert_eq!(counts.found[2].answer, TradesAnswer::Complete);
        assert_eq!(counts.found[3].answer, TradesAnswer::Unknown);
        counts.answered(&["C".to_owned()].into());
        assert_eq!(counts.found[3].answer, TradesAnswer::Complete);
    }

    #[test]
    fn a_trade_outside_of_every_span_of_its_market_is_not_wanted() {
        let span = |from_ms, to_ms| Span { ticker: "A".to_owned(), from_ms, to_ms };
        let (first, second) = (span(0, 10), span(20, 30));
        let spans = [&first, &second];
        let counts = Counts::of(&spans);
        let wanted = [(-1, false), (0, true), (10, true), (11, false), (20, true), (31, false)];
        for (created_ms, is_wanted) in wanted {
            assert_eq!(counts.wants(&trade("A", created_ms)), is_wanted, "{created_ms}");
        }
    }

    #[test]
    fn the_intent_is_told_market_by_market() {
        let trades = [trade("B", 7), trade("A", 9), trade("B", 5)];
        let told: Vec<_> = by_market(&trades).into_iter().collect();
        assert_eq!(told, [("A", (1, 9, 9)), ("B", (2, 5, 7))]);
    }
}
