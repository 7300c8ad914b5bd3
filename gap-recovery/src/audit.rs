//! Writes down what was done, in the catalog.

use anyhow::Context as _;
use catalog::{Action, Catalog, CatalogUrl, RecoveryFilter};
use serde_json::Value;

/// The audit; without a catalog there is nothing to write to, and nothing may be done.
pub(crate) struct Audit(Option<Catalog>);

/// The outcome of an entry that tells an intent. Its rows are told again by the entry that follows when
/// they are stored, so a sum takes the outcome `ok` alone; one that nothing follows says what may be
/// stored all the same.
pub(crate) const BEGUN: &str = "begun";

/// Something that was done.
pub(crate) struct Done<'a> {
    pub(crate) action: &'a str,
    /// `None`: many markets.
    pub(crate) ticker: Option<&'a str>,
    pub(crate) span_ms: Option<(i64, i64)>,
    pub(crate) outcome: &'a str,
    pub(crate) rows: u64,
    pub(crate) detail: Value,
}

impl Audit {
    pub(crate) async fn open(url: Option<&CatalogUrl>) -> anyhow::Result<Self> {
        match url {
            Some(url) => Ok(Self(Some(Catalog::open(url).await?))),
            None => Ok(Self(None)),
        }
    }

    pub(crate) async fn record(&self, done: Done<'_>, by: &str, at_ms: i64) -> anyhow::Result<()> {
        let catalog = self.0.as_ref().context("there is no catalog to write the audit to")?;
        let action = Action {
            at_ms,
            actor: by.to_owned(),
            action: done.action.to_owned(),
            market_ticker: done.ticker.map(str::to_owned),
            from_ms: done.span_ms.map(|span| span.0),
            to_ms: done.span_ms.map(|span| span.1),
            dry_run: false,
            outcome: done.outcome.to_owned(),
            rows_written: done.rows,
            detail: done.detail.to_string(),
        };
        catalog.record_recovery(&action).await.context("cannot write the audit")?;
        Ok(())
    }

    /// Whether a book of the market was fetched by hand or by a repair since then. A gatherer's takes a
    /// while to reach the store.
    pub(crate) async fn has_polled(&self, ticker: &str, since_ms: i64) -> anyhow::Result<bool> {
        let Some(catalog) = &self.0 else { return Ok(false) };
        let filter = RecoveryFilter {
            market_ticker: Some(ticker.to_owned()),
            action: Some("poll".to_owned()),
            since_ms,
            ..RecoveryFilter::default()
        };
        let found = catalog.recoveries(&filter).await.context("cannot read the audit")?;
        Ok(found.iter().any(|entry| entry.action.outcome == "ok"))
    }

    /// What was done in a market, oldest first; nothing where there is no catalog.
    pub(crate) async fn of_market(&self, ticker: &str) -> anyhow::Result<Vec<Action>> {
        let Some(catalog) = &self.0 else { return Ok(Vec::new()) };
        let filter =
            RecoveryFilter { market_ticker: Some(ticker.to_owned()), ..RecoveryFilter::default() };
        let found = catalog.recoveries(&filter).await.context("cannot read the audit")?;
        Ok(found.into_iter().rev().map(|entry| entry.action).collect())
    }
}
