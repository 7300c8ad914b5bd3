//! Trades, tickers and lifecycle messages: each has an identity of its own and no order to keep.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::report::{FaultKind, Report};
use super::truth::{TickerTruth, TradeTruth, Truth};

/// A row of `trades`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TradeRow {
    /// The exchange's id.
    pub id: Uuid,
    /// Price of the no leg, 1/10,000 dollar.
    pub no_price: u16,
    /// The rest of it.
    pub trade: TradeTruth,
}

/// A row of `tickers`.
pub type TickerRow = TickerTruth;

/// `kind subject event_type` of a row of `market_lifecycle`.
pub type LifecycleRow = String;

/// Compares trades; gives those that are missing.
pub fn check_trades(truth: &Truth, rows: &[TradeRow], report: &mut Report) -> Vec<Uuid> {
    report.count("trades", rows.len() as u64);
    let mut seen = BTreeSet::new();
    for TradeRow { id, no_price, trade } in rows {
        let Some(due) = truth.trades.get(id) else {
            report.fault(FaultKind::Invented, || format!("trade {id} never happened"));
            continue;
        };
        if !seen.insert(*id) {
            report.fault(FaultKind::Twice, || format!("trade {id} stands there again"));
        }
        if trade != due || no_price + due.yes_price != 10_000 {
            report
                .fault(FaultKind::Different, || format!("trade {id}: {trade:?}, true is {due:?}"));
        }
    }
    truth.trades.keys().filter(|id| !seen.contains(id)).copied().collect()
}

/// Compares tickers; gives those that are missing.
pub fn check_tickers(
    truth: &Truth,
    rows: &[TickerRow],
    report: &mut Report,
) -> BTreeSet<TickerTruth> {
    report.count("tickers", rows.len() as u64);
    let mut left: BTreeSet<&TickerTruth> = truth.tickers.iter().collect();
    let all = left.clone();
    for row in rows {
        if left.remove(row) {
            continue;
        }
        if all.contains(row) {
            report.fault(FaultKind::Twice, || format!("{row:?} stands there again"));
            continue;
        }
        let moment =
            |other: &&&TickerTruth| (&other.market, other.ts_ms) == (&row.market, row.ts_ms);
        match all.iter().find(moment) {
            Some(due) => {
                report.fault(FaultKind::Different, || format!("{row:?}, true is {due:?}"));
            }
            None => report.fault(FaultKind::Invented, || format!("{row:?} never happened")),
        }
    }
    left.into_iter().cloned().collect()
}

/// Compares lifecycle messages; gives those that are missing, as often as they are.
pub fn check_lifecycle(truth: &Truth, rows: &[LifecycleRow], report: &mut Report) -> Vec<String> {
    report.count("lifecycle messages", rows.len() as u64);
    let mut times: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for body in &truth.lifecycle {
        times.entry(body).or_default().0 += 1;
    }
    for body in rows {
        times.entry(body).or_default().1 += 1;
    }
    let mut missing = Vec::new();
    for (body, (due, found)) in times {
        if due == 0 {
            report.faults_of(FaultKind::Invented, found, || {
                format!("lifecycle {body} never happened")
            });
        } else if found > due {
            report.faults_of(FaultKind::Twice, found - due, || {
                format!("lifecycle {body} stands there {found} times, it happened {due} times")
            });
        }
        missing.extend((found..due).map(|_| body.to_owned()));
    }
    missing
}
