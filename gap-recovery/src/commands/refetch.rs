//! `trades --span`: the trades of named markets in a span, whether there is a hole or not.

use serde::Serialize;
use serde_json::json;

use super::Tools;
use crate::audit::Done;
use crate::plan::{Question, Span};
use crate::progress;
use crate::sweep::sweep;
use crate::table::{say, table};
use crate::times;
use crate::verdict::TradesAnswer;

#[derive(Debug, Serialize)]
struct Market {
    ticker: String,
    trades: u64,
    fetched_again: u64,
    is_known: bool,
}

pub(super) async fn run(
    tools: &Tools<'_>,
    tickers: &[String],
    (from_ms, asked_to_ms): (i64, i64),
    dry_run: bool,
) -> anyhow::Result<()> {
    // What is younger is no loss: it may be on its way to the store.
    let to_ms = asked_to_ms.min(tools.now_ms().saturating_sub(tools.config.margin_ms));
    let until = times::shown(to_ms);
    anyhow::ensure!(
        from_ms <= to_ms,
        "the span begins after {until}: trades that young may still be on their way to the store"
    );
    let mut markets = Vec::new();
    let bar = progress::bar(tickers.len(), "fetching");
    for ticker in tickers {
        let span = Span { ticker: ticker.clone(), from_ms, to_ms };
        let question = Question { ticker: Some(ticker.clone()), from_ms, to_ms, spans: vec![0] };
        let swept = sweep(tools, &question, &[&span], !dry_run).await?;
        let found = swept.found[0];
        let market = Market {
            ticker: ticker.clone(),
            trades: found.trades,
            fetched_again: found.missing,
            is_known: swept.error.is_some() || found.answer != TradesAnswer::Unknown,
        };
        if swept.written > 0 {
            let done = Done {
                action: "trades",
                ticker: Some(ticker),
                span_ms: Some((from_ms, to_ms)),
                outcome: "ok",
                rows: swept.written,
                detail: json!({"trades": market.trades}),
            };
            tools.audit.record(done, &tools.config.by, tools.now_ms()).await?;
        }
        markets.push(market);
        // Told after the audit of what was stored before it.
        if let Some(error) = swept.error {
            return Err(error.into());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let json = json!({"dry_run": dry_run, "until": until, "markets": markets});
    let mut text = text(&markets, dry_run);
    if to_ms < asked_to_ms {
        text +=
            &format!("only up to {until}: what is younger may still be on its way to the store\n");
    }
    say(tools.config.is_json, &json, &text)?;
    let unknown: Vec<&str> =
        markets.iter().filter(|market| !market.is_known).map(|m| m.ticker.as_str()).collect();
    anyhow::ensure!(unknown.is_empty(), "the exchange knows no market {}", unknown.join(", "));
    Ok(())
}

fn text(markets: &[Market], dry_run: bool) -> String {
    let head = ["MARKET", "TRADES", "FETCHED AGAIN", ""].map(str::to_owned).to_vec();
    let row = |market: &Market| {
        let (trades, missing) = (market.trades.to_string(), market.fetched_again.to_string());
        let known = if market.is_known { "" } else { "the exchange knows no such market" };
        vec![market.ticker.clone(), trades, missing, known.to_owned()]
    };
    let rows: Vec<_> = std::iter::once(head).chain(markets.iter().map(row)).collect();
    let written = if dry_run { "dry run: nothing was written\n" } else { "" };
    format!("{}{written}", table(&rows))
}
