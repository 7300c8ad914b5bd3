//! `report`: the holes as a list of incidents, by day and market, that can be published.
//!
//! It names markets, times and causes, and nothing of machines, people or addresses. The same holes
//! give the same bytes: no time of writing stands in it. What is published is always a whole day.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::Tools;
use crate::config::Filter;
use crate::hole::{Hole, NO_END};
use crate::ledger;
use crate::table::say;
use crate::times;

/// A day; a hole belongs to the day in which it begins (UTC).
#[derive(Debug, Serialize)]
struct Day {
    day: String,
    holes: usize,
    open: usize,
    repaired: usize,
    permanent: usize,
    markets: Vec<Market>,
}

#[derive(Debug, Serialize)]
struct Market {
    ticker: String,
    /// The sum of the holes that have an end.
    lost_ms: i64,
    holes: Vec<Incident>,
}

#[derive(Debug, Serialize)]
struct Incident {
    from: String,
    /// Absent, as the length, while nothing ends it.
    to: Option<String>,
    lasted_ms: Option<i64>,
    era: u16,
    from_clock: u64,
    to_clock: u64,
    cause: String,
    state: &'static str,
}

pub(super) async fn run(
    tools: &Tools<'_>,
    filter: &Filter,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    let holes = ledger::holes(&tools.store, filter).await?;
    if let Some(out) = out {
        let written = publish(tools, &holes, out).await?;
        let text = if written.is_empty() { "no holes".to_owned() } else { written.join("\n") };
        return say(tools.config.is_json, &written, &text);
    }
    let days: Vec<Day> = days(&holes).into_values().collect();
    let texts: Vec<String> = days.iter().map(markdown).collect();
    let text = if texts.is_empty() { "no holes".to_owned() } else { texts.join("\n") };
    say(tools.config.is_json, &days, &text)
}

