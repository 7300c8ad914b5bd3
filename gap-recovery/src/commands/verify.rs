//! `verify`: whether repaired holes are repaired, and the books of their markets right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Tools;
use crate::books::{self, Likeness};
use crate::config::Filter;
use crate::hole::Hole;
use crate::ledger;
use crate::plan::{Span, questions};
use crate::progress;
use crate::record;
use crate::sweep::sweep;
use crate::table::{say, table};
use crate::verdict::TradesAnswer;

/// A REST book is compared with the canonical book of this long before it was asked for, until as
/// long after it came: what the two saw of the exchange may be that far apart.
const AROUND_US: i64 = 5_000_000;
/// The canonical store is this far behind at most, or is not looked at any longer.
const RECORD_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What was found about one hole.
#[derive(Debug, Serialize)]
struct Verified {
    hole: String,
    state: &'static str,
    is_right: bool,
    snapshot: &'static str,
    trades: String,
    book: &'static str,
}

#[derive(Row, Deserialize)]
struct Newest {
    us: i64,
}

pub(super) async fn run(tools: &Tools<'_>, filter: &Filter) -> anyhow::Result<()> {
    let mut holes = ledger::holes(&tools.store, filter).await?;
    holes.retain(|hole| !hole.is_taken_back());
    let starts = record::starts(&tools.store, &holes).await?;
    let trades = trades(tools, &holes).await?;
    let books = compared(tools, &holes).await?;
    let mut all = Vec::new();
    for ((hole, start), trades) in holes.iter().zip(starts).zip(trades) {
        let book = books.get(&hole.ticker).copied().unwrap_or("not compared: it does not trade");
        let is_right = start.is_some() && trades.is_ok() && book != DIFFERENT;
        all.push(Verified {
            hole: hole.id.clone(),
            state: hole.state,
            is_right,
            snapshot: if start.is_some() { "stored" } else { "missing" },
            trades: trades.unwrap_or_else(|why| why),
            book,
        });
    }
    say(tools.config.is_json, &all, &text(&all))?;
    match all.iter().filter(|verified| !verified.is_right).count() {
        0 => Ok(()),
        wrong => bail!("{wrong} of {} holes are not what they are marked as", all.len()),
    }
}

/// For each hole: what is right about its trades, or what is wrong.
async fn trades(tools: &Tools<'_>, holes: &[Hole]) -> anyhow::Result<Vec<Result<String, String>>> {
    let margin = tools.config.margin_ms;
    let spans: Vec<Span> = holes.iter().map(|hole| Span::around(hole, margin)).collect();
    let mut said = vec![Err("not asked".to_owned()); holes.len()];
    let bar = progress::bar(holes.len(), "comparing");
    for question in &questions(&spans) {
        let asked: Vec<&Span> = question.spans.iter().map(|&at| &spans[at]).collect();
        let swept = sweep(tools, question, &asked, false).await?;
        if let Some(error) = swept.error {
            return Err(error.into());
        }
        for (&at, found) in question.spans.iter().zip(swept.found) {
            said[at] = match (found.missing, found.answer, holes[at].state) {
                (0, TradesAnswer::Unknown, "repaired") => {
                    Err("the exchange knows no such market".to_owned())
                }
                (0, ..) => Ok(format!("all {}", found.trades)),
                (missing, ..) => Err(format!("{missing} of {} missing", found.trades)),
            };
        }
        bar.inc(asked.len() as u64);
    }
    bar.finish_and_clear();
    Ok(said)
}

const EQUAL: &str = "as over REST";
const DIFFERENT: &str = "not as over REST";

/// The books of the markets that trade, against REST.
async fn compared(
    tools: &Tools<'_>,
    holes: &[Hole],
) -> anyhow::Result<BTreeMap<String, &'static str>> {
    let tickers: BTreeSet<&str> = holes.iter().map(|hole| hole.ticker.as_str()).collect();
    let tickers: Vec<String> = tickers.into_iter().map(str::to_owned).collect();
    let trading = tools.exchange.known(&tickers).await?;
    let trading: Vec<String> =
        trading.into_iter().filter(|(_, trades)| *trades).map(|(ticker, _)| ticker).collect();
    let books = tools.exchange.books(&trading).await?;
    let Some(newest_us) = books.iter().map(|book| book.3.div_euclid(1_000)).max() else {
        return Ok(BTreeMap::new());
    };
    recorded_past(tools, newest_us).await?;
    let mut said = BTreeMap::new();
    for (ticker, book, asked_ns, came_ns) in books {
        let window =
            (asked_ns.div_euclid(1_000) - AROUND_US, came_ns.div_euclid(1_000) + AROUND_US);
        let word = match books::compare(&tools.store, &ticker, &book, window).await? {
            Likeness::Equal => EQUAL,
            Likeness::Different => DIFFERENT,
            Likeness::NoBook => "not compared: the record has no book",
        };
        said.insert(ticker, word);
    }
    Ok(said)
}

/// Waits until the record holds something received after `us`, or is taken to be quiet.
async fn recorded_past(tools: &Tools<'_>, us: i64) -> anyhow::Result<()> {
    let sql = "SELECT max(toUnixTimestamp64Micro(ingest_ts)) AS us FROM orderbook_events \
               WHERE ts > now64(3) - INTERVAL 1 HOUR";
    for _ in 0..RECORD_WAIT.as_millis() / LOOK_AGAIN.as_millis() {
        let newest = tools.store.client().query(sql).fetch_one::<Newest>().await?;
        if newest.us > us {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn text(all: &[Verified]) -> String {
    let head =
        ["HOLE", "STATE", "RIGHT", "SNAPSHOT", "TRADES", "BOOK NOW"].map(str::to_owned).to_vec();
    let row = |verified: &Verified| {
        let right = if verified.is_right { "yes" } else { "NO" };
        let (hole, trades) = (verified.hole.clone(), verified.trades.clone());
        let words = [verified.state, right, verified.snapshot].map(str::to_owned);
        let [state, right, snapshot] = words;
        vec![hole, state, right, snapshot, trades, verified.book.to_owned()]
    };
    let rows: Vec<_> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let wrong = all.iter().filter(|verified| !verified.is_right).count();
    format!("{}{} holes, {wrong} wrong", table(&rows), all.len())
}
