//! A book as the stored record has it: at a number, or at a moment. What a moment means: the last
//! event in the order of `seq` whose time is not after it, and everything before that event.

use clickhouse::Client;
use clickhouse::error::Error;
use exchange::{Book, Level, Side};
use schema::rows::{self, Price, Size, UnixMillis};
use serde::Deserialize;
use uuid::Uuid;

/// The event that a book is as of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clickhouse::Row, Deserialize)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) era: u16,
    pub(crate) clock: u64,
    pub(crate) ts: UnixMillis,
    #[serde(with = "clickhouse::serde::uuid")]
    pub(crate) market_id: Uuid,
}

/// A hole that covers a moment: what is known of the book there is from before the hole.
#[derive(Clone, PartialEq, Eq, Debug, clickhouse::Row, Deserialize)]
pub(crate) struct Hole {
    pub(crate) era: u16,
    pub(crate) from_clock: u64,
    pub(crate) to_clock: u64,
    pub(crate) from_ts: UnixMillis,
    pub(crate) to_ts: UnixMillis,
    pub(crate) cause: String,
    pub(crate) state: String,
}

/// What was told in a hole of this cause was false.
const REFUTED: &str = "divergence";

impl Hole {
    /// Whether events lie in it that are not to be used.
    fn is_refuted(&self) -> bool {
        self.cause == REFUTED
    }
}

#[derive(clickhouse::Row, Deserialize)]
struct Resting {
    side: rows::Side,
    price: Price,
    size: Size,
}

/// The market's last event that is not after `at_ms`; `None`: nothing is known of it then.
pub(crate) async fn head_at(
    client: &Client,
    ticker: &str,
    at_ms: i64,
) -> Result<Option<Head>, Error> {
    client
        .query(
            "SELECT seq, era, clock, ts, market_id FROM orderbook_events WHERE market_ticker = ? \
             AND ts <= fromUnixTimestamp64Milli(toInt64(?), 'UTC') ORDER BY seq DESC LIMIT 1",
        )
        .bind(ticker)
        .bind(at_ms)
        .fetch_optional()
        .await
}

/// The event that the book at a moment is as of, and the hole that covers the moment: what was told in a
/// hole that refuted it is passed over. `None`: nothing is known of the market then.
pub(crate) async fn standing_at(
    client: &Client,
    ticker: &str,
    at_ms: i64,
) -> Result<Option<(Head, Option<Hole>)>, Error> {
    let Some(head) = head_at(client, ticker, at_ms).await? else { return Ok(None) };
    let hole = hole_at(client, ticker, at_ms).await?;
    let head = match hole.as_ref().filter(|hole| hole.is_refuted()) {
        Some(refuted) => head_before(client, ticker, (&head, refuted)).await?,
        None => Some(head),
    };
    Ok(head.map(|head| (head, hole)))
}

/// The market's last event up to `head` that a refuted stretch has left standing.
async fn head_before(
    client: &Client,
    ticker: &str,
    (head, hole): (&Head, &Hole),
) -> Result<Option<Head>, Error> {
    client
        .query(
            "SELECT seq, era, clock, ts, market_id FROM orderbook_events WHERE market_ticker = ? \
             AND seq <= ? AND (era < ? OR (era = ? AND clock <= ?)) ORDER BY seq DESC LIMIT 1",
        )
        .bind(ticker)
        .bind(head.seq)
        .bind(hole.era)
        .bind(hole.era)
        .bind(hole.from_clock)
        .fetch_optional()
        .await
}

/// The book after the event `seq`; `None`: no snapshot up to there is stored.
pub(crate) async fn book_at_seq(
    client: &Client,
    ticker: &str,
    seq: u64,
) -> Result<Option<Book>, Error> {
    let base: u64 = client
        .query(
            "SELECT max(seq) FROM orderbook_events \
             WHERE market_ticker = ? AND seq <= ? AND type = 'snapshot'",
        )
        .bind(ticker)
        .bind(seq)
        .fetch_one()
        .await?;
    if base == 0 {
        return Ok(None);
    }
    let resting: Vec<Resting> = client
        .query(
            "SELECT side, price, CAST(sum(qty) AS Decimal(18, 2)) AS size \
             FROM orderbook_events FINAL WHERE market_ticker = ? AND seq >= ? AND seq <= ? \
             GROUP BY side, price HAVING sum(qty) > 0",
        )
        .bind(ticker)
        .bind(base)
        .bind(seq)
        .fetch_all()
        .await?;
    Ok(Some(book(resting.iter().map(|level| (level.side, level.price, level.size)))))
}

/// The hole that covers a moment, if one does.
async fn hole_at(client: &Client, ticker: &str, at_ms: i64) -> Result<Option<Hole>, Error> {
    client
        .query(
            "SELECT era, from_clock, to_clock, from_ts, to_ts, toString(cause) AS cause, \
             toString(state) AS state FROM gaps FINAL WHERE market_ticker = ? \
             AND from_ts <= fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
             AND to_ts > fromUnixTimestamp64Milli(toInt64(?), 'UTC') ORDER BY from_ts DESC LIMIT 1",
        )
        .bind(ticker)
        .bind(at_ms)
        .bind(at_ms)
        .fetch_optional()
        .await
}

/// Whether something is missing anywhere in a span.
pub(crate) async fn touches_a_hole(
    client: &Client,
    ticker: &str,
    (from_ms, to_ms): (i64, i64),
) -> Result<bool, Error> {
    let holes: u64 = client
        .query(
            "SELECT count() FROM gaps FINAL WHERE market_ticker = ? AND cause != 'covered_again' \
             AND from_ts <= fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
             AND to_ts >= fromUnixTimestamp64Milli(toInt64(?), 'UTC')",
        )
        .bind(ticker)
        .bind(to_ms)
        .bind(from_ms)
        .fetch_one()
        .await?;
    Ok(holes > 0)
}

/// A book of stored levels; what cannot be a level is left out, and shows as a difference.
pub(crate) fn book(levels: impl Iterator<Item = (rows::Side, Price, Size)>) -> Book {
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for (side, price, size) in levels {
        let price = u16::try_from(price.0).ok().and_then(exchange::Price::from_units);
        let Some(price) = price else { continue };
        let level = Level { price, size: exchange::Size::from_units(size.0) };
        match side {
            rows::Side::Yes => yes.push(level),
            rows::Side::No => no.push(level),
        }
    }
    Book::from_levels(&yes, &no)
}

/// Both sides, as an answer shows them.
pub(crate) fn sides(book: &Book) -> [Vec<(String, String)>; 2] {
    [Side::Yes, Side::No].map(|side| super::side(book.levels(side)))
}
