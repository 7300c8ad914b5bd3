//! `poll`: order books over REST, now: by a gatherer, or directly when none answers.

use anyhow::bail;
use serde::Serialize;

use super::Tools;
use crate::audit::Done;
use crate::progress;
use crate::table::{say, table};
use crate::{admin, books};

/// What became of one market.
#[derive(Debug, Serialize)]
struct Polled {
    ticker: String,
    /// The gatherer, or `direct`.
    by: String,
    yes_levels: u64,
    no_levels: u64,
    error: Option<String>,
}

pub(super) async fn run(
    tools: &Tools<'_>,
    tickers: &[String],
    dry_run: bool,
) -> anyhow::Result<()> {
    if dry_run {
        let who: Vec<&str> = tools.config.gatherers.iter().map(|(name, _)| name.as_str()).collect();
        let first = if who.is_empty() { "REST directly".to_owned() } else { who.join(", then ") };
        let text = format!("would poll {} by {first}", tickers.join(", "));
        let json = serde_json::json!({"dry_run": true, "tickers": tickers, "gatherers": who});
        return say(tools.config.is_json, &json, &text);
    }
    let bar = progress::bar(tickers.len(), "polling");
    let mut all = Vec::new();
    for ticker in tickers {
        all.push(one(tools, ticker).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    say(tools.config.is_json, &all, &text(&all))?;
    match all.iter().filter(|polled| polled.error.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} markets were not polled", all.len()),
    }
}

/// Polls one market and says so in the audit.
async fn one(tools: &Tools<'_>, ticker: &str) -> anyhow::Result<Polled> {
    let (polled, refusals) = ask(tools, ticker).await;
    audit(tools, &polled, &refusals).await?;
    Ok(polled)
}

/// The same as a part of a repair, which may be tried every hour: what stored nothing is told, and is
/// no entry of the audit.
pub(super) async fn evidence(
    tools: &Tools<'_>,
    ticker: &str,
) -> anyhow::Result<Result<(), String>> {
    let (polled, refusals) = ask(tools, ticker).await;
    if let Some(error) = polled.error {
        return Ok(Err(format!("{ticker}: {error}")));
    }
    audit(tools, &polled, &refusals).await?;
    Ok(Ok(()))
}

/// By the gatherers, else directly; and why gatherers did not.
async fn ask(tools: &Tools<'_>, ticker: &str) -> (Polled, Vec<String>) {
    let mut polled = Polled {
        ticker: ticker.to_owned(),
        by: "direct".to_owned(),
        yes_levels: 0,
        no_levels: 0,
        error: None,
    };
    let asked = admin::poll(&tools.http, tools.config, ticker).await;
    if let Some(answer) = asked.answer {
        polled.by = answer.gatherer;
        (polled.yes_levels, polled.no_levels) = (answer.yes_levels, answer.no_levels);
    } else {
        match books::poll(tools, ticker).await {
            Ok((yes, no)) => (polled.yes_levels, polled.no_levels) = (yes, no),
            Err(error) => polled.error = Some(format!("{error:#}")),
        }
    }
    (polled, asked.refusals)
}

async fn audit(tools: &Tools<'_>, polled: &Polled, refusals: &[String]) -> anyhow::Result<()> {
    let done = Done {
        action: "poll",
        ticker: Some(&polled.ticker),
        span_ms: None,
        outcome: polled.error.as_deref().unwrap_or("ok"),
        rows: u64::from(polled.error.is_none()),
        detail: serde_json::json!({"by": polled.by, "refusals": refusals}),
    };
    tools.audit.record(done, &tools.config.by, tools.now_ms()).await
}

fn text(all: &[Polled]) -> String {
    let head = ["MARKET", "BY", "BIDS", "ASKS", "ERROR"].map(str::to_owned).to_vec();
    let row = |polled: &Polled| {
        let error = polled.error.clone().unwrap_or_default();
        let (yes, no) = (polled.yes_levels.to_string(), polled.no_levels.to_string());
        vec![polled.ticker.clone(), polled.by.clone(), yes, no, error]
    };
    table(&std::iter::once(head).chain(all.iter().map(row)).collect::<Vec<_>>())
}
