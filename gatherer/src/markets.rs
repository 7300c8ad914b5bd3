//! Which markets there are to capture: what was asked for, looked up at the exchange.

use std::{collections::BTreeSet, time::Duration};

use exchange::rest::{BadBody, markets_page};
use tokio::time::timeout;

use crate::{
    choice::Choice,
    rest::{Rest, RestError},
    telemetry,
};

/// The most one page may hold, by the exchange.
const PAGE_MAX: &str = "1000";

/// A list that does not end is a fault of the server; the exchange has some ten thousand open markets.
const PAGES_MAX: usize = 1_000;

/// Tickers asked about in one request: the URL stays under 8 KB.
const ASKED_MAX: usize = 100;

/// The start does not wait longer for REST: the feed is what matters.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(15);

/// Why the markets are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarketsError {
    #[error("MARKET_TICKERS: the exchange knows no market {0}")]
    Unknown(String),
    #[error("asking the exchange for its markets")]
    Rest(#[from] RestError),
    #[error("the exchange's list of markets is not understood")]
    Page(#[from] BadBody),
    #[error("the exchange's list of markets has no end after {PAGES_MAX} pages")]
    Endless,
    #[error("the exchange's list of markets did not come within {FIRST_LOOK_MAX:?}")]
    Slow,
}

/// The markets to begin with. If the exchange does not answer, what was listed by name is taken as it stands.
///
/// # Errors
/// When the exchange says that a ticker does not exist, or refuses our key.
pub(crate) async fn first_look(
    rest: &Rest,
    choice: &Choice,
) -> Result<BTreeSet<String>, MarketsError> {
    let look = async {
        for asked in chunks(&choice.tickers) {
            check(rest, &asked).await?;
        }
        listed(rest, choice).await
    };
    match timeout(FIRST_LOOK_MAX, look).await.unwrap_or(Err(MarketsError::Slow)) {
        Err(error @ MarketsError::Unknown(_)) => Err(error),
        Err(MarketsError::Rest(error)) if !error.is_transient() => Err(error.into()),
        Err(error) => {
            telemetry::rest_failed("markets", &error.into());
            Ok(choice.tickers.clone())
        }
        Ok(found) => {
            if found.is_empty() {
                telemetry::no_markets(choice);
            }
            Ok(found)
        }
    }
}

/// The markets to capture now.
pub(crate) async fn listed(rest: &Rest, choice: &Choice) -> Result<BTreeSet<String>, MarketsError> {
    let mut found = choice.tickers.clone();
    if choice.is_open_ended() {
        let query = [("status", "open"), ("limit", PAGE_MAX)];
        found.extend(pages(rest, &query).await?.into_iter().filter(|ticker| choice.wants(ticker)));
    }
    Ok(found)
}

async fn check(rest: &Rest, asked: &[&str]) -> Result<(), MarketsError> {
    let query = [("tickers", &*asked.join(",")), ("limit", PAGE_MAX)];
    let known: BTreeSet<String> = pages(rest, &query).await?.into_iter().collect();
    match asked.iter().find(|ticker| !known.contains(**ticker)) {
        Some(unknown) => Err(MarketsError::Unknown((*unknown).to_owned())),
        None => Ok(()),
    }
}

fn chunks(tickers: &BTreeSet<String>) -> Vec<Vec<&str>> {
    let all: Vec<&str> = tickers.iter().map(String::as_str).collect();
    all.chunks(ASKED_MAX).map(<[&str]>::to_vec).collect()
}

async fn pages(rest: &Rest, query: &[(&str, &str)]) -> Result<Vec<String>, MarketsError> {
    let mut tickers = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = query.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = markets_page(&rest.get("/markets", &query).await?)?;
        tickers.extend(page.markets.into_iter().map(|market| market.ticker));
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(tickers);
        }
    }
    Err(MarketsError::Endless)
}
