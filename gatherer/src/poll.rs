//! Fetches order books over REST, all that are carried in rounds and one when an operator asks, and keeps the answers in
//! the spool as they came; from there they reach `orderbook_snapshots`, here and at the deduplicator.
//!
//! A REST book has no clock and cannot be placed in the stream: it is evidence, not an event.

use std::{error::Error, sync::Arc, time::Duration};

use exchange::{
    Level,
    rest::{self as venue, RestBook, request},
};
use proto::limits::{FRAME_BYTES_MAX, TICKER_BYTES_MAX};
use serde::Serialize;
use service::clock::Clock;
use spool::Log;
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    intake::{WeakIntake, What},
    rest::{Rest, RestError},
    rounds::{Rhythm, requests},
    spread::Carried,
    telemetry,
};

/// An operator waits no longer for the disk than this.
const KEPT_MAX: Duration = Duration::from_secs(10);
const KEPT_EVERY: Duration = Duration::from_millis(5);

/// Where books are asked for and kept.
#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) gatherer_id: String,
    pub(crate) rest: Rest,
    pub(crate) intake: WeakIntake,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
}

/// Why a book was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    #[error("that is not a ticker")]
    BadTicker,
    #[error("the exchange knows no such market")]
    Unknown,
    #[error("asking the exchange")]
    Rest(#[source] RestError),
    #[error("the exchange answered strangely")]
    Book(#[from] venue::BadBody),
    #[error("an answer of {0} bytes is more than the spool takes")]
    TooLong(usize),
    #[error("the spool did not take the book within {KEPT_MAX:?}")]
    NotKept,
}

/// What was kept.
#[derive(Serialize)]
pub(crate) struct Polled {
    ticker: String,
    gatherer: String,
    source: &'static str,
    snapshot_ts_us: i64,
    yes_levels: usize,
    no_levels: usize,
    /// Prices and sizes, on the yes leg, ascending.
    yes: Vec<[String; 2]>,
    no: Vec<[String; 2]>,
}

/// Books of one answer.
type Books = Vec<(String, RestBook)>;

/// Closed when an answer is in the spool.
type InSpool = oneshot::Receiver<()>;

impl Poller {
    /// Fetches and keeps the book of `ticker`; it is durable when this returns.
    pub(crate) async fn poll(&self, ticker: &str) -> Result<Polled, PollError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if ticker.is_empty() || ticker.len() > TICKER_BYTES_MAX || !ticker.bytes().all(allowed) {
            return Err(PollError::BadTicker);
        }
        let (wall_ns, books, in_spool) = match self.fetch(&[ticker.to_owned()]).await {
            Err(PollError::Rest(RestError::Refused {
                source: exchange::RestError::NotFound,
                ..
            })) => return Err(PollError::Unknown),
            other => other?,
        };
        let found = books.into_iter().find(|(found, _)| found == ticker);
        let (_, book) = found.ok_or(PollError::Unknown)?;
        timeout(KEPT_MAX, self.durable(in_spool)).await.map_err(|_| PollError::NotKept)?;
        let book = book.to_yes_leg();
        telemetry::market_polled(ticker, book.yes.len() + book.no.len());
        let shown = |levels: &[Level]| {
            levels.iter().map(|level| [level.price.to_string(), level.size.to_string()]).collect()
        };
        Ok(Polled {
            ticker: ticker.to_owned(),
            gatherer: self.gatherer_id.clone(),
            source: "rest",
            snapshot_ts_us: wall_ns.div_euclid(1_000),
            yes_levels: book.yes.len(),
            no_levels: book.no.len(),
            yes: shown(&book.yes),
            no: shown(&book.no),
        })
    }

    /// Polls everything that is carried: at once, and then in the rhythm.
    ///
    /// # Errors
    /// Never; the type is that of a part.
    pub(crate) async fn in_rounds(
        self,
        rhythm: Rhythm,
        mut carried: watch::Receiver<Arc<Carried>>,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let rounds = async {
            if carried.wait_for(|carried| !carried.is_empty()).await.is_err() {
                return;
            }
            loop {
                if let Err(error) = self.rest.learn_limits().await {
                    telemetry::rest_failed("account_limits", &error.into());
                }
                let markets = Arc::clone(&carried.borrow_and_update());
                self.round(&markets).await;
                sleep(rhythm.pause(self.clock.wall_ns())).await;
            }
        };
        stopping.run_until_cancelled(rounds).await;
        Ok(())
    }

    async fn round(&self, markets: &Carried) {
        let began = self.clock.mono_ns();
        let (mut kept, mut failed) = (0, 0);
        let mut asked = requests(markets);
        while let Some(tickers) = asked.pop() {
            match self.fetch(&tickers).await {
                Ok((_, books, _)) => kept += books.len(),
                // One bad ticker, or a book too many, must not take the others with it.
                Err(error) if is_theirs(&error) && tickers.len() > 1 => {
                    let (one, other) = tickers.split_at(tickers.len() / 2);
                    asked.extend([one.to_vec(), other.to_vec()]);
                }
                Err(error) => {
                    let others: usize = asked.iter().map(Vec::len).sum();
                    let is_ours = matches!(&error, PollError::Rest(error) if error.is_of_the_key());
                    telemetry::rest_failed("orderbooks", &error.into());
                    failed += tickers.len();
                    if is_ours {
                        // Nobody else's request would fare better.
                        failed += others;
                        break;
                    }
                }
            }
        }
        let took = Duration::from_nanos(self.clock.mono_ns().saturating_sub(began));
        telemetry::markets::books_polled(kept, failed, took);
    }

    /// Asks for books and hands the answer to the spool as it came.
    async fn fetch(&self, tickers: &[String]) -> Result<(i64, Books, InSpool), PollError> {
        let asked = request::orderbooks(tickers);
        let (_, body) = self.rest.body(&asked).await.map_err(PollError::Rest)?;
        let intake = self.intake.upgrade().ok_or(PollError::NotKept)?;
        let ticket = intake.ticket();
        let wall_ns = ticket.stamp().wall_ns;
        let books = venue::orderbooks(&body)?;
        if body.len() > FRAME_BYTES_MAX {
            return Err(PollError::TooLong(body.len()));
        }
        let (_in_spool, waiter) = oneshot::channel();
        let what = What::RestBooks { body, _in_spool };
        if !books.is_empty() && !intake.keep(ticket, what).await {
            return Err(PollError::NotKept);
        }
        Ok((wall_ns, books, waiter))
    }

    /// Waits until what was handed to the spool is durable.
    async fn durable(&self, in_spool: InSpool) {
        // Nothing is ever sent: the other end goes when the item is written.
        drop(in_spool.await);
        let appended = self.log.appended();
        while self.log.durable() < appended {
            sleep(KEPT_EVERY).await;
        }
    }
}

/// Whether the request itself is at fault, so that a smaller one may succeed.
fn is_theirs(error: &PollError) -> bool {
    match error {
        PollError::Rest(error) => error.is_of_the_request(),
        PollError::Book(_) | PollError::TooLong(_) => true,
        PollError::BadTicker | PollError::Unknown | PollError::NotKept => false,
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
