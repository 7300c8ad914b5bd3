//! Every hole stands once in the accounts of its market, in a row that is no gatherer's.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::stores::all;
use crate::oracle::{FaultKind, Report};

#[derive(Row, Deserialize)]
struct Market {
    ticker: String,
    gaps: u64,
    /// Holes that the accounts tell of.
    told: u64,
    /// Frames and holes that stand where they cannot belong.
    strange: u64,
}

/// Compares `lane_minutes` with `gaps`. A hole that was told again after a crash, with a later end, keeps its seq.
pub(super) async fn holes(client: &Client, report: &mut Report) -> anyhow::Result<()> {
    let sql = "SELECT ticker, sum(gaps) AS gaps, sum(told) AS told, sum(strange) AS strange FROM ( \
                   SELECT toString(market_ticker) AS ticker, count() AS gaps, 0 AS told, 0 AS strange FROM gaps FINAL \
                   WHERE to_clock != toUInt64(-1) AND cause != 'covered_again' GROUP BY ticker \
                   UNION ALL \
                   SELECT toString(market_ticker) AS ticker, 0 AS gaps, \
                       uniqExactIf(checkpoint, gatherer = '' AND holes = 1) AS told, \
                       countIf(gatherer = '' AND (holes != 1 OR frames != 0) OR gatherer != '' AND holes != 0) AS strange \
                   FROM lane_minutes FINAL GROUP BY ticker \
               ) GROUP BY ticker";
    for Market { ticker, gaps, told, strange } in all::<Market>(client, sql).await? {
        report.count("holes in lane_minutes", told);
        if gaps != told || strange != 0 {
            report.fault(FaultKind::WrongLedger, || {
                format!("{ticker} has {gaps} gaps, lane_minutes tells of {told}, and {strange} rows of it are neither")
            });
        }
    }
    Ok(())
}
