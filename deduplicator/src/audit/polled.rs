//! Books that were polled over REST are looked for in the record. A REST book has no clock, so it
//! must be the book at some moment in the seconds around its receipt.

use std::time::Duration;

use clickhouse::error::Error;
use exchange::{Book, Price, Side, Size};
use schema::rows::{self, EventType, OrderbookSnapshot, UnixMicros};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Audit;
use crate::book::stored::{book, book_at_seq, head_at, touches_a_hole};
use crate::book::surface::Past;
use crate::pipeline::{About, Question};

/// How long before its receipt a book may have been true: a cache, a slow answer, clocks apart.
const BEFORE_MS: i64 = 10_000;
/// How long after: a market that closes is empty over REST up to twelve seconds before the feed says so.
const AFTER_MS: i64 = 15_000;
/// Looked at so long after their receipt that everything around it is stored.
const RIPE_MS: i64 = 25_000;
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Of one look.
const BOOKS_MAX: u64 = 100;

#[derive(clickhouse::Row, Deserialize)]
struct Step {
    seq: u64,
    #[serde(rename = "type")]
    event_type: EventType,
    side: rows::Side,
    price: rows::Price,
    qty: rows::Size,
}

/// Looks until `stopping`, where there is a ClickHouse.
pub(crate) async fn run(audit: Audit, stopping: CancellationToken) -> anyhow::Result<()> {
    let Some(past) = audit.past.clone() else {
        stopping.cancelled().await;
        return Ok(());
    };
    let looks = async {
        let mut from_ms = audit.now_ms();
        loop {
            let every = LOOK_EVERY.min(audit.every);
            tokio::time::sleep(every).await;
            let to_ms = audit.now_ms() - RIPE_MS;
            if to_ms <= from_ms || !past.stored().await {
                continue;
            }
            match audit.look(&past, (from_ms, to_ms), every).await {
                Ok(()) => from_ms = to_ms,
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(component = "audit", event = "audit_failed", error);
                }
            }
        }
    };
    stopping.run_until_cancelled(looks).await;
    Ok(())
}

impl Audit {
    fn now_ms(&self) -> i64 {
        self.clock.wall_ns().div_euclid(1_000_000)
    }

    /// Compares the books received between two times, or so many of them that a round over all
    /// markets takes its time.
    async fn look(
        &self,
        past: &Past,
        (from_ms, to_ms): (i64, i64),
        every: Duration,
    ) -> Result<(), Error> {
        let markets = self.status.borrow().totals.canonical.markets as f64;
        let share = markets * every.as_secs_f64() / self.every.as_secs_f64().max(0.001);
        let polled: Vec<OrderbookSnapshot> = past
            .store
            .client()
            .query(
                "SELECT ?fields FROM orderbook_snapshots FINAL WHERE source = 'rest' \
                 AND snapshot_ts > fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
                 AND snapshot_ts <= fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
                 ORDER BY cityHash64(ticker, snapshot_ts) LIMIT ?",
            )
            .bind(from_ms)
            .bind(to_ms)
            .bind((share.ceil() as u64).clamp(1, BOOKS_MAX))
            .fetch_all()
            .await?;
        for shown in &polled {
            if !self.covers(&shown.ticker).await {
                continue;
            }
            let at_ms = millis(shown.snapshot_ts);
            match found(past, &shown.ticker, &levels(shown), at_ms).await? {
                None => {}
                Some(true) => self.tally.rest.checked("rest"),
                Some(false) => {
                    self.tally.rest.checked("rest");
                    let what = "a REST book was never the market's around its receipt";
                    self.tally.rest.differs("rest", &shown.ticker, what);
                    self.ask(&shown.ticker).await;
                }
            }
        }
        Ok(())
    }

    /// Whether the market is followed now; if not, a hole may be open that is not recorded yet.
    async fn covers(&self, ticker: &str) -> bool {
        let (answer, answered) = oneshot::channel();
        let question = Question::Book { about: About::Ticker(ticker.to_owned()), answer };
        self.questions.send(question).await.unwrap_or_default();
        answered.await.ok().flatten().is_some_and(|held| held.covered)
    }

    /// A REST book proves nothing: the exchange is asked on the feed.
    async fn ask(&self, ticker: &str) {
        let (answer, _) = oneshot::channel();
        let question =
            Question::Compare { about: About::Ticker(ticker.to_owned()), turn: 0, answer };
        self.questions.send(question).await.unwrap_or_default();
    }
}

