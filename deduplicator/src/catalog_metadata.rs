//! Metadata of markets, events and series: asked over REST in rounds, and for single markets when a
//! lifecycle message says that something changed; kept in the catalog with their history.

mod left;
mod rest;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use anyhow::Context as _;
use catalog::{Catalog, Changes, EventMeta, MarketMeta, SeriesMeta};
use exchange::rest::request::{self, MarketsQuery};
use exchange::rest::{
    EventMetadata, MarketMetadata, Page, Request, SeriesMetadata, events_metadata,
    markets_metadata, series_metadata,
};
use service::clock::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::catalog_notes::told;
use crate::config;

pub(crate) use rest::Rest;

/// The most one page of markets may hold, by the exchange.
const PAGE_MAX: u32 = 1_000;
/// A list that does not end is a fault of the server.
const PAGES_MAX: usize = 1_000;
/// Lifecycle messages come in crowds, and REST may not know a market yet when its message comes.
const GATHER: Duration = Duration::from_secs(2);
/// Series change rarely and come as one long list: every so many rounds, and when an event is of a new one.
const SERIES_EVERY: u64 = 12;
/// A round that failed is tried again after this long, doubled up to the rounds' rhythm.
const AGAIN_FIRST: Duration = Duration::from_secs(10);

/// Who keeps the metadata.
pub(crate) struct Metadata {
    catalog: Catalog,
    rest: Rest,
    every: Duration,
    asked: mpsc::Receiver<String>,
    clock: Clock,
    /// Series that were asked for, whether the exchange lists them or not.
    series: HashSet<String>,
}

impl Metadata {
    pub(crate) fn new(
        catalog: Catalog,
        rest: &config::Rest,
        asked: mpsc::Receiver<String>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            catalog,
            rest: Rest::new(rest)?,
            every: rest.every,
            asked,
            clock,
            series: HashSet::new(),
        })
    }

    /// Works until `stopping`.
    pub(crate) async fn run(mut self, stopping: CancellationToken) -> anyhow::Result<()> {
        let rounds = async {
            let (mut number, mut again) = (0, AGAIN_FIRST);
            loop {
                let wait = match self.round(number).await {
                    Ok(changes) => {
                        (number, again) = (number + 1, AGAIN_FIRST);
                        tracing::info!(
                            component = "metadata",
                            event = "metadata_round",
                            new = changes.new,
                            changed = changes.changed,
                            "metadata are up to date"
                        );
                        self.every
                    }
                    Err(error) => {
                        told(error, true);
                        let wait = again.min(self.every);
                        again *= 2;
                        wait
                    }
                };
                self.until(wait).await;
            }
        };
        stopping.run_until_cancelled(rounds).await;
        Ok(())
    }

    /// Until the next round, single markets are asked about.
    async fn until(&mut self, wait: Duration) {
        let over = tokio::time::sleep(wait);
        tokio::pin!(over);
        loop {
            let first = tokio::select! {
                () = &mut over => return,
                first = self.asked.recv() => first,
            };
            let Some(first) = first else { return over.await };
            tokio::time::sleep(GATHER).await;
            let mut tickers = BTreeSet::from([first]);
            while let Ok(ticker) = self.asked.try_recv() {
                tickers.insert(ticker);
            }
            let tickers: Vec<String> = tickers.into_iter().collect();
            if let Err(error) = self.named(&tickers).await {
                told(error, true);
            }
        }
    }

    async fn round(&mut self, number: u64) -> anyhow::Result<Changes> {
        let (mut all, mut of) = (Changes::default(), HashSet::new());
        let open = |cursor: Option<&str>| request::events(Some("open"), cursor);
        add(&mut all, self.events(open, &mut of).await?);
        // Never met on the live exchange: whatever it says there, the rest of the round goes on.
        match self.events(request::multivariate_events, &mut of).await {
            Ok(more) => add(&mut all, more),
            Err(error) => told(error.context("events of multivariate markets"), true),
        }
        // An event of a series that is new does not wait for its turn.
        if number.is_multiple_of(SERIES_EVERY) || !of.is_subset(&self.series) {
            let page = series_metadata(&self.rest.get(&request::series()).await?);
            let series: Vec<SeriesMeta> = told_page(page)?.items.into_iter().map(series).collect();
            add(&mut all, self.catalog.upsert_series(&series, self.now_ms()).await?);
            self.series.extend(of);
        }
        add(&mut all, self.open_markets(number).await?);
        Ok(all)
    }

    /// All of a list; `of`: the series that its events are of.
    async fn events(
        &self,
        asked: impl Fn(Option<&str>) -> Request,
        of: &mut HashSet<String>,
    ) -> anyhow::Result<Changes> {
        let (mut all, mut cursor) = (Changes::default(), None);
        for _ in 0..PAGES_MAX {
            let asked = asked(cursor.as_deref());
            let page = told_page(events_metadata(&self.rest.get(&asked).await?))?;
            let events: Vec<EventMeta> = page.items.into_iter().map(event).collect();
            of.extend(events.iter().map(|event| event.series_ticker.clone()));
            add(&mut all, self.catalog.upsert_events(&events, self.now_ms()).await?);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        anyhow::bail!("the exchange's list of events has no end")
    }

    /// All open markets, then those that were open and are no longer listed: how did they end?
    async fn open_markets(&self, round: u64) -> anyhow::Result<Changes> {
        let (mut all, mut open, mut cursor) = (Changes::default(), HashSet::new(), None);
        for _ in 0..PAGES_MAX {
            let asked = request::markets(&MarketsQuery {
                status: Some("open"),
                limit: Some(PAGE_MAX),
                cursor: cursor.as_deref(),
                ..MarketsQuery::default()
            });
            let page = told_page(markets_metadata(&self.rest.get(&asked).await?))?;
            let markets: Vec<MarketMeta> = page.items.into_iter().map(market).collect();
            open.extend(markets.iter().map(|market| market.ticker.clone()));
            add(&mut all, self.catalog.upsert_markets(&markets, self.now_ms()).await?);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        anyhow::ensure!(cursor.is_none(), "the exchange's list of markets has no end");
        add(&mut all, self.ends(&open, round).await?);
        Ok(all)
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall_ns().div_euclid(1_000_000)
    }
}

fn told_page<T>(page: Result<Page<T>, exchange::rest::BadBody>) -> anyhow::Result<Page<T>> {
    page.context("the exchange's answer is not understood")
}

fn add(all: &mut Changes, more: Changes) {
    all.new += more.new;
    all.changed += more.changed;
}

fn market(from: MarketMetadata) -> MarketMeta {
    MarketMeta {
        ticker: from.ticker,
        event_ticker: from.event_ticker,
        status: from.status,
        open_ms: from.open_ms,
        close_ms: from.close_ms,
        result: from.result,
        body: from.body,
    }
}

fn event(from: EventMetadata) -> EventMeta {
    EventMeta {
        ticker: from.ticker,
        series_ticker: from.series_ticker,
        title: from.title,
        category: from.category,
        body: from.body,
    }
}

fn series(from: SeriesMetadata) -> SeriesMeta {
    SeriesMeta { ticker: from.ticker, title: from.title, category: from.category, body: from.body }
}
