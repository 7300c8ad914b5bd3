//! The bodies of successful answers, apart from books.

use serde::Deserialize;
use uuid::Uuid;

use crate::rest::{BadBody, read, some_text, text};
use crate::timestamp::parse_rfc3339_ms;
use crate::units::{Price, Side, Size};

/// What the exchange says of itself, with status 200 as with 500, 503 and 504.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct ExchangeStatus {
    /// Whether the exchange runs.
    pub exchange_active: bool,
    /// Whether it trades.
    pub trading_active: bool,
    /// When it hopes to be back, RFC 3339.
    #[serde(default, deserialize_with = "some_text")]
    pub exchange_estimated_resume_time: Option<String>,
}

/// One page of markets.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct MarketsPage {
    /// The markets.
    pub markets: Vec<Market>,
    /// Where the next page begins; `None` on the last.
    #[serde(default, deserialize_with = "some_text")]
    pub cursor: Option<String>,
}

/// What we use of a market. REST markets have no `market_id`.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Market {
    /// Its ticker.
    pub ticker: String,
    /// Its event.
    pub event_ticker: String,
    /// `initialized`, `active`, `closed`, `settled`, ...; new ones may come.
    pub status: String,
    /// RFC 3339.
    #[serde(default, deserialize_with = "some_text")]
    pub open_time: Option<String>,
    /// RFC 3339.
    #[serde(default, deserialize_with = "some_text")]
    pub close_time: Option<String>,
    /// What yes means.
    #[serde(default, deserialize_with = "some_text")]
    pub yes_sub_title: Option<String>,
    /// The name of its tick rule.
    #[serde(default, deserialize_with = "some_text")]
    pub price_level_structure: Option<String>,
    /// Its ticks: the rule itself.
    #[serde(default)]
    pub price_ranges: Vec<PriceRange>,
    /// `yes`, `no`, `scalar`; `None` before it is determined.
    #[serde(default, deserialize_with = "some_text")]
    pub result: Option<String>,
}

/// From `start` to `end` prices are multiples of `step`.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceRange {
    /// The first price.
    #[serde(deserialize_with = "text")]
    pub start: Price,
    /// The last price.
    #[serde(deserialize_with = "text")]
    pub end: Price,
    /// The tick.
    #[serde(deserialize_with = "text")]
    pub step: Price,
}

/// One page of trades.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TradesPage {
    /// The trades, newest first.
    pub trades: Vec<RestTrade>,
    /// Where the next page begins; `None` on the last.
    pub cursor: Option<String>,
}

/// A trade. Its id is that of the WebSocket's trade.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestTrade {
    /// The identity.
    pub trade_id: Uuid,
    /// The market.
    pub ticker: String,
    /// Price of the yes leg.
    pub yes_price: Price,
    /// Price of the no leg.
    pub no_price: Price,
    /// Contracts.
    pub count: Size,
    /// The outcome the taker bought.
    pub taker: Side,
    /// Whether it was a block trade, if it says.
    pub is_block_trade: Option<bool>,
    /// Unix ms, rounded down from the body's microseconds.
    pub created_ms: i64,
}

/// A series of events.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Series {
    /// Its ticker, with which its markets' tickers begin.
    pub ticker: String,
    /// Its title.
    #[serde(default, deserialize_with = "some_text")]
    pub title: Option<String>,
    /// Its category.
    #[serde(default, deserialize_with = "some_text")]
    pub category: Option<String>,
}

/// What the account may ask for.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct AccountLimits {
    /// `basic`, `advanced`, ...
    pub usage_tier: String,
    /// For reading; a request usually costs 10 tokens.
    pub read: Bucket,
    /// For writing.
    pub write: Bucket,
}

/// A token bucket.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Tokens a second.
    pub refill_rate: u64,
    /// Tokens at most.
    pub bucket_capacity: u64,
}

#[derive(Deserialize)]
struct WireTrades {
    trades: Vec<WireTrade>,
    #[serde(default, deserialize_with = "some_text")]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct WireTrade {
    trade_id: Uuid,
    ticker: String,
    #[serde(deserialize_with = "text")]
    count_fp: Size,
    #[serde(deserialize_with = "text")]
    yes_price_dollars: Price,
    #[serde(deserialize_with = "text")]
    no_price_dollars: Price,
    taker_outcome_side: Option<String>,
    taker_side: Option<String>,
    is_block_trade: Option<bool>,
    created_time: String,
}

/// Reads `GET /exchange/status`, whatever the HTTP status.
pub fn exchange_status(body: &str) -> Result<ExchangeStatus, BadBody> {
    read("an exchange status", body)
}

/// Reads `GET /markets`.
pub fn markets_page(body: &str) -> Result<MarketsPage, BadBody> {
    read("a page of markets", body)
}

/// Reads `GET /markets/{ticker}`.
pub fn market(body: &str) -> Result<Market, BadBody> {
    #[derive(Deserialize)]
    struct One {
        market: Market,
    }
    read::<One>("a market", body).map(|one| one.market)
}

/// Reads `GET /series`.
pub fn series_list(body: &str) -> Result<Vec<Series>, BadBody> {
    #[derive(Deserialize)]
    struct All {
        series: Vec<Series>,
    }
    read::<All>("a list of series", body).map(|all| all.series)
}

