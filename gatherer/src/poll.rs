//! Fetches one order book over REST, for an operator, and stores it apart from the feed in `orderbook_snapshots`.
//!
//! A REST book has no clock and cannot be placed in the stream: it is evidence, not an event.

use std::{error::Error, sync::Arc};

use exchange::{Level, rest::RestBook};
use schema::rows::{OrderbookSnapshot, Table as _, UnixMicros};
use serde::Serialize;
use service::clock::Clock;
use store::{Store, StoreError};

use crate::{
    rest::{Rest, RestError},
    rows::{price, size},
    telemetry,
};

/// Where books are asked for and stored.
pub(crate) struct Poller {
    pub(crate) gatherer_id: String,
    pub(crate) rest: Rest,
    /// `None`: there is no local ClickHouse.
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) clock: Clock,
}

/// Why a book was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    #[error("that is not a ticker")]
    BadTicker,
    #[error("there is no local ClickHouse to store it in (CLICKHOUSE_URL is none)")]
    NoStore,
    #[error("the exchange knows no such market")]
    Unknown,
    #[error("asking the exchange")]
    Rest(#[source] RestError),
    #[error("the exchange answered strangely")]
    Book(#[from] exchange::rest::BadBody),
    #[error("storing the book")]
    Store(#[from] StoreError),
}

/// What was stored.
#[derive(Serialize)]
pub(crate) struct Polled {
    ticker: String,
    snapshot_ts_us: i64,
    yes_levels: usize,
    no_levels: usize,
}

impl Poller {
    /// Fetches and stores the book of `ticker`.
    pub(crate) async fn poll(&self, ticker: &str) -> Result<Polled, PollError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if ticker.is_empty() || ticker.len() > 128 || !ticker.bytes().all(allowed) {
            return Err(PollError::BadTicker);
        }
        let store = self.store.as_ref().ok_or(PollError::NoStore)?;
        let body = match self.rest.get(&format!("/markets/{ticker}/orderbook"), &[]).await {
            Ok(body) => body,
            Err(RestError::Refused { status: 404, .. }) => return Err(PollError::Unknown),
            Err(error) => return Err(PollError::Rest(error)),
        };
        let received_ns = self.clock.wall_ns();
        let book = exchange::rest::orderbook(&body)?.to_yes_leg();
        let row = self.row(ticker, received_ns, &book);
        let token = format!("poll-{}-{ticker}-{received_ns}", self.gatherer_id);
        store.insert(OrderbookSnapshot::TABLE, std::slice::from_ref(&row), &token).await?;
        telemetry::market_polled(ticker, book.yes.len() + book.no.len());
        Ok(Polled {
            ticker: ticker.to_owned(),
            snapshot_ts_us: row.snapshot_ts.0,
            yes_levels: book.yes.len(),
            no_levels: book.no.len(),
        })
    }

    fn row(&self, ticker: &str, received_ns: i64, book: &RestBook) -> OrderbookSnapshot {
        let prices = |levels: &[Level]| levels.iter().map(|level| price(level.price)).collect();
        let sizes = |levels: &[Level]| levels.iter().map(|level| size(level.size)).collect();
        OrderbookSnapshot {
            snapshot_ts: UnixMicros(received_ns.div_euclid(1_000)),
            source: "rest".into(),
            ticker: ticker.into(),
            clock: 0,
            yes_prices: prices(&book.yes),
            yes_sizes: sizes(&book.yes),
            no_prices: prices(&book.no),
            no_sizes: sizes(&book.no),
            gatherer: self.gatherer_id.as_str().into(),
        }
    }
}

/// An error and what caused it, on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
