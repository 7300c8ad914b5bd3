//! Compares ClickHouse and Parquet of a finished run with the simulator's truth.

mod archive;
mod gatherers;
mod minutes;
mod stores;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::fleet::Fleet;
use crate::oracle::{
    EventRow, FaultKind, Hole, HoleEnd, LatestRow, Missing, Report, Truth, check_events,
    check_holes, check_latest, check_lifecycle, check_tickers, check_trades, read_truth,
};
use gatherers::Unseen;

/// A gatherer whose own store can be asked what it received.
#[derive(Clone, Debug)]
pub struct Witness {
    /// `GATHERER_ID`.
    pub name: String,
    /// Its ClickHouse.
    pub url: String,
    /// Whether it was ended as by a power cut while it ran.
    pub was_killed: bool,
}

/// Where the outcome of a run lies. The engines still answer; the deduplicator has stopped, so that
/// its archive is closed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The simulator's log.
    pub truth: PathBuf,
    /// The canonical ClickHouse.
    pub clickhouse: String,
    /// `PARQUET_DIR`.
    pub parquet: PathBuf,
    /// The gatherers.
    pub witnesses: Vec<Witness>,
}

/// Whether the run gave a reason for events that nobody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holes {
    /// At every moment at least one lane was whole: there must be none.
    None,
    /// Every lane was damaged at some time: those that are proved right may be there.
    Justified,
}

impl Outcome {
    /// Of a fleet whose deduplicator has been stopped. `killed` names the gatherers that were.
    ///
    /// # Errors
    /// When the run had no simulator.
    pub fn of(fleet: &Fleet, killed: &[String]) -> anyhow::Result<Self> {
        let witness = |g: &crate::fleet::Gatherer| Witness {
            name: g.name.clone(),
            url: g.engine.url.clone(),
            was_killed: killed.contains(&g.name),
        };
        Ok(Self {
            truth: fleet.sim()?.truth.clone(),
            clickhouse: fleet.deduplicator.engine.url.clone(),
            parquet: fleet.deduplicator.parquet.clone(),
            witnesses: fleet.gatherers.iter().map(witness).collect(),
        })
    }

    /// Compares everything with the truth.
    ///
    /// # Errors
    /// When something cannot be read; faults are in the report.
    pub async fn verify(&self, holes: Holes) -> anyhow::Result<Report> {
        let mut frames = Vec::new();
        for witness in &self.witnesses {
            frames.push(gatherers::frames(witness).await?);
        }
        let truth = truth(&self.truth)?;
        let client = stores::client(&self.clickhouse);
        let mut report = Report::default();
        report.count("true events", truth.markets.values().map(|m| m.events.len() as u64).sum());
        report.count("true trades", truth.trades.len() as u64);
        let streams = self.streams(&truth, &mut report).await?;

        let mut stored = Report::default();
        let Told { missing, ends } = self.record(&truth, &streams, &mut stored).await?;
        let unseen = Unseen {
            trades: check_trades(&truth, &stores::trades(&client).await?, &mut stored),
            tickers: check_tickers(&truth, &stores::tickers(&client).await?, &mut stored),
            lifecycle: check_lifecycle(&truth, &stores::lifecycle(&client).await?, &mut stored),
        };
        let latest = stores::latest(&client).await?;
        // What the record leaves open at its end is not in the latest levels either.
        let whole =
            streams.values().map(String::as_str).filter(|ticker| !ends.contains_key(*ticker));
        let of_whole = |row: &LatestRow| !ends.contains_key(&row.market);
        let latest = latest.into_iter().filter(of_whole).collect();
        check_latest(&truth, whole, latest, &mut stored);
        report.absorb("ClickHouse", stored);

        minutes::holes(&client, &mut report).await?;
        let ledger = stores::ledger(&client).await?;
        for (witness, own) in self.witnesses.iter().zip(&frames) {
            gatherers::coverage(witness, &missing, &mut report).await?;
            gatherers::check_frames(witness, own, &ledger, &mut report);
        }
        let missed = gatherers::unseen(&truth, &self.witnesses, unseen, &mut report).await?;
        report.count("trades and tickers that nobody received", missed);
        if holes == Holes::None {
            let kind = FaultKind::Missed;
            report.faults_of(kind, missed, || format!("{missed} trades and tickers"));
            let inside = report.counted("ClickHouse events inside holes");
            report.faults_of(kind, inside, || format!("{inside} events inside holes"));
        }
        report.absorb("Parquet", self.archive(&truth, &streams, &ends)?);
        Ok(report)
    }

    async fn streams(
        &self,
        truth: &Truth,
        report: &mut Report,
    ) -> anyhow::Result<BTreeMap<u32, String>> {
        let rows = stores::streams(&stores::client(&self.clickhouse)).await?;
        for row in &rows {
            let due = truth.markets.get(&row.ticker).map(|market| market.id);
            if due.is_some_and(|due| due != row.id) {
                let (ticker, id) = (&row.ticker, row.id);
                report.fault(FaultKind::Different, || format!("{ticker} has the market id {id}"));
            }
        }
        Ok(rows.into_iter().map(|row| (row.sid, row.ticker)).collect())
    }

    async fn record(
        &self,
        truth: &Truth,
        streams: &BTreeMap<u32, String>,
        report: &mut Report,
    ) -> anyhow::Result<Told> {
        let client = stores::client(&self.clickhouse);
        let mut rows = stores::events(&client).await?;
        rows.sort_unstable_by_key(EventRow::order);
        let walked = check_events(truth, streams, &rows);
        *report = walked.report;
        check_holes(&walked.holes, &stores::gaps(&client).await?, report);
        Ok(Told { ends: ends(&walked.holes), missing: walked.missing })
    }

    /// The archive must tell the same story; what is missing is judged by the store's.
    fn archive(
        &self,
        truth: &Truth,
        streams: &BTreeMap<u32, String>,
        stored: &BTreeMap<String, u64>,
    ) -> anyhow::Result<Report> {
        let mut rows = archive::events(&self.parquet)?;
        rows.sort_unstable_by_key(EventRow::order);
        let walked = check_events(truth, streams, &rows);
        let mut report = walked.report;
        for (ticker, lost) in ends(&walked.holes) {
            let more = lost.saturating_sub(stored.get(&ticker).copied().unwrap_or(0));
            report.faults_of(FaultKind::Lost, more, || {
                format!("{ticker}: {more} events at the end that ClickHouse has")
            });
        }
        check_trades(truth, &archive::trades(&self.parquet)?, &mut report);
        check_tickers(truth, &archive::tickers(&self.parquet)?, &mut report);
        check_lifecycle(truth, &archive::lifecycle(&self.parquet)?, &mut report);
        Ok(report)
    }
}

/// What the walk through the store found missing.
struct Told {
    missing: Vec<Missing>,
    ends: BTreeMap<String, u64>,
}

/// Events that are missing at the end of a market's record.
fn ends(holes: &[Hole]) -> BTreeMap<String, u64> {
    let last = holes.iter().filter(|hole| hole.end == HoleEnd::Nowhere);
    last.map(|hole| (hole.market.clone(), hole.lost)).collect()
}

fn truth(path: &Path) -> anyhow::Result<Truth> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(read_truth(BufReader::with_capacity(1 << 20, file))?)
}
