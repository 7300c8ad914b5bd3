//! Paths and queries, one function a request, and nothing of how they are sent.

use std::fmt::Write as _;

/// Every path begins so, and is signed with it.
pub const API_ROOT: &str = "/trade-api/v2";

/// A GET request: its path counted from the host, and its query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    path: String,
    query: String,
}

/// Which markets are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MarketsQuery<'a> {
    /// `unopened`, `open`, `paused`, `closed` or `settled`.
    pub status: Option<&'a str>,
    /// Markets of this series.
    pub series_ticker: Option<&'a str>,
    /// Markets of this event.
    pub event_ticker: Option<&'a str>,
    /// Just these.
    pub tickers: &'a [String],
    /// `only` or `exclude`: combinations that users put together.
    pub mve_filter: Option<&'a str>,
    /// Markets a page, up to 1000; the exchange's default is 100.
    pub limit: Option<u32>,
    /// From the page before.
    pub cursor: Option<&'a str>,
}

/// Which trades are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TradesQuery<'a> {
    /// Of this market.
    pub ticker: Option<&'a str>,
    /// From this second on.
    pub min_ts: Option<i64>,
    /// Up to this second.
    pub max_ts: Option<i64>,
    /// Trades a page, up to 1000.
    pub limit: Option<u32>,
    /// From the page before.
    pub cursor: Option<&'a str>,
}

impl Request {
    /// What is signed.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands in the request line: path, and query if there is one.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    fn new(path: &str) -> Self {
        Self { path: format!("{API_ROOT}{path}"), query: String::new() }
    }

    fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            if !self.query.is_empty() {
                self.query.push('&');
            }
            let _infallible = write!(self.query, "{name}={}", encoded(&value.to_string()));
        }
        self
    }
}

/// `GET /exchange/status`
pub fn exchange_status() -> Request {
    Request::new("/exchange/status")
}

/// `GET /markets`
pub fn markets(query: &MarketsQuery<'_>) -> Request {
    let tickers = (!query.tickers.is_empty()).then(|| query.tickers.join(","));
    Request::new("/markets")
        .with("status", query.status)
        .with("series_ticker", query.series_ticker)
        .with("event_ticker", query.event_ticker)
        .with("tickers", tickers)
        .with("mve_filter", query.mve_filter)
        .with("limit", query.limit)
        .with("cursor", query.cursor)
}

/// `GET /markets/{ticker}`
pub fn market(ticker: &str) -> Request {
    Request::new(&format!("/markets/{}", encoded(ticker)))
}

/// `GET /markets/{ticker}/orderbook`, all levels.
pub fn orderbook(ticker: &str) -> Request {
    Request::new(&format!("/markets/{}/orderbook", encoded(ticker)))
}

/// `GET /markets/orderbooks`, of up to 100 markets.
pub fn orderbooks(tickers: &[String]) -> Request {
    let empty = Request::new("/markets/orderbooks");
    tickers.iter().fold(empty, |request, ticker| request.with("tickers", Some(ticker)))
}

/// `GET /markets/trades`
pub fn trades(query: &TradesQuery<'_>) -> Request {
    trades_of("/markets/trades", query)
}

/// `GET /historical/trades`: those that have left `/markets/trades` for the archive.
pub fn historical_trades(query: &TradesQuery<'_>) -> Request {
    trades_of("/historical/trades", query)
}

/// `GET /historical/markets/{ticker}`
pub fn historical_market(ticker: &str) -> Request {
    Request::new(&format!("/historical/markets/{}", encoded(ticker)))
}

fn trades_of(path: &str, query: &TradesQuery<'_>) -> Request {
    Request::new(path)
        .with("ticker", query.ticker)
        .with("min_ts", query.min_ts)
        .with("max_ts", query.max_ts)
        .with("limit", query.limit)
        .with("cursor", query.cursor)
}

/// `GET /events` in this status, up to 200 a page.
pub fn events(status: Option<&str>, cursor: Option<&str>) -> Request {
    Request::new("/events").with("status", status).with("limit", Some(200)).with("cursor", cursor)
}

/// `GET /events/multivariate`: those that `GET /events` leaves out.
pub fn multivariate_events(cursor: Option<&str>) -> Request {
    Request::new("/events/multivariate").with("limit", Some(200)).with("cursor", cursor)
}

/// `GET /series`
pub fn series() -> Request {
    Request::new("/series")
}

/// `GET /account/limits`, which must be signed.
pub fn account_limits() -> Request {
    Request::new("/account/limits")
}

/// Percent-encodes all but the unreserved characters of RFC 3986 and the comma of ticker lists.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::request;

    #[test]
    fn requests_are_encoded_and_only_the_path_is_signed() {
        let tickers = ["KXA-1".to_owned(), "B&C".to_owned()];
        let query = MarketsQuery {
            status: Some("open"),
            tickers: &tickers,
            limit: Some(1000),
            cursor: Some("a/b="),
            ..MarketsQuery::default()
        };
        let markets = request::markets(&query);
        assert_eq!(markets.path(), "/trade-api/v2/markets");
        assert_eq!(
            markets.target(),
            "/trade-api/v2/markets?status=open&tickers=KXA-1,B%26C&limit=1000&cursor=a%2Fb%3D"
        );
        assert_eq!(
            request::orderbooks(&tickers).target(),
            "/trade-api/v2/markets/orderbooks?tickers=KXA-1&tickers=B%26C"
        );
        assert_eq!(request::orderbook("../x").target(), "/trade-api/v2/markets/..%2Fx/orderbook");
        let trades = TradesQuery { min_ts: Some(-5), ..TradesQuery::default() };
        assert_eq!(request::trades(&trades).target(), "/trade-api/v2/markets/trades?min_ts=-5");
        assert_eq!(request::exchange_status().target(), "/trade-api/v2/exchange/status");
    }
}
