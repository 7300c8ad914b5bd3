//! Which markets the exchange lists: read page by page, so that fifty megabytes of answers are never held at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use exchange::{
    parse_rfc3339_ms,
    rest::{Market, MarketsPage, MarketsQuery, markets_page, request},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    choice::Choice,
    rest::{Rest, RestError},
    telemetry,
    universe::Listed,
};

/// The most one page may hold, by the exchange.
const PAGE_MAX: u32 = 1_000;

/// A list that does not end is a fault of the server; the exchange has some ten thousand open markets.
const PAGES_MAX: usize = 1_000;

/// Tickers asked about in one request: the URL stays under 8 KB.
const ASKED_MAX: usize = 100;

/// The start does not wait longer for REST: the feed is what matters.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(15);

/// A list that failed, and one that was asked for out of turn, wait this long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Whole lists on their way to the connections. Policy wait: an old list is taken in before the next is made.
pub(crate) const LISTS_MAX: usize = 1;

/// Why the markets are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarketsError {
    #[error("MARKET_TICKERS: the exchange knows no market {0}")]
    Unknown(String),
    #[error(
        "MARKET_TICKERS: all of them are settled and in the exchange's archive; nothing is left to capture"
    )]
    AllArchived,
    #[error("asking the exchange for its markets")]
    Rest(#[from] RestError),
    #[error("the exchange's list of markets has no end after {PAGES_MAX} pages")]
    Endless,
    #[error("the exchange's list of markets did not come within {FIRST_LOOK_MAX:?}")]
    Slow,
}

/// What the exchange says of its markets before anything is captured.
#[derive(Default)]
pub(crate) struct Look {
    /// `None`: it does not answer; what was asked for by name is taken as it stands.
    pub(crate) listed: Option<Vec<Listed>>,
    /// Asked for by name, and settled so long ago that there is no feed of them.
    pub(crate) archived: BTreeSet<String>,
}

/// The first look.
///
/// # Errors
/// When the exchange says that a ticker does not exist or that all are in its archive, or refuses our key.
pub(crate) async fn first_look(rest: &Rest, choice: &Choice) -> Result<Look, MarketsError> {
    let look = async {
        let archived = check(rest, &choice.tickers).await?;
        let open_ended = choice.is_open_ended();
        if !open_ended && archived.len() == choice.tickers.len() {
            return Err(MarketsError::AllArchived);
        }
        let list = if open_ended { list(rest, choice).await? } else { Vec::new() };
        Ok(Look { listed: Some(list), archived })
    };
    match timeout(FIRST_LOOK_MAX, look).await.unwrap_or(Err(MarketsError::Slow)) {
        Err(error @ (MarketsError::Unknown(_) | MarketsError::AllArchived)) => Err(error),
        Err(MarketsError::Rest(error)) if !error.is_transient() => Err(error.into()),
        Err(error) => {
            telemetry::rest_failed("markets", &error.into());
            Ok(Look::default())
        }
        Ok(look) => {
            telemetry::markets::archived(&look.archived);
            Ok(look)
        }
    }
}

/// Lists again and again: every `every`, soon after `now` was called, and soon after a failure.
///
/// # Errors
/// Never; the type is that of a part.
pub(crate) async fn keep_listing(
    rest: Rest,
    choice: Choice,
    (every, mut fresh): (Duration, bool),
    (lists, now): (mpsc::Sender<Vec<Listed>>, Arc<Notify>),
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    if !choice.is_open_ended() {
        stopping.cancelled().await;
        return Ok(());
    }
    let pause = AGAIN_AFTER.min(every);
    let rounds = async {
        loop {
            // A call waits too: what made it necessary may still be going on.
            sleep(pause).await;
            if fresh {
                drop(timeout(every.saturating_sub(pause), now.notified()).await);
            }
            match list(&rest, &choice).await {
                Ok(list) => {
                    fresh = true;
                    if list.is_empty() {
                        telemetry::no_markets(&choice);
                    }
                    if lists.send(list).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    fresh = false;
                    telemetry::rest_failed("markets", &error.into());
                }
            }
        }
    };
    stopping.run_until_cancelled(rounds).await;
    Ok(())
}

/// Every market that is open, and every one that will open, of those that were asked for.
async fn list(rest: &Rest, choice: &Choice) -> Result<Vec<Listed>, MarketsError> {
    let mve_filter = (!choice.takes_combinations()).then_some("exclude");
    let mut found = Vec::new();
    for (status, is_open) in [("unopened", false), ("open", true)] {
        let query = MarketsQuery { status: Some(status), mve_filter, ..MarketsQuery::default() };
        pages(rest, query, |market| {
            if choice.wants(&market.ticker) {
                found.push(listed(&market, is_open));
            }
        })
        .await?;
    }
    Ok(found)
}

fn listed(market: &Market, is_open: bool) -> Listed {
    let seconds =
        |time: &Option<String>| Some(parse_rfc3339_ms(time.as_deref()?)?.div_euclid(1_000));
    Listed {
        ticker: Arc::from(market.ticker.as_str()),
        is_open,
        open_ts: seconds(&market.open_time),
        close_ts: seconds(&market.close_time),
    }
}

/// Whether the exchange knows them all; those that it knows in its archive only.
async fn check(rest: &Rest, asked: &BTreeSet<String>) -> Result<BTreeSet<String>, MarketsError> {
    let mut archived = BTreeSet::new();
    let asked: Vec<String> = asked.iter().cloned().collect();
    for tickers in asked.chunks(ASKED_MAX) {
        let mut known = BTreeSet::new();
        let query = MarketsQuery { tickers, ..MarketsQuery::default() };
        pages(rest, query, |market| {
            known.insert(market.ticker);
        })
        .await?;
        for ticker in tickers.iter().filter(|ticker| !known.contains(*ticker)) {
            match rest.body(&request::historical_market(ticker)).await {
                Ok(_) => drop(archived.insert(ticker.clone())),
                Err(error) if error.is_not_found() => {
                    return Err(MarketsError::Unknown(ticker.clone()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(archived)
}

async fn pages(
    rest: &Rest,
    query: MarketsQuery<'_>,
    mut take: impl FnMut(Market),
) -> Result<(), MarketsError> {
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let limit = Some(PAGE_MAX);
        let query = MarketsQuery { limit, cursor: cursor.as_deref(), ..query.clone() };
        let page: MarketsPage = rest.get(&request::markets(&query), markets_page).await?;
        page.markets.into_iter().for_each(&mut take);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
    Err(MarketsError::Endless)
}