fn millis(ts: UnixMicros) -> i64 {
    ts.0.div_euclid(1_000)
}

fn levels(shown: &OrderbookSnapshot) -> Book {
    let side = |side, prices: &[rows::Price], sizes: &[rows::Size]| {
        let levels = prices.iter().zip(sizes).map(|(price, size)| (side, *price, *size));
        levels.collect::<Vec<_>>()
    };
    let yes = side(rows::Side::Yes, &shown.yes_prices, &shown.yes_sizes);
    let no = side(rows::Side::No, &shown.no_prices, &shown.no_sizes);
    book(yes.into_iter().chain(no))
}

/// Whether a book was the market's at some moment around `at_ms`; `None`: the record does not say.
async fn found(past: &Past, ticker: &str, shown: &Book, at_ms: i64) -> Result<Option<bool>, Error> {
    let client = past.store.client();
    let (from_ms, to_ms) = (at_ms - BEFORE_MS, at_ms + AFTER_MS);
    let (first, last) =
        (head_at(client, ticker, from_ms).await?, head_at(client, ticker, to_ms).await?);
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    if touches_a_hole(client, ticker, (from_ms, to_ms)).await? {
        return Ok(None);
    }
    let Some(before) = book_at_seq(client, ticker, first.seq).await? else { return Ok(None) };
    if before == *shown {
        return Ok(Some(true));
    }
    let steps: Vec<Step> = client
        .query(
            "SELECT seq, type, side, price, qty FROM orderbook_events FINAL \
             WHERE market_ticker = ? AND seq > ? AND seq <= ? ORDER BY seq, side, price",
        )
        .bind(ticker)
        .bind(first.seq)
        .bind(last.seq)
        .fetch_all()
        .await?;
    Ok(Some(passes_through(before, &steps, shown)))
}

/// Whether a book becomes another one at the end of some event.
fn passes_through(mut book: Book, steps: &[Step], shown: &Book) -> bool {
    for event in steps.chunk_by(|a, b| a.seq == b.seq) {
        if event[0].event_type == EventType::Snapshot {
            let rows = event.iter().filter(|step| step.qty.0 > 0);
            book = self::book(rows.map(|step| (step.side, step.price, step.qty)));
        } else {
            for step in event {
                let side = match step.side {
                    rows::Side::Yes => Side::Yes,
                    rows::Side::No => Side::No,
                };
                let price = u16::try_from(step.price.0).ok().and_then(Price::from_units);
                let Some(price) = price else { continue };
                // A level below zero is the other comparisons' to find.
                book.change(side, price, Size::from_units(step.qty.0)).unwrap_or_default();
            }
        }
        if book == *shown {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use exchange::Level;

    use super::*;

    fn step(seq: u64, event_type: EventType, price: i32, qty: i64) -> Step {
        Step {
            seq,
            event_type,
            side: rows::Side::Yes,
            price: rows::Price(price),
            qty: rows::Size(qty),
        }
    }

    fn yes(levels: &[(u16, i64)]) -> Book {
        let level = |(price, size): &(u16, i64)| Level {
            price: Price::from_units(*price).expect("a price"),
            size: Size::from_units(*size),
        };
        Book::from_levels(&levels.iter().map(level).collect::<Vec<_>>(), &[])
    }

    #[test]
    fn a_book_is_found_at_any_event_and_only_there() {
        use EventType::{Delta, Snapshot};
        let steps = [
            step(5, Delta, 100, 7),
            step(6, Delta, 200, 3),
            step(7, Snapshot, 300, 1),
            step(7, Snapshot, 400, 2),
            step(8, Snapshot, 0, 0),
            step(9, Delta, 100, 4),
        ];
        for book in
            [&[(100, 12)][..], &[(100, 12), (200, 3)], &[(300, 1), (400, 2)], &[], &[(100, 4)]]
        {
            assert!(passes_through(yes(&[(100, 5)]), &steps, &yes(book)), "{book:?}");
        }
        for book in [&[(100, 7)][..], &[(300, 1)], &[(100, 16)]] {
            assert!(!passes_through(yes(&[(100, 5)]), &steps, &yes(book)), "{book:?}");
        }
    }
}
