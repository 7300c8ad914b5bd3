//! An empty `DATA_DIR`: nothing to do for a new system; when ClickHouse holds a record, its heads
//! are taken over, so that no canonical number is ever given twice.
//!
//! Every market's events since its last snapshot are applied as if the journal had them: head, book,
//! era and place within the clock come out exactly. What was journalled and never stored is still in
//! the gatherers' spools, which are asked for their oldest.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use exchange::{Level, Moment, Price, Side, Size};
use merge::{DeltaRecord, GathererIndex, Origin, Provenance, Record, SnapshotRecord};
use schema::rows::{self, EventType, OrderbookEvent};
use spool::Log;
use store::Store;

use super::{Recovered, settled};
use crate::checkpoint::{self, Head, Sealed};
use crate::config::Config;
use crate::journal::Folders;
use crate::sink::parquet::{Setting, complete};

const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

const HEADS: &str = "SELECT market_ticker, maxIf(seq, type = 'snapshot') FROM orderbook_events \
    GROUP BY market_ticker ORDER BY min(sid)";
const TAIL: &str = "SELECT ?fields FROM orderbook_events FINAL \
    WHERE market_ticker = ? AND seq >= ? ORDER BY seq, side, price";

/// Where the record is, and where it goes on.
pub(crate) struct Past<'a> {
    pub(crate) store: &'a Store,
    pub(crate) folders: &'a Folders,
    pub(crate) log: &'a Log,
    pub(crate) config: &'a Config,
    pub(crate) archive: Option<&'a Setting>,
}

/// Continues from what ClickHouse holds, if it holds anything, and writes that down at once.
pub(crate) async fn take_over(
    recovered: &mut Recovered,
    past: &Past<'_>,
    now: Moment,
) -> anyhow::Result<()> {
    let store = past.store;
    reach(store).await?;
    let heads: Vec<(String, u64)> =
        store.client().query(HEADS).fetch_all().await.context("cannot read orderbook_events")?;
    if heads.is_empty() {
        return Ok(());
    }
    let share = past.config.merge.share;
    if let Some((ticker, _)) = heads.iter().find(|(ticker, _)| !share.keeps(ticker)) {
        anyhow::bail!(
            "{} holds {ticker}, which is not of share {share} (MARKET_SHARE): each share has a \
             ClickHouse of its own; see docs/scaling.md",
            store.url()
        );
    }
    for (ticker, base) in &heads {
        for record in tail(store, ticker, *base).await? {
            recovered.merge.apply(&record);
        }
    }
    let archived = match past.archive {
        Some(archive) => complete(archive, store).await?,
        None => 0,
    };
    let number = settled::checkpoint(store).await? + 1;
    settled::remember(&mut recovered.merge, store, &past.config.merge).await?;
    let gatherers: Vec<String> =
        past.config.gatherers.iter().map(|gatherer| gatherer.name.clone()).collect();
    recovered.counted = settled::count_from(store, &gatherers, &past.folders.sinks).await?;
    recovered.merge.resumed(now);
    let head = Head::new(number, past.log.durable(), Vec::new(), Vec::new());
    let sealed = Sealed::new(head, recovered.merge.clone());
    let (dir, log) = (past.folders.checkpoints.clone(), past.log.clone());
    let stored =
        tokio::task::spawn_blocking(move || checkpoint::store(&dir, &sealed, &log)).await?;
    recovered.newest = Some(stored?);
    recovered.number = number;
    tracing::warn!(
        component = "recover",
        event = "took_over",
        markets = heads.len(),
        store = store.url(),
        archived,
        "DATA_DIR was empty and ClickHouse was not: the record goes on from its heads"
    );
    Ok(())
}

/// The last events of a market, from its last snapshot on.
async fn tail(store: &Store, ticker: &str, base: u64) -> anyhow::Result<Vec<Record>> {
    let rows: Vec<OrderbookEvent> = store
        .client()
        .query(TAIL)
        .bind(ticker)
        .bind(base)
        .fetch_all()
        .await
        .with_context(|| format!("cannot read the last events of {ticker}"))?;
    records(&rows).with_context(|| format!("the record of {ticker}"))
}