/// Writes the days of `asked` whole, with the holes that were not asked for: what was published of a day
/// is replaced. A day is corrected, too, when a hole of it was taken back after it was published.
async fn publish(tools: &Tools<'_>, asked: &[Hole], out: &Path) -> anyhow::Result<Vec<String>> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {} (--out)", out.display()))?;
    let path = |day: &str, kind: &str| out.join(format!("{day}.{kind}"));
    let mut names: BTreeSet<String> = asked.iter().map(|hole| times::day(hole.from_ms)).collect();
    names.extend(ledger::days_taken_back(&tools.store).await?);
    let all = days(&ledger::of_days(&tools.store, &names).await?);
    let mut written = Vec::new();
    for name in names {
        let empty = day(&name, &BTreeMap::new());
        let whole = match all.get(&name) {
            Some(whole) => whole,
            None if path(&name, "json").exists() => &empty,
            None => continue,
        };
        let json = format!("{}\n", serde_json::to_string_pretty(whole)?);
        for (kind, text) in [("md", markdown(whole)), ("json", json)] {
            let path = path(&name, kind);
            replace(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
            written.push(path.display().to_string());
        }
    }
    Ok(written)
}

/// Written beside and renamed, so that a reader never sees half a report.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

/// The days on which holes begin; one that was taken back is no incident.
fn days(holes: &[Hole]) -> BTreeMap<String, Day> {
    let mut by_day: BTreeMap<String, BTreeMap<&str, Vec<&Hole>>> = BTreeMap::new();
    for hole in holes.iter().filter(|hole| !hole.is_taken_back()) {
        let day = by_day.entry(times::day(hole.from_ms)).or_default();
        day.entry(&hole.ticker).or_default().push(hole);
    }
    by_day.into_iter().map(|(name, markets)| (name.clone(), day(&name, &markets))).collect()
}

fn day(name: &str, markets: &BTreeMap<&str, Vec<&Hole>>) -> Day {
    let all: Vec<&&Hole> = markets.values().flatten().collect();
    let count = |state: &str| all.iter().filter(|hole| hole.state == state).count();
    Day {
        day: name.to_owned(),
        holes: all.len(),
        open: count("open"),
        repaired: count("repaired"),
        permanent: count("permanent"),
        markets: markets.iter().map(|(ticker, holes)| market(ticker, holes)).collect(),
    }
}

fn market(ticker: &str, holes: &[&Hole]) -> Market {
    let incident = |hole: &&Hole| Incident {
        from: hole.from.clone(),
        to: hole.lasted_ms().map(|_| hole.to.clone()),
        lasted_ms: hole.lasted_ms(),
        era: hole.era,
        from_clock: hole.from_clock,
        to_clock: hole.to_clock,
        cause: hole.cause.clone(),
        state: hole.state,
    };
    let holes: Vec<Incident> = holes.iter().map(incident).collect();
    Market {
        ticker: ticker.to_owned(),
        lost_ms: holes.iter().filter_map(|hole| hole.lasted_ms).sum(),
        holes,
    }
}

fn markdown(day: &Day) -> String {
    let mut out = format!("# Incidents of {}\n\n", day.day);
    let Day { holes, open, repaired, permanent, .. } = day;
    let markets = day.markets.len();
    let _infallible = writeln!(
        out,
        "{holes} holes in {markets} markets: {repaired} repaired, {permanent} permanent, {open} open. \
         Times are UTC.\n\nIn a hole single order-book changes are missing, whatever its state. \
         Repaired: the book is whole from its end on, and its trades are complete. Permanent: the \
         trades inside cannot be had either.\n"
    );
    for market in &day.markets {
        let lost = times::length(market.lost_ms);
        let _infallible = writeln!(
            out,
            "## {}\n\nLost: {lost}.\n\n| from | to | lasted | clocks | cause | state |\n|---|---|---|---|---|---|",
            market.ticker
        );
        for hole in &market.holes {
            let Incident { from, to, era, from_clock, to_clock, cause, state, .. } = hole;
            let to = to.as_deref().unwrap_or(NO_END);
            let lasted = hole.lasted_ms.map_or_else(String::new, times::length);
            let _infallible = writeln!(
                out,
                "| {from} | {to} | {lasted} | era {era}, ({from_clock}, {to_clock}] | {cause} | {state} |"
            );
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use schema::rows::Gap;

    use super::*;
    use crate::hole::TAKEN_BACK;
    use crate::hole::tests::hole;

    #[test]
    fn a_report_has_a_part_for_every_day_and_market() {
        let noon = 1_786_104_000;
        let holes = [
            hole("B", noon, noon + 5),
            hole("A", noon, noon + 61),
            hole("A", noon + 86_400, noon + 86_401),
        ];
        let days: Vec<Day> = days(&holes).into_values().collect();
        assert_eq!(days.len(), 2);
        assert_eq!((days[0].holes, days[0].open, days[0].markets.len()), (2, 2, 2));
        assert_eq!(days[1].day, "2026-08-08");
        let text = markdown(&days[0]);
        assert!(text.starts_with("# Incidents of 2026-08-07\n\n2 holes in 2 markets: 0 repaired"));
        let row = "## A\n\nLost: 1 min 1 s.\n\n| from | to | lasted | clocks | cause | state |\n\
                   |---|---|---|---|---|---|\n| 2026-08-07T12:00:00.000Z | 2026-08-07T12:01:01.000Z | \
                   1 min 1 s | era 0, (7, 9] | all_sessions_closed | open |\n\n## B";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn a_hole_that_was_taken_back_is_no_incident() {
        let back = |ticker, at| Hole { cause: TAKEN_BACK.to_owned(), ..hole(ticker, at, at) };
        let noon = 1_786_104_000;
        let holes = [back("A", noon), hole("A", noon, noon + 5), back("B", noon + 86_400)];
        let days: Vec<Day> = days(&holes).into_values().collect();
        assert_eq!((days.len(), days[0].holes, days[0].markets.len()), (1, 1, 1));
    }

    #[test]
    fn a_hole_without_end_is_told_without_a_length() {
        let noon = 1_786_104_000;
        let endless = Hole { to_ms: Gap::NO_END_TS.0, ..hole("A", noon + 9, noon + 9) };
        let holes = [hole("A", noon, noon + 5), endless];
        let days: Vec<Day> = days(&holes).into_values().collect();
        let market = &days[0].markets[0];
        assert_eq!((market.lost_ms, &market.holes[1].to), (5_000, &None));
        let text = markdown(&days[0]);
        assert!(text.contains("| 2026-08-07T12:00:09.000Z | no end yet |  | era 0"), "{text}");
    }
}
