//! `latest_book` against the true books at the end.

use std::collections::BTreeMap;

use super::book::{Book, LevelKey};
use super::report::{FaultKind, Report};
use super::truth::Truth;

/// What the oracle needs of a row of `latest_book`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatestRow {
    /// The market's ticker.
    pub market: String,
    /// The level.
    pub level: LevelKey,
    /// 1/100 contract.
    pub size: i64,
}

/// Compares every level of every market that the record knows.
pub fn check_latest<'a>(
    truth: &Truth,
    recorded: impl IntoIterator<Item = &'a str>,
    rows: Vec<LatestRow>,
    report: &mut Report,
) {
    report.count("latest levels", rows.len() as u64);
    let mut books: BTreeMap<String, Vec<(LevelKey, i64)>> = BTreeMap::new();
    for row in rows {
        books.entry(row.market).or_default().push((row.level, row.size));
    }
    for ticker in recorded {
        let shown = Book::from_levels(books.remove(ticker).unwrap_or_default());
        let due = truth.markets.get(ticker).map(super::MarketTruth::last_book).unwrap_or_default();
        if let Some(((side, price), due, found)) = due.first_difference(&shown) {
            report.fault(FaultKind::WrongLatest, || {
                format!("{ticker} {} {price}: true size {due}, found {found}", side.as_str())
            });
        }
    }
    for ticker in books.keys() {
        report.fault(FaultKind::WrongLatest, || format!("{ticker} is not in the record"));
    }
}