/// A new `DATA_DIR` must not begin before it is known what was recorded already.
async fn reach(store: &Store) -> anyhow::Result<()> {
    let mut tries = 0;
    while let Err(error) = store.migrate(schema::Role::Canonical).await {
        tries += 1;
        if tries >= TRIES {
            return Err(anyhow!(error)).with_context(|| {
                format!(
                    "an empty DATA_DIR must learn first what {} holds (CLICKHOUSE_URL)",
                    store.url()
                )
            });
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    Ok(())
}

/// The journal records behind the rows of one market, which begin with a snapshot.
fn records(rows: &[OrderbookEvent]) -> anyhow::Result<Vec<Record>> {
    let first = rows.first().context("it has no snapshot")?;
    let mut records = vec![Record::Market {
        sid: first.sid,
        market_id: first.market_id,
        ticker: first.market_ticker.to_string(),
    }];
    let mut last_seq = None;
    for event in rows.chunk_by(|a, b| a.seq == b.seq) {
        let row = &event[0];
        ensure!(
            last_seq.is_none_or(|last: u64| last + 1 == row.seq) && row.sid == first.sid,
            "events are missing before seq {}; repair orderbook_events first",
            row.seq
        );
        last_seq = Some(row.seq);
        records.push(match row.event_type {
            EventType::Snapshot => Record::Snapshot(Box::new(snapshot(event)?)),
            EventType::Delta => Record::Delta(delta(row)?),
        });
    }
    ensure!(matches!(records.get(1), Some(Record::Snapshot(_))), "it begins with no snapshot");
    Ok(records)
}

fn from(row: &OrderbookEvent) -> Provenance {
    Provenance {
        // Whoever it was then: only the receipt matters to what comes.
        gatherer: GathererIndex(0),
        session: row.session,
        sid: row.source_sid,
        seq: row.source_seq,
        wall_ns: row.ingest_ts.0.saturating_mul(1_000),
    }
}

fn price(row: &OrderbookEvent) -> anyhow::Result<Price> {
    let units = u16::try_from(row.price.0).ok().and_then(Price::from_units);
    units.with_context(|| format!("price {} of seq {} is no price", row.price.0, row.seq))
}

fn snapshot(rows: &[OrderbookEvent]) -> anyhow::Result<SnapshotRecord> {
    let row = &rows[0];
    let side = |side: rows::Side| {
        let levels = rows.iter().filter(|row| row.side == side && row.qty.0 > 0);
        levels
            .map(|row| Ok(Level { price: price(row)?, size: Size::from_units(row.qty.0) }))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    Ok(SnapshotRecord {
        sid: row.sid,
        seq: row.seq,
        era: row.era,
        clock: row.clock,
        ts_ms: row.ts.0,
        origin: match row.origin {
            rows::Origin::Live => Origin::Live,
            rows::Origin::GetSnapshot => Origin::GetSnapshot,
            rows::Origin::Checkpoint => Origin::Checkpoint,
            rows::Origin::Rest => Origin::Rest,
        },
        yes: side(rows::Side::Yes)?,
        no: side(rows::Side::No)?,
        vanished: Vec::new(),
        from: from(row),
    })
}

fn delta(row: &OrderbookEvent) -> anyhow::Result<DeltaRecord> {
    Ok(DeltaRecord {
        sid: row.sid,
        seq: row.seq,
        era: row.era,
        clock: row.clock,
        ord: row.clock_ord,
        side: match row.side {
            rows::Side::Yes => Side::Yes,
            rows::Side::No => Side::No,
        },
        price: price(row)?,
        delta: Size::from_units(row.qty.0),
        // Read by stores of levels only, and these rows are stored.
        resting: Size::default(),
        ts_ms: row.ts.0,
        from: from(row),
        disputed: row.flags & rows::FLAG_DISPUTED != 0,
    })
}
