//! `trades`: repairs holes, in the order book, evidence, trades, and settles their states.

use std::collections::BTreeMap;

use anyhow::bail;
use schema::rows::Gap;
use serde::Serialize;
use serde_json::json;

use super::Tools;
use super::poll;
use crate::audit::Done;
use crate::books;
use crate::config::Filter;
use crate::hole::Hole;
use crate::ledger;
use crate::plan::{Question, Span, questions};
use crate::progress;
use crate::record::{self, Start};
use crate::sweep::{Found, NOTHING, sweep};
use crate::table::{say, table, with_causes};
use crate::verdict::{Evidence, Verdict, judge, settles_at_ms};

/// What became of one hole.
#[derive(Clone, Debug, Serialize)]
struct Repaired {
    hole: String,
    was: &'static str,
    is: &'static str,
    why: &'static str,
    /// Trades that the exchange gave for the hole and the margin around it.
    trades: u64,
    /// Those of them that were not stored.
    fetched_again: u64,
    /// Canonical seq of the snapshot that ends it.
    snapshot_seq: Option<u64>,
}

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    dry_run: bool,
    trades_written: u64,
    states_written: u64,
    books_polled: u64,
    /// Books that could not be had, and why.
    books_refused: Vec<String>,
    holes: Vec<Repaired>,
    error: Option<String>,
}

pub(super) async fn run(tools: &Tools<'_>, filter: &Filter, dry_run: bool) -> anyhow::Result<()> {
    let mut holes = ledger::holes(&tools.store, filter).await?;
    holes.retain(|hole| !hole.is_taken_back());
    let mut outcome = Outcome { dry_run, ..Outcome::default() };
    let margin = tools.config.margin_ms;
    let now_ms = tools.now_ms();
    let (ready, fresh): (Vec<Hole>, Vec<Hole>) =
        holes.into_iter().partition(|hole| settles_at_ms(hole.to_ms, margin) <= now_ms);
    for hole in &fresh {
        outcome.holes.push(repaired(hole, judged(tools, hole, None, NOTHING), None, NOTHING));
    }
    let spans: Vec<Span> = ready.iter().map(|hole| Span::around(hole, margin)).collect();
    let asked = questions(&spans);
    let bar = progress::bar(ready.len(), "repairing");
    for question in &asked {
        let holes: Vec<&Hole> = question.spans.iter().map(|&at| &ready[at]).collect();
        let spans: Vec<&Span> = question.spans.iter().map(|&at| &spans[at]).collect();
        one(tools, question, &holes, &spans, &mut outcome).await?;
        bar.inc(holes.len() as u64);
    }
    bar.finish_and_clear();
    say(tools.config.is_json, &outcome, &text(&outcome))?;
    match &outcome.error {
        Some(error) => bail!("not all trades were fetched; run it again: {error}"),
        None => Ok(()),
    }
}

/// The holes of one question, in the order of repair: their snapshots are looked for, books kept where
/// there are none, then their trades; last their states and the audit.
async fn one(
    tools: &Tools<'_>,
    question: &Question,
    holes: &[&Hole],
    spans: &[&Span],
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let owned: Vec<Hole> = holes.iter().copied().cloned().collect();
    let starts = record::starts(&tools.store, &owned).await?;
    let mut found = vec![NOTHING; holes.len()];
    // An exchange that did not answer once is not asked a thousand times more.
    if outcome.error.is_none() {
        if !outcome.dry_run {
            evidence(tools, holes, &starts, outcome).await?;
        }
        let swept = sweep(tools, question, spans, !outcome.dry_run).await?;
        outcome.trades_written += swept.written;
        outcome.error = swept.error.map(|error| with_causes(&error));
        found = swept.found;
    }
    let mut gaps: Vec<Gap> = Vec::new();
    let mut done = Vec::new();
    for ((hole, start), found) in holes.iter().zip(&starts).zip(found) {
        let verdict = judged(tools, hole, start.as_ref(), found);
        let by = format!("{} by gap-recovery, {} trades", tools.config.by, found.missing);
        let change = verdict.change_from(hole.state);
        gaps.extend(change.map(|state| hole.settled(state, &by)));
        if change.is_some() || found.stored > 0 {
            done.push((*hole, verdict, found));
        }
        outcome.holes.push(repaired(hole, verdict, start.as_ref(), found));
    }
    if outcome.dry_run {
        return Ok(());
    }
    ledger::settle(&tools.store, &gaps).await?;
    outcome.states_written += gaps.len() as u64;
    for (hole, verdict, found) in done {
        audit(tools, hole, verdict, found).await?;
    }
    Ok(())
}

