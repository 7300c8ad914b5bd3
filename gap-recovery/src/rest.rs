//! Asks the exchange: unsigned, evenly spaced, again after a refusal that may pass.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use exchange::rest::{
    BadBody, MarketsQuery, Request, RestBook, TradesPage, markets_page, orderbook, orderbooks,
    request, trades_page,
};
use exchange::{Backoff, RestError};
use service::clock::Clock;

use crate::config::RestConfig;
use crate::pace::Pace;

/// A page of a thousand trades takes a second or two on a bad day.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// With pauses that double up to the longest, about two minutes of patience.
const ATTEMPTS_MAX: u32 = 10;
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Markets named in one request, so that its line stays short enough for any server.
const TICKERS_MAX: usize = 100;

/// The exchange's REST interface.
pub(crate) struct Exchange {
    http: reqwest::Client,
    base: String,
    pace: Mutex<Pace>,
    clock: Clock,
}

/// Which of the two lists of trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum List {
    Live,
    Historical,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no answer from {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} refused: {error}")]
    Refused { url: String, error: RestError },
    #[error("{url} answered strangely")]
    Strange { url: String, source: BadBody },
    #[error("{url} gives the same page for ever")]
    Circle { url: String },
}

impl AskError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { error, .. } => error.is_transient(),
            Self::Strange { .. } | Self::Circle { .. } => false,
        }
    }

    fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { error: RestError::NotFound, .. })
    }
}

/// A client that trusts the machine's authorities and those of CA_FILE.
pub(crate) fn client(ca_file: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    // The one provider we link; a second call in one process changes nothing.
    rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
        .tcp_nodelay(true);
    if let Some(path) = ca_file {
        let named = || format!("CA_FILE {}", path.display());
        let pem = std::fs::read(path).with_context(named)?;
        let found = reqwest::Certificate::from_pem_bundle(&pem).with_context(named)?;
        builder = builder.tls_certs_merge(found);
    }
    Ok(builder.build()?)
}

impl Exchange {
    pub(crate) fn new(config: &RestConfig, http: reqwest::Client, clock: Clock) -> Self {
        let base = config.url.as_str().trim_end_matches('/').to_owned();
        let pace = Mutex::new(Pace::per_second(config.requests_per_second));
        Self { http, base, pace, clock }
    }

    /// A page of trades, newest first. An archive that has never heard of the market is empty.
    pub(crate) async fn trades(
        &self,
        list: List,
        query: &exchange::rest::TradesQuery<'_>,
    ) -> Result<TradesPage, AskError> {
        let asked = match list {
            List::Live => request::trades(query),
            List::Historical => request::historical_trades(query),
        };
        match self.ask(&asked, trades_page).await {
            Err(error) if error.is_not_found() => {
                Ok(TradesPage { trades: Vec::new(), cursor: None })
            }
            other => other,
        }
    }

    /// Which of these markets the exchange knows, among its markets or in its archive, each with
    /// whether it trades.
    pub(crate) async fn known(&self, tickers: &[String]) -> Result<Vec<(String, bool)>, AskError> {
        let mut known = Vec::new();
        for tickers in tickers.chunks(TICKERS_MAX) {
            let limit = u32::try_from(TICKERS_MAX).ok();
            let asked =
                request::markets(&MarketsQuery { tickers, limit, ..MarketsQuery::default() });
            let page = self.ask(&asked, markets_page).await?;
            let found = page.markets.into_iter().map(|m| (m.ticker, m.status == "active"));
            let found: Vec<_> = found.filter(|(ticker, _)| tickers.contains(ticker)).collect();
            for ticker in tickers {
                if found.iter().any(|(found, _)| found == ticker) {
                    continue;
                }
                match self.ask(&request::historical_market(ticker), |_| Ok(())).await {
                    Ok(()) => known.push((ticker.clone(), false)),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
            known.extend(found);
        }
        Ok(known)
    }

    /// The book of a market on the scale of the stream; `None`: the exchange knows no such market.
    pub(crate) async fn book(&self, ticker: &str) -> Result<Option<RestBook>, AskError> {
        match self.ask(&request::orderbook(ticker), orderbook).await {
            Ok(book) => Ok(Some(book.to_yes_leg())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The books of many markets, each as of some moment between the two times (Unix ns).
    pub(crate) async fn books(
        &self,
        tickers: &[String],
    ) -> Result<Vec<(String, RestBook, i64, i64)>, AskError> {
        let mut books = Vec::new();
        for tickers in tickers.chunks(TICKERS_MAX) {
            let asked_ns = self.clock.wall_ns();
            let found = self.ask(&request::orderbooks(tickers), orderbooks).await?;
            let came_ns = self.clock.wall_ns();
            books.extend(
                found.into_iter().map(|(t, book)| (t, book.to_yes_leg(), asked_ns, came_ns)),
            );
        }
        Ok(books)
    }

    /// Asks until there is an answer that will not change by asking again.
    async fn ask<T>(
        &self,
        request: &Request,
        read: impl Fn(&str) -> Result<T, BadBody>,
    ) -> Result<T, AskError> {
        let seed = self.clock.mono_ns();
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, seed);
        loop {
            match self.ask_once(request).await {
                Ok(body) => {
                    let url = self.url(request);
                    return read(&body).map_err(|source| AskError::Strange { url, source });
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) if backoff.attempts() + 1 >= ATTEMPTS_MAX => return Err(error),
                Err(_) => tokio::time::sleep(backoff.next_delay()).await,
            }
        }
    }

    async fn ask_once(&self, request: &Request) -> Result<String, AskError> {
        let wait = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(self.clock.mono_ns())
        };
        tokio::time::sleep(wait).await;
        let url = self.url(request);
        let unreachable = |source: reqwest::Error| AskError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let answer = self.http.get(&url).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(unreachable)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(AskError::Refused { url, error: RestError::of(status, &body) })
    }

    /// REST_URL may lead through another root than the exchange's own.
    fn url(&self, request: &Request) -> String {
        let target = request.target();
        let below = target.strip_prefix(exchange::rest::API_ROOT).unwrap_or(&target);
        format!("{}{below}", self.base)
    }
}
