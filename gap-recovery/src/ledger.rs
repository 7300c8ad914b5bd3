//! The table `gaps`: which holes there are, and newer states of them.

use std::collections::BTreeSet;

use anyhow::Context as _;
use schema::rows::{Gap, Table as _};
use store::Store;
use uuid::Uuid;

use crate::config::Filter;
use crate::hole::{Hole, TAKEN_BACK};

/// What a statement may name at once, far below the server's limit for its text.
pub(crate) const NAMED_MAX: usize = 1_000;

/// Says at once when the database is not the canonical one.
pub(crate) async fn check(store: &Store) -> anyhow::Result<()> {
    let sql = "SELECT count() FROM system.tables \
               WHERE database = currentDatabase() AND name IN ('gaps', 'orderbook_events', 'trades')";
    let url = store.url();
    let found: u64 = store
        .client()
        .query(sql)
        .fetch_one()
        .await
        .with_context(|| format!("cannot query {url} (CLICKHOUSE_URL)"))?;
    anyhow::ensure!(
        found == 3,
        "the database at {url} (CLICKHOUSE_DATABASE) has no tables gaps, orderbook_events and \
         trades: it is not the deduplicator's"
    );
    Ok(())
}

/// The holes that `filter` asks for, oldest first.
pub(crate) async fn holes(store: &Store, filter: &Filter) -> anyhow::Result<Vec<Hole>> {
    let mut tickers: Vec<&str> = filter.holes.iter().map(|hole| hole.ticker.as_str()).collect();
    tickers.sort_unstable();
    tickers.dedup();
    let mut holes = Vec::new();
    if tickers.is_empty() {
        holes = read(store, filter, &[]).await?;
    }
    for tickers in tickers.chunks(NAMED_MAX) {
        holes.extend(read(store, filter, tickers).await?);
    }
    holes.retain(|hole| {
        filter.holes.is_empty() || filter.holes.iter().any(|selector| selector.names(hole))
    });
    sort(&mut holes);
    Ok(holes)
}

/// All holes that begin on one of these days (UTC, `2026-11-21`), oldest first.
pub(crate) async fn of_days(store: &Store, days: &BTreeSet<String>) -> anyhow::Result<Vec<Hole>> {
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let mut holes = Vec::new();
    for days in days.chunks(NAMED_MAX) {
        let sql = "SELECT ?fields FROM gaps FINAL WHERE toString(toDate(from_ts)) IN ?";
        let gaps = store.client().query(sql).bind(days).fetch_all::<Gap>().await;
        holes.extend(gaps.context("cannot read gaps")?.into_iter().map(Hole::from));
    }
    sort(&mut holes);
    Ok(holes)
}

/// The days on which holes began that were taken back since.
pub(crate) async fn days_taken_back(store: &Store) -> anyhow::Result<Vec<String>> {
    let sql = "SELECT DISTINCT toString(toDate(from_ts)) FROM gaps FINAL WHERE cause = ?";
    let days = store.client().query(sql).bind(TAKEN_BACK).fetch_all::<String>().await;
    days.context("cannot read gaps")
}

fn sort(holes: &mut [Hole]) {
    let place = |hole: &Hole| (hole.from_ms, hole.ticker.clone(), hole.era, hole.from_clock);
    holes.sort_by_cached_key(place);
}

async fn read(store: &Store, filter: &Filter, tickers: &[&str]) -> anyhow::Result<Vec<Hole>> {
    let states: Vec<i8> = filter.states.iter().map(|state| i8::from(*state)).collect();
    let mut sql = String::from("SELECT ?fields FROM gaps FINAL WHERE toInt8(state) IN ?");
    let time = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
    if let Some(since) = filter.since_ms {
        sql += &format!(" AND to_ts > {}", time(since));
    }
    if let Some(until) = filter.until_ms {
        sql += &format!(" AND from_ts < {}", time(until));
    }
    if !tickers.is_empty() {
        sql += " AND market_ticker IN ?";
    }
    let mut query = store.client().query(&sql).bind(states);
    if !tickers.is_empty() {
        query = query.bind(tickers);
    }
    let gaps = query.fetch_all::<Gap>().await.context("cannot read gaps")?;
    Ok(gaps.into_iter().map(Hole::from).collect())
}

/// Writes newer states.
pub(crate) async fn settle(store: &Store, gaps: &[Gap]) -> anyhow::Result<()> {
    // A version is written once, so the key of the row is net enough.
    let token = format!("gap-recovery/{}", Uuid::new_v4());
    store.insert(Gap::TABLE, gaps, &token).await.context("cannot write the states")
}
