//! `show`: everything that is known about single holes.

use anyhow::Context as _;
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tools;
use crate::config::Filter;
use crate::hole::{Hole, NO_END};
use crate::ledger;
use crate::plan::Span;
use crate::record::{self, Start};
use crate::table::say;
use crate::times;

/// Order books from outside the feed are looked for this far around a hole: the pollers' rhythm.
const BOOKS_AROUND_MS: i64 = 15 * 60_000;

/// What is stored around a hole.
#[derive(Debug, Serialize)]
struct Shown {
    hole: Hole,
    /// The snapshot that ends it.
    snapshot: Option<Start>,
    trades: Counted,
    /// Books over REST and such, near it.
    books: Vec<Near>,
    /// What each gatherer received of the market in the hole's minutes, and what broke on any of its
    /// subscriptions: a break is nobody's market.
    gatherers: Vec<Lanes>,
    audit: Vec<serde_json::Value>,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Counted {
    live: u64,
    recovered: u64,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Near {
    source: String,
    by: String,
    at_ms: i64,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Lanes {
    name: String,
    received: u64,
    broken: u64,
}

pub(super) async fn run(tools: &Tools<'_>, filter: &Filter) -> anyhow::Result<()> {
    let holes = ledger::holes(&tools.store, filter).await?;
    anyhow::ensure!(!holes.is_empty(), "there is no such hole");
    let starts = record::starts(&tools.store, &holes).await?;
    let mut all = Vec::new();
    for (hole, snapshot) in holes.into_iter().zip(starts) {
        let audit = tools.audit.of_market(&hole.ticker).await?;
        // A page of what was stored for it may lie in the margin as a whole.
        let span = Span::around(&hole, tools.config.margin_ms);
        let audit = audit.into_iter().filter(|action| {
            action.from_ms.is_none_or(|from| from <= span.to_ms)
                && action.to_ms.is_none_or(|to| to >= span.from_ms)
        });
        let audit = audit.map(|action| {
            json!({"at": times::shown(action.at_ms), "by": action.actor, "action": action.action,
                "outcome": action.outcome, "rows": action.rows_written, "detail": action.detail})
        });
        all.push(Shown {
            snapshot,
            trades: trades(tools, &hole).await?,
            books: books(tools, &hole).await?,
            gatherers: gatherers(tools, &hole).await?,
            audit: audit.collect(),
            hole,
        });
    }
    let text: Vec<String> = all.iter().map(text).collect();
    say(tools.config.is_json, &all, &text.join("\n\n"))
}

fn time(ms: i64) -> String {
    format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')")
}

async fn trades(tools: &Tools<'_>, hole: &Hole) -> anyhow::Result<Counted> {
    let sql = format!(
        "SELECT countIf(NOT fetched) AS live, countIf(fetched) AS recovered FROM \
         (SELECT trade_id, min(recovered) AS fetched FROM trades WHERE market_ticker = ? \
         AND ts BETWEEN {} AND {} GROUP BY trade_id)",
        time(hole.from_ms),
        time(hole.to_ms)
    );
    let query = tools.store.client().query(&sql).bind(&hole.ticker);
    query.fetch_one().await.context("cannot read trades")
}

async fn books(tools: &Tools<'_>, hole: &Hole) -> anyhow::Result<Vec<Near>> {
    let sql = format!(
        "SELECT toString(source) AS source, toString(gatherer) AS by, \
         intDiv(toUnixTimestamp64Micro(snapshot_ts), 1000) AS at_ms FROM orderbook_snapshots FINAL \
         WHERE ticker = ? AND snapshot_ts BETWEEN {} AND {} ORDER BY snapshot_ts LIMIT 100",
        time(hole.from_ms - BOOKS_AROUND_MS),
        time(hole.to_ms + BOOKS_AROUND_MS)
    );
    let query = tools.store.client().query(&sql).bind(&hole.ticker);
    query.fetch_all().await.context("cannot read orderbook_snapshots")
}

async fn gatherers(tools: &Tools<'_>, hole: &Hole) -> anyhow::Result<Vec<Lanes>> {
    let sql = format!(
        "SELECT toString(gatherer) AS name, sumIf(frames, market_ticker != '') AS received, \
         sumIf(breaks, market_ticker = '') AS broken FROM lane_minutes FINAL \
         WHERE market_ticker IN (?, '') AND gatherer != '' AND minute BETWEEN \
         toStartOfMinute({}) AND toStartOfMinute({}) GROUP BY gatherer ORDER BY gatherer",
        time(hole.from_ms),
        time(hole.to_ms)
    );
    let query = tools.store.client().query(&sql).bind(&hole.ticker);
    query.fetch_all().await.context("cannot read lane_minutes")
}

fn text(shown: &Shown) -> String {
    let Shown { hole, snapshot, trades, books, gatherers, audit } = shown;
    let mut lines = vec![
        format!("hole       {} ({})", hole.id, hole.state),
        match hole.lasted_ms() {
            Some(ms) => {
                format!("span       {} to {} ({})", hole.from, hole.to, times::length(ms))
            }
            None => format!("span       {} on: {NO_END}", hole.from),
        },
        format!("clocks     ({}, {}] of era {}", hole.from_clock, hole.to_clock, hole.era),
        format!("cause      {}", hole.cause),
        match snapshot {
            Some(start) => format!(
                "ends with  snapshot seq {} ({}), clock {} of era {}, received {}",
                start.seq,
                start.how,
                start.at_clock,
                start.at_era,
                times::shown(start.received_ms)
            ),
            None => "ends with  no canonical snapshot is stored".to_owned(),
        },
        format!("trades     {} captured, {} fetched again", trades.live, trades.recovered),
    ];
    if !hole.repaired_by.is_empty() {
        lines.push(format!("settled    {}", hole.repaired_by));
    }
    for near in books {
        lines.push(format!(
            "book       {} {} by {}",
            times::shown(near.at_ms),
            near.source,
            near.by
        ));
    }
    for lane in gatherers {
        lines.push(format!(
            "gatherer   {}: {} frames of it, and {} breaks of any subscription, in these minutes",
            lane.name, lane.received, lane.broken
        ));
    }
    for action in audit {
        let word = |what: &str| action[what].as_str().unwrap_or_default();
        let (at, by, outcome) = (word("at"), word("by"), word("outcome"));
        lines.push(format!(
            "audit      {at} {by}: {} {outcome}, {} rows",
            word("action"),
            action["rows"]
        ));
    }
    lines.join("\n")
}
