//! Markets, events and series: what REST says of them, and every version of it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::db::{Arg, Row, args};
use crate::error::{CatalogError, counted};
use crate::sql::{self, Statement};

/// Written in one transaction: short enough not to hold up other writers of an SQLite file.
const CHUNK: usize = 500;

/// What metadata is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A market.
    Market,
    /// An event.
    Event,
    /// A series.
    Series,
}

/// A market's metadata. `body` is the whole of it as JSON, without what changes with every trade,
/// written so that the same metadata are the same text; the fields are taken out of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MarketMeta {
    /// Its ticker.
    pub ticker: String,
    /// Its event.
    pub event_ticker: String,
    /// `active`, `settled`, ...
    pub status: String,
    /// When it opens, Unix ms.
    pub open_ms: Option<i64>,
    /// When it closes, Unix ms.
    pub close_ms: Option<i64>,
    /// How it was decided.
    pub result: Option<String>,
    /// All metadata.
    pub body: String,
}

/// An event's metadata; `body` as in [`MarketMeta`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventMeta {
    /// Its ticker.
    pub ticker: String,
    /// Its series.
    pub series_ticker: String,
    /// Its title.
    pub title: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// All metadata.
    pub body: String,
}

/// A series' metadata; `body` as in [`MarketMeta`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeriesMeta {
    /// Its ticker.
    pub ticker: String,
    /// Its title.
    pub title: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// All metadata.
    pub body: String,
}

/// Metadata as they stand in the catalog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored<T> {
    /// The newest.
    pub meta: T,
    /// Which version that is, from 1.
    pub version: u64,
    /// When the first was seen, Unix ms.
    pub first_seen_ms: i64,
    /// When this one was first seen, Unix ms.
    pub changed_ms: i64,
}

/// A market, with what the feed calls it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Market {
    /// Its metadata.
    pub stored: Stored<MarketMeta>,
    /// The exchange's stable id, where the feed was heard.
    pub market_id: Option<Uuid>,
}

/// One version of metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// From 1.
    pub version: u64,
    /// When it was first seen, Unix ms.
    pub from_ms: i64,
    /// All of it, as JSON.
    pub body: String,
}

/// What an update found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Not known before.
    pub new: u64,
    /// Known in another version.
    pub changed: u64,
}

/// Which markets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketFilter {
    /// Of this event.
    pub event_ticker: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// After this ticker; empty: from the first.
    pub after: String,
    /// At most so many.
    pub limit: u32,
}

impl Default for MarketFilter {
    fn default() -> Self {
        Self { event_ticker: None, status: None, after: String::new(), limit: 1_000 }
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Event => "event",
            Self::Series => "series",
        }
    }

    fn statements(self) -> (Statement, Statement) {
        match self {
            Self::Market => (sql::MARKET_HASHES, sql::UPSERT_MARKET),
            Self::Event => (sql::EVENT_HASHES, sql::UPSERT_EVENT),
            Self::Series => (sql::SERIES_HASHES, sql::UPSERT_SERIES),
        }
    }
}

/// What the three kinds have in common.
struct Item<'a> {
    ticker: &'a str,
    body: &'a str,
    rest: Vec<Arg>,
}