/// The book after a hole is not in the record yet: at least what it is now is kept, once.
async fn evidence(
    tools: &Tools<'_>,
    holes: &[&Hole],
    starts: &[Option<Start>],
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for (hole, _) in holes.iter().zip(starts).filter(|(_, start)| start.is_none()) {
        let since_ms = wanted.entry(&hole.ticker).or_insert(hole.to_ms);
        *since_ms = hole.to_ms.max(*since_ms);
    }
    for (ticker, since_ms) in wanted {
        let is_kept = books::is_stored(&tools.store, ticker, since_ms).await?
            || tools.audit.has_polled(ticker, since_ms).await?;
        if is_kept {
            continue;
        }
        match poll::evidence(tools, ticker).await? {
            Ok(()) => outcome.books_polled += 1,
            Err(refused) => outcome.books_refused.push(refused),
        }
    }
    Ok(())
}

fn judged(tools: &Tools<'_>, hole: &Hole, start: Option<&Start>, found: Found) -> Verdict {
    judge(&Evidence {
        ends_ms: hole.to_ms,
        now_ms: tools.now_ms(),
        margin_ms: tools.config.margin_ms,
        has_snapshot: start.is_some(),
        trades: found.answer,
    })
}

fn repaired(hole: &Hole, verdict: Verdict, start: Option<&Start>, found: Found) -> Repaired {
    Repaired {
        hole: hole.id.clone(),
        was: hole.state,
        is: match verdict {
            // What was settled once stays so.
            Verdict::Open(_) => hole.state,
            settled => settled.word(),
        },
        why: verdict.why(),
        trades: found.trades,
        fetched_again: found.missing,
        snapshot_seq: start.map(|start| start.seq),
    }
}

async fn audit(
    tools: &Tools<'_>,
    hole: &Hole,
    verdict: Verdict,
    found: Found,
) -> anyhow::Result<()> {
    let done = Done {
        action: "trades",
        ticker: Some(&hole.ticker),
        span_ms: Some((hole.from_ms, hole.to_ms)),
        outcome: "ok",
        rows: found.stored,
        detail: json!({"hole": hole.id, "was": hole.state, "is": verdict.word(),
            "trades": found.trades}),
    };
    tools.audit.record(done, &tools.config.by, tools.now_ms()).await
}

fn text(outcome: &Outcome) -> String {
    let head = ["HOLE", "WAS", "IS", "TRADES", "FETCHED AGAIN", "WHY"].map(str::to_owned).to_vec();
    let row = |hole: &Repaired| {
        let (trades, missing) = (hole.trades.to_string(), hole.fetched_again.to_string());
        let (was, is) = (hole.was.to_owned(), hole.is.to_owned());
        vec![hole.hole.clone(), was, is, trades, missing, hole.why.to_owned()]
    };
    let rows: Vec<_> = std::iter::once(head).chain(outcome.holes.iter().map(row)).collect();
    let Outcome { trades_written, states_written, books_polled, .. } = outcome;
    let written = match outcome.dry_run {
        true => "dry run: nothing was written".to_owned(),
        false => format!(
            "written: {trades_written} trades, {states_written} states, {books_polled} books"
        ),
    };
    let refused = outcome.books_refused.iter().map(|why| format!("\nno book of {why}"));
    let refused: String = refused.collect();
    format!("{}{} holes; {written}{refused}", table(&rows), outcome.holes.len())
}
