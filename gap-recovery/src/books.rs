//! Order books over REST: stored apart from the stream, and compared with the canonical one.

use anyhow::{Context as _, bail};
use clickhouse::Row;
use exchange::rest::RestBook;
use exchange::{Book, Level, Price, Side, Size};
use schema::rows::{self, OrderbookSnapshot, Table as _, UnixMicros};
use serde::Deserialize;
use store::Store;
use uuid::Uuid;

use crate::commands::Tools;

/// Who asked, in the rows of this program.
const ASKED_BY: &str = "gap-recovery";

/// Fetches and stores one book; says how many levels its sides have.
pub(crate) async fn poll(tools: &Tools<'_>, ticker: &str) -> anyhow::Result<(u64, u64)> {
    let Some(book) = tools.exchange.book(ticker).await? else {
        bail!("the exchange knows no such market");
    };
    let row = row(ticker, tools.now_us(), &book);
    let token = format!("gap-recovery/{}", Uuid::new_v4());
    let rows = std::slice::from_ref(&row);
    tools
        .store
        .insert(OrderbookSnapshot::TABLE, rows, &token)
        .await
        .context("cannot write the book")?;
    Ok((book.yes.len() as u64, book.no.len() as u64))
}

/// Whether a book over REST is stored that was received then or later.
pub(crate) async fn is_stored(store: &Store, ticker: &str, since_ms: i64) -> anyhow::Result<bool> {
    let sql = format!(
        "SELECT count() FROM orderbook_snapshots WHERE ticker = ? AND source = 'rest' \
         AND snapshot_ts >= fromUnixTimestamp64Milli(toInt64({since_ms}), 'UTC')"
    );
    let query = store.client().query(&sql).bind(ticker);
    Ok(query.fetch_one::<u64>().await.context("cannot read orderbook_snapshots")? > 0)
}

fn row(ticker: &str, now_us: i64, book: &RestBook) -> OrderbookSnapshot {
    let prices = |levels: &[Level]| {
        levels.iter().map(|level| rows::Price(i32::from(level.price.units()))).collect()
    };
    let sizes =
        |levels: &[Level]| levels.iter().map(|level| rows::Size(level.size.units())).collect();
    OrderbookSnapshot {
        snapshot_ts: UnixMicros(now_us),
        source: "rest".into(),
        ticker: ticker.into(),
        clock: 0,
        yes_prices: prices(&book.yes),
        yes_sizes: sizes(&book.yes),
        no_prices: prices(&book.no),
        no_sizes: sizes(&book.no),
        gatherer: ASKED_BY.into(),
    }
}

/// A row of the canonical stream, as far as a book needs it.
#[derive(Clone, Debug, Row, Deserialize)]
pub(crate) struct Step {
    kind: i8,
    seq: u64,
    at_side: i8,
    price: i32,
    qty: i64,
    received_us: i64,
}

/// What a comparison showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Likeness {
    /// The canonical book was so at some moment of the window.
    Equal,
    /// It never was.
    Different,
    /// The record has no book of this market.
    NoBook,
}

/// Whether the canonical book of `ticker` was `book` at some moment between two receipts. A REST
/// book carries no time of its own, so any moment around its answer will do.
pub(crate) async fn compare(
    store: &Store,
    ticker: &str,
    book: &RestBook,
    (from_us, to_us): (i64, i64),
) -> anyhow::Result<Likeness> {
    let time = |us: i64| format!("fromUnixTimestamp64Micro(toInt64({us}), 'UTC')");
    let sql = format!(
        "SELECT toInt8(type) AS kind, seq, toInt8(side) AS at_side, price, qty, \
         toUnixTimestamp64Micro(ingest_ts) AS received_us FROM orderbook_events FINAL \
         WHERE market_ticker = ? AND ingest_ts <= {} AND seq >= (SELECT max(seq) FROM orderbook_events \
         WHERE market_ticker = ? AND type = 'snapshot' AND ingest_ts <= {}) \
         ORDER BY seq, side, price",
        time(to_us),
        time(from_us)
    );
    let query = store.client().query(&sql).bind(ticker).bind(ticker);
    let steps = query.fetch_all::<Step>().await.context("cannot read the canonical book")?;
    was(&steps, &Book::from_levels(&book.yes, &book.no), from_us)
}

/// Walks the steps; compares the book as of `from_us` and every one after it.
fn was(steps: &[Step], wanted: &Book, from_us: i64) -> anyhow::Result<Likeness> {
    let Some(first) = steps.first() else { return Ok(Likeness::NoBook) };
    anyhow::ensure!(first.kind == 1, "the stream begins with a delta at seq {}", first.seq);
    let mut book = Book::new();
    for (at, group) in steps.chunk_by(|a, b| a.seq == b.seq).enumerate() {
        // The book before this event still stood when the window opened.
        if at > 0 && group[0].received_us > from_us && book == *wanted {
            return Ok(Likeness::Equal);
        }
        if group[0].kind == 1 {
            book = Book::new();
        }
        for step in group {
            apply(&mut book, step).with_context(|| format!("seq {}", step.seq))?;
        }
    }
    Ok(if book == *wanted { Likeness::Equal } else { Likeness::Different })
}

fn apply(book: &mut Book, step: &Step) -> anyhow::Result<()> {
    let side = if step.at_side == 1 { Side::Yes } else { Side::No };
    let price = u16::try_from(step.price).ok().and_then(Price::from_units);
    let price = price.with_context(|| format!("no price: {}", step.price))?;
    book.change(side, price, Size::from_units(step.qty))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: i8, seq: u64, price: i32, qty: i64, received_us: i64) -> Step {
        Step { kind, seq, at_side: 1, price, qty, received_us }
    }

    fn book(levels: &[(u16, i64)]) -> Book {
        let level = |&(price, size): &(u16, i64)| Level {
            price: Price::from_units(price).unwrap(),
            size: Size::from_units(size),
        };
        Book::from_levels(&levels.iter().map(level).collect::<Vec<_>>(), &[])
    }

    #[test]
    fn a_book_is_equal_if_it_stood_at_some_moment_of_the_window() {
        let steps = [
            step(1, 1, 4_000, 500, 10),
            step(1, 1, 5_000, 100, 10),
            step(2, 2, 5_000, 50, 20),
            step(2, 3, 5_000, -150, 30),
            step(1, 4, 6_000, 700, 40),
        ];
        let check =
            |from_us: i64, levels: &[(u16, i64)]| was(&steps, &book(levels), from_us).unwrap();
        assert_eq!(check(25, &[(4_000, 500), (5_000, 150)]), Likeness::Equal, "as it opened");
        assert_eq!(check(25, &[(4_000, 500)]), Likeness::Equal);
        assert_eq!(check(25, &[(6_000, 700)]), Likeness::Equal, "a snapshot replaces");
        assert_eq!(check(25, &[(4_000, 500), (5_000, 100)]), Likeness::Different, "too early");
        assert_eq!(check(35, &[(4_000, 500), (5_000, 150)]), Likeness::Different);
        assert_eq!(was(&[], &book(&[]), 0).unwrap(), Likeness::NoBook);
        assert!(was(&steps[2..], &book(&[]), 0).is_err(), "a stream cannot begin with a delta");
        let negative = [step(1, 1, 4_000, 500, 10), step(2, 2, 4_000, -600, 20)];
        assert!(was(&negative, &book(&[]), 0).is_err());
    }
}