impl Catalog {
    /// Takes in markets' metadata as seen at `now_ms`; what is new or different becomes a version.
    ///
    /// # Errors
    /// When the catalog fails; a part may have been taken in, and the rest is by the next call.
    pub async fn upsert_markets(
        &self,
        markets: &[MarketMeta],
        now_ms: i64,
    ) -> Result<Changes, CatalogError> {
        let item = |meta: &'_ MarketMeta| {
            let (status, result) = (&*meta.status, meta.result.as_deref());
            args![&*meta.event_ticker, status, meta.open_ms, meta.close_ms, result]
        };
        let items = markets.iter().map(|meta| Item {
            ticker: &meta.ticker,
            body: &meta.body,
            rest: item(meta),
        });
        self.upsert(Kind::Market, items.collect(), now_ms).await
    }

    /// As [`Self::upsert_markets`], of events.
    ///
    /// # Errors
    /// As there.
    pub async fn upsert_events(
        &self,
        events: &[EventMeta],
        now_ms: i64,
    ) -> Result<Changes, CatalogError> {
        let item = |meta: &'_ EventMeta| {
            args![&*meta.series_ticker, meta.title.as_deref(), meta.category.as_deref()]
        };
        let items = events.iter().map(|meta| Item {
            ticker: &meta.ticker,
            body: &meta.body,
            rest: item(meta),
        });
        self.upsert(Kind::Event, items.collect(), now_ms).await
    }

    /// As [`Self::upsert_markets`], of series.
    ///
    /// # Errors
    /// As there.
    pub async fn upsert_series(
        &self,
        series: &[SeriesMeta],
        now_ms: i64,
    ) -> Result<Changes, CatalogError> {
        let item = |meta: &'_ SeriesMeta| args![meta.title.as_deref(), meta.category.as_deref()];
        let items = series.iter().map(|meta| Item {
            ticker: &meta.ticker,
            body: &meta.body,
            rest: item(meta),
        });
        self.upsert(Kind::Series, items.collect(), now_ms).await
    }

    async fn upsert(
        &self,
        kind: Kind,
        items: Vec<Item<'_>>,
        now_ms: i64,
    ) -> Result<Changes, CatalogError> {
        let (hashes, upsert) = kind.statements();
        let mut changes = Changes::default();
        for chunk in items.chunks(CHUNK) {
            let tickers: Vec<&str> = chunk.iter().map(|item| item.ticker).collect();
            let known = self.db.all(hashes, args![&*json_texts(&tickers)]).await?;
            let known = known.iter().map(|row| Ok((row.text(0)?, row.text(1)?)));
            let known: BTreeMap<String, String> = known.collect::<Result<_, CatalogError>>()?;
            let hashed = chunk.iter().map(|item| (item, hash(item.body)));
            let fresh: Vec<(&Item<'_>, String)> =
                hashed.filter(|(item, hash)| known.get(item.ticker) != Some(hash)).collect();
            if fresh.is_empty() {
                continue;
            }
            let mut tx = self.db.begin().await?;
            for (item, hash) in fresh {
                let mut values = args![item.ticker, item.body, &*hash, now_ms];
                values.extend(item.rest.iter().cloned());
                // No row: another program was faster, with the same.
                let Some(row) = tx.one(upsert, values).await? else { continue };
                let version = row.int(0)?;
                *if version == 1 { &mut changes.new } else { &mut changes.changed } += 1;
                let values = args![kind.as_str(), item.ticker, version, now_ms, item.body];
                tx.one(sql::ADD_VERSION, values).await?;
            }
            tx.commit().await?;
        }
        Ok(changes)
    }

    /// One market.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn market(&self, ticker: &str) -> Result<Option<Market>, CatalogError> {
        self.db.one(sql::MARKET, args![ticker]).await?.as_ref().map(market).transpose()
    }

    /// Markets by ticker.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn markets(&self, filter: &MarketFilter) -> Result<Vec<Market>, CatalogError> {
        let (event, status) = (filter.event_ticker.as_deref(), filter.status.as_deref());
        let values = args![&*filter.after, event, status, i64::from(filter.limit)];
        self.db.all(sql::MARKETS, values).await?.iter().map(market).collect()
    }

    /// One event.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn event(&self, ticker: &str) -> Result<Option<Stored<EventMeta>>, CatalogError> {
        self.db.one(sql::EVENT, args![ticker]).await?.as_ref().map(event).transpose()
    }

    /// Events by ticker, after `after`, of a series if one is named.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn events(
        &self,
        series_ticker: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Stored<EventMeta>>, CatalogError> {
        let values = args![after, series_ticker, i64::from(limit)];
        self.db.all(sql::EVENTS, values).await?.iter().map(event).collect()
    }

    /// One series.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn one_series(
        &self,
        ticker: &str,
    ) -> Result<Option<Stored<SeriesMeta>>, CatalogError> {
        self.db.one(sql::ONE_SERIES, args![ticker]).await?.as_ref().map(series).transpose()
    }

    /// Series by ticker, after `after`.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn series(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Stored<SeriesMeta>>, CatalogError> {
        let values = args![after, i64::from(limit)];
        self.db.all(sql::SERIES, values).await?.iter().map(series).collect()
    }

    /// Every version of one thing's metadata, oldest first.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn history(&self, kind: Kind, ticker: &str) -> Result<Vec<Version>, CatalogError> {
        let rows = self.db.all(sql::HISTORY, args![kind.as_str(), ticker]).await?;
        let version = |row: &Row| {
            let version = counted("version", row.int(0)?)?;
            Ok(Version { version, from_ms: row.int(1)?, body: row.text(2)? })
        };
        rows.iter().map(version).collect()
    }
}

fn stored<T>(row: &Row, meta: T, at: usize) -> Result<Stored<T>, CatalogError> {
    Ok(Stored {
        meta,
        version: counted("version", row.int(at)?)?,
        first_seen_ms: row.int(at + 1)?,
        changed_ms: row.int(at + 2)?,
    })
}

fn market(row: &Row) -> Result<Market, CatalogError> {
    let meta = MarketMeta {
        ticker: row.text(0)?,
        event_ticker: row.text(1)?,
        status: row.text(2)?,
        open_ms: row.maybe_int(3)?,
        close_ms: row.maybe_int(4)?,
        result: row.maybe_text(5)?,
        body: row.text(6)?,
    };
    let id = row.maybe_text(10)?.map(|text| {
        text.parse().map_err(|_| CatalogError::Strange { what: "a market's id", text })
    });
    Ok(Market { stored: stored(row, meta, 7)?, market_id: id.transpose()? })
}

fn event(row: &Row) -> Result<Stored<EventMeta>, CatalogError> {
    let meta = EventMeta {
        ticker: row.text(0)?,
        series_ticker: row.text(1)?,
        title: row.maybe_text(2)?,
        category: row.maybe_text(3)?,
        body: row.text(4)?,
    };
    stored(row, meta, 5)
}

fn series(row: &Row) -> Result<Stored<SeriesMeta>, CatalogError> {
    let meta = SeriesMeta {
        ticker: row.text(0)?,
        title: row.maybe_text(1)?,
        category: row.maybe_text(2)?,
        body: row.text(3)?,
    };
    stored(row, meta, 4)
}

/// Half of a SHA-256 in hex: it tells versions apart, nobody attacks it.
fn hash(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A JSON array of texts.
fn json_texts(texts: &[&str]) -> String {
    serde_json::to_string(texts).expect("texts are JSON")
}
