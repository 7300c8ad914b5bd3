//! Gatherers, their sessions, and the names that markets have in the feed.

use uuid::Uuid;

use crate::catalog::Catalog;
use crate::db::{Row, args};
use crate::error::{CatalogError, counted, stored};
use crate::sql;

/// Names written at once.
const CHUNK: usize = 1_000;

/// A gatherer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gatherer {
    /// Its name.
    pub name: String,
    /// Where it is followed.
    pub url: String,
    /// Of its program, as it said last; empty if it never answered.
    pub version: String,
    /// Whether it was connected when it was last noted.
    pub connected: bool,
    /// Unix ms.
    pub first_seen_ms: i64,
    /// When it was last noted, Unix ms.
    pub last_seen_ms: i64,
}

/// One connection of one gatherer to the exchange.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Session {
    /// Whose.
    pub gatherer: String,
    /// Its number.
    pub session: u64,
    /// Unix ms on the gatherer's clock.
    pub opened_ms: i64,
    /// What the gatherer said of it, JSON; empty if its opening was not seen.
    pub about: String,
    /// Unix ms on the gatherer's clock; `None` while it lives.
    pub closed_ms: Option<i64>,
    /// Why it ended.
    pub reason: Option<String>,
}

/// What the feed calls a market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketId {
    /// Its ticker.
    pub ticker: String,
    /// The exchange's stable id.
    pub market_id: Uuid,
    /// The number of its canonical stream.
    pub canonical_sid: u32,
}

impl Catalog {
    /// Notes how a gatherer stands at `now_ms`; an empty `version` leaves the known one.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn note_gatherer(
        &self,
        (name, url, version): (&str, &str, &str),
        connected: bool,
        now_ms: i64,
    ) -> Result<(), CatalogError> {
        let values = args![name, url, version, i64::from(connected), now_ms];
        self.db.execute(sql::NOTE_GATHERER, values).await.map(drop)
    }

    /// Every gatherer ever noted.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn gatherers(&self) -> Result<Vec<Gatherer>, CatalogError> {
        let gatherer = |row: &Row| {
            Ok(Gatherer {
                name: row.text(0)?,
                url: row.text(1)?,
                version: row.text(2)?,
                connected: row.int(3)? != 0,
                first_seen_ms: row.int(4)?,
                last_seen_ms: row.int(5)?,
            })
        };
        self.db.all(sql::GATHERERS, args![]).await?.iter().map(gatherer).collect()
    }

    /// A session began; saying so again changes nothing.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn open_session(
        &self,
        gatherer: &str,
        session: u64,
        opened_ms: i64,
        about: &str,
    ) -> Result<(), CatalogError> {
        let values = args![gatherer, stored("session", session)?, opened_ms, about];
        self.db.execute(sql::OPEN_SESSION, values).await.map(drop)
    }

    /// A session ended; the first end stands.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn close_session(
        &self,
        gatherer: &str,
        session: u64,
        closed_ms: i64,
        reason: &str,
    ) -> Result<(), CatalogError> {
        let values = args![gatherer, stored("session", session)?, closed_ms, reason];
        self.db.execute(sql::CLOSE_SESSION, values).await.map(drop)
    }

    /// The newest sessions, of one gatherer or all.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn sessions(
        &self,
        gatherer: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Session>, CatalogError> {
        let session = |row: &Row| {
            Ok(Session {
                gatherer: row.text(0)?,
                session: counted("session", row.int(1)?)?,
                opened_ms: row.int(2)?,
                about: row.text(3)?,
                closed_ms: row.maybe_int(4)?,
                reason: row.maybe_text(5)?,
            })
        };
        let rows = self.db.all(sql::SESSIONS, args![gatherer, i64::from(limit)]).await?;
        rows.iter().map(session).collect()
    }

    /// Notes what the feed calls markets; a name that is known changes nothing.
    ///
    /// # Errors
    /// When the catalog fails; a part may have been noted.
    pub async fn note_market_ids(&self, ids: &[MarketId]) -> Result<(), CatalogError> {
        for chunk in ids.chunks(CHUNK) {
            let list: Vec<_> =
                chunk.iter().map(|id| (&id.ticker, id.market_id, id.canonical_sid)).collect();
            let list = serde_json::to_string(&list).expect("texts and numbers are JSON");
            self.db.execute(sql::NOTE_MARKET_IDS, args![&*list]).await?;
        }
        Ok(())
    }
}
