//! The REST interface: what to ask for, what the bodies mean, what an error means.
//!
//! Bodies are borrowed from nothing: an answer is read once and kept. A REST book has no clock and
//! stands on the no-leg scale: it is evidence, not an event of the stream.

mod answers;
mod books;
mod error;
mod metadata;
pub mod request;

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::frame::fields::{FromText, Text};

pub use answers::{
    AccountLimits, Bucket, ExchangeStatus, Market, MarketsPage, PriceRange, RestTrade, Series,
    TradesPage, account_limits, exchange_status, market, markets_page, series_list, trades_page,
};
pub use books::{RestBook, orderbook, orderbooks};
pub use error::{ErrorBody, RestError, rest_error_text};
pub use metadata::{
    EventMetadata, MarketMetadata, Page, SeriesMetadata, events_metadata, market_metadata,
    markets_metadata, series_metadata,
};
pub use request::{API_ROOT, MarketsQuery, Request, TradesQuery};

/// A body that is not what was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadBody {
    /// What it should have been.
    pub what: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

fn read<T: DeserializeOwned>(what: &'static str, body: &str) -> Result<T, BadBody> {
    serde_json::from_str(body).map_err(|error| BadBody { what, detail: error.to_string() })
}

/// For fields whose number stands in a string.
fn text<'a, D: Deserializer<'a>, T: FromText>(deserializer: D) -> Result<T, D::Error> {
    Text::deserialize(deserializer).map(|Text(value)| value)
}

/// For texts where empty and null mean that there is none.
fn some_text<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is not {}: {}", self.what, self.detail)
    }
}

impl std::error::Error for BadBody {}