/// Reads `GET /account/limits`.
pub fn account_limits(body: &str) -> Result<AccountLimits, BadBody> {
    read("the account's limits", body)
}

/// Reads `GET /markets/trades`.
pub fn trades_page(body: &str) -> Result<TradesPage, BadBody> {
    let page: WireTrades = read("a page of trades", body)?;
    let trades = page.trades.into_iter().map(trade).collect::<Result<_, _>>()?;
    Ok(TradesPage { trades, cursor: page.cursor })
}

fn trade(wire: WireTrade) -> Result<RestTrade, BadBody> {
    let bad = |detail: String| BadBody { what: "a page of trades", detail };
    let Some(taker) = wire.taker_outcome_side.or(wire.taker_side) else {
        return Err(bad(format!("trade {} has no taker_outcome_side", wire.trade_id)));
    };
    let Some(taker) = Side::parse(&taker) else {
        return Err(bad(format!("taker_outcome_side: {taker:?} is neither yes nor no")));
    };
    let Some(created_ms) = parse_rfc3339_ms(&wire.created_time) else {
        return Err(bad(format!("created_time: {:?} is no time", wire.created_time)));
    };
    Ok(RestTrade {
        trade_id: wire.trade_id,
        ticker: wire.ticker,
        yes_price: wire.yes_price_dollars,
        no_price: wire.no_price_dollars,
        count: wire.count_fp,
        taker,
        is_block_trade: wire.is_block_trade,
        created_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_limits_and_series_are_read() {
        let up = exchange_status(r#"{"exchange_active":true,"trading_active":false,"x":[]}"#);
        let up = up.unwrap();
        assert_eq!((up.exchange_active, up.trading_active), (true, false));
        assert!(exchange_status(r#"{"exchange_active":true}"#).is_err(), "never a default");
        let limits = account_limits(
            r#"{"grants":[],"read":{"bucket_capacity":200,"refill_rate":100},"usage_tier":"basic","write":{"bucket_capacity":50,"refill_rate":60}}"#,
        );
        let limits = limits.unwrap();
        assert_eq!(limits.read, Bucket { refill_rate: 100, bucket_capacity: 200 });
        let series = series_list(r#"{"series":[{"ticker":"KXA","title":"","category":"Sports"}]}"#);
        let series = series.unwrap();
        assert_eq!(
            (series[0].title.as_deref(), series[0].category.as_deref()),
            (None, Some("Sports"))
        );
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = |cursor: &str| {
            let body = format!(
                r#"{{"markets":[{{"ticker":"KXA-1","event_ticker":"KXA","status":"active","open_time":"2026-01-01T00:00:00Z","price_level_structure":"deci_cent","price_ranges":[{{"start":"0.0000","end":"1.0000","step":"0.0010"}}],"result":""}}]{cursor}}}"#
            );
            markets_page(&body).unwrap()
        };
        assert_eq!(page(r#","cursor":"abc""#).cursor.as_deref(), Some("abc"));
        for last in ["", r#","cursor":"""#, r#","cursor":null"#] {
            assert_eq!(page(last).cursor, None);
        }
        let first = &page("").markets[0];
        assert_eq!((first.price_ranges[0].step.units(), first.result.as_deref()), (10, None));
        assert!(market(r#"{"market":{"ticker":"A","status":"active"}}"#).is_err());
    }

    #[test]
    fn trades_are_read_exactly() {
        let body = |taker: &str| {
            format!(
                r#"{{"trades":[{{"trade_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","ticker":"KXA-1","count_fp":"15.78","yes_price_dollars":"0.3520","no_price_dollars":"0.6480","taker_outcome_side":"{taker}","created_time":"2026-08-07T06:46:28.978712Z","is_block_trade":false}}],"cursor":""}}"#
            )
        };
        let page = trades_page(&body("no")).unwrap();
        assert_eq!((page.trades[0].taker, page.trades[0].count.units()), (Side::No, 1578));
        assert_eq!(page.trades[0].created_ms, 1_786_085_188_978);
        assert!(trades_page(&body("both")).is_err());
    }

    /// The recordings stay where they are; nothing of them is in this repository.
    #[test]
    fn every_recorded_body_is_understood() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("../../shared/recordings/demo_rest");
        if !folder.exists() {
            return;
        }
        let body = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(markets_page(&body("markets__page1.json")).unwrap().cursor.is_some());
        assert!(!market(&body("markets__single.json")).unwrap().price_ranges.is_empty());
        assert!(exchange_status(&body("exchange__status.json")).unwrap().trading_active);
        assert_eq!(account_limits(&body("account__limits.json")).unwrap().write.refill_rate, 100);
        assert_eq!(crate::rest::orderbook(&body("orderbook__base.json")).unwrap().yes.len(), 1);
        use crate::RestError;
        let error = |name: &str| RestError::of(401, &body(name));
        assert_eq!(error("auth__bad_signature.json"), RestError::WrongSignature);
        assert_eq!(error("auth__missing_signature_header.json"), RestError::SignatureMissing);
        assert_eq!(error("auth__skew_minus30s.json"), RestError::TimestampExpired);
        assert_eq!(error("auth__unknown_key_id.json"), RestError::UnknownKey);
    }
}
