//! Decides what is wrong, in one word and in sentences that say where to look. Pure.

use crate::status::{ClickHouseStatus, GathererStatus, Status};

/// A gatherer further behind than this is not healthy.
const LAG_SECONDS_MAX: f64 = 30.0;
/// A store that fails for longer than this is not healthy.
const RETRY_SECONDS_MAX: f64 = 15.0;
/// A store may be this far behind: a slow minute.
const STORE_LAG_SECONDS_MAX: f64 = 60.0;
/// Checkpoints come every ten seconds unless set otherwise; without them nothing is acked.
const CHECKPOINT_SECONDS_MAX: f64 = 300.0;
/// The pipeline shows itself four times a second, or is stuck.
const SILENT_SECONDS_MAX: f64 = 15.0;
/// Before this, "nothing for five minutes" says nothing.
const FLOW_SECONDS: f64 = 300.0;
const HOUR_MS: i64 = 3_600_000;

/// How the program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// As it should be.
    Ok,
    /// The record goes on, but something needs a look.
    Degraded,
    /// The record does not go on.
    Down,
}

impl Word {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// One word, and why it is not `ok`.
pub(crate) fn judge(status: &Status) -> (Word, Vec<String>) {
    let mut reasons = Vec::new();
    let stuck = status.pipeline_silent_seconds > SILENT_SECONDS_MAX;
    if stuck {
        let seconds = status.pipeline_silent_seconds;
        reasons.push(format!("the pipeline has not moved for {seconds:.0} s"));
    }
    gatherers(status, &mut reasons);
    flow(status, &mut reasons);
    stores(status, &mut reasons);
    let nobody = !status.gatherers.iter().any(|gatherer| gatherer.connected);
    match (stuck || nobody, reasons.is_empty()) {
        (true, _) => (Word::Down, reasons),
        (false, false) => (Word::Degraded, reasons),
        (false, true) => (Word::Ok, reasons),
    }
}

/// Holes of the last hour that nobody planned.
fn losses(status: &Status) -> usize {
    let since_ms = status.wall_ns / 1_000_000 - HOUR_MS;
    let lost = |hole: &&crate::activity::HoleView| !hole.planned && hole.to_ts_ms >= since_ms;
    status.activity.holes.iter().filter(lost).count()
}

fn gatherers(status: &Status, reasons: &mut Vec<String>) {
    for GathererStatus { name, connected, lag_seconds, .. } in &status.gatherers {
        if !connected {
            reasons.push(format!("gatherer {name} is not connected"));
        } else if *lag_seconds > LAG_SECONDS_MAX {
            reasons.push(format!("gatherer {name} is {lag_seconds:.0} s behind"));
        }
    }
    for totals in &status.totals.gatherers {
        let name = &totals.name;
        if totals.markets_quarantined > 0 {
            let markets = totals.markets_quarantined;
            reasons.push(format!("gatherer {name} is quarantined in {markets} markets"));
        }
        if totals.lanes_broken > 0 {
            let lanes = totals.lanes_broken;
            reasons.push(format!("gatherer {name} has {lanes} broken lanes"));
        }
    }
}

fn flow(status: &Status, reasons: &mut Vec<String>) {
    let is_long = status.uptime_seconds > FLOW_SECONDS;
    if is_long && status.frames_last_5m > 0 && status.events_last_5m == 0 {
        reasons.push("frames come, but no event was made of them for five minutes".to_owned());
    }
    let connected = status.gatherers.iter().any(|gatherer| gatherer.connected);
    if is_long && connected && status.frames_last_5m == 0 && !status.totals.halted {
        let silent = "trading is on, but no frame has come from any gatherer for five minutes";
        reasons.push(silent.to_owned());
    }
    match losses(status) {
        0 => {}
        1 => reasons.push("a hole was recorded in the last hour".to_owned()),
        holes => reasons.push(format!("{holes} holes were recorded in the last hour")),
    }
    if status.checkpoint_age_seconds > CHECKPOINT_SECONDS_MAX {
        let seconds = status.checkpoint_age_seconds;
        reasons.push(format!("no checkpoint for {seconds:.0} s: nothing is acked"));
    }
}

fn stores(status: &Status, reasons: &mut Vec<String>) {
    if let Some(clickhouse) = &status.clickhouse {
        let ClickHouseStatus { retrying_seconds, lag_seconds, .. } = clickhouse;
        if *retrying_seconds > RETRY_SECONDS_MAX {
            let error = clickhouse.last_error.as_deref().unwrap_or_default();
            reasons.push(format!("ClickHouse takes no rows: {error}"));
        } else if *lag_seconds > STORE_LAG_SECONDS_MAX {
            reasons.push(format!("ClickHouse is {lag_seconds:.0} s behind the journal"));
        }
    }
    if let Some(parquet) = &status.parquet
        && parquet.retrying_seconds > RETRY_SECONDS_MAX
    {
        let seconds = parquet.retrying_seconds;
        reasons.push(format!("the archive has been failing for {seconds:.0} s"));
    }
}

#[cfg(test)]
mod tests {
    use merge::GathererTotals;

    use super::*;
    use crate::status::ArchiveStatus;

    fn status(connected: &[bool]) -> Status {
        let gatherers = connected
            .iter()
            .map(|connected| GathererStatus {
                name: "east".to_owned(),
                connected: *connected,
                ..Default::default()
            })
            .collect();
        Status { gatherers, ..Status::default() }
    }

    fn check(change: impl FnOnce(&mut Status), word: Word, reason: &str) {
        let mut status = status(&[true, true]);
        change(&mut status);
        assert_eq!(judge(&status), (word, vec![reason.to_owned()]));
    }

    #[test]
    fn one_gatherer_lost_degrades_and_all_lost_is_down() {
        for (connected, word) in [
            (&[true, true][..], Word::Ok),
            (&[true, false], Word::Degraded),
            (&[false, false], Word::Down),
            (&[], Word::Down),
        ] {
            assert_eq!(judge(&status(connected)).0, word);
        }
    }

    #[test]
    fn a_stuck_pipeline_is_down_although_the_port_answers() {
        check(
            |status| status.pipeline_silent_seconds = 16.0,
            Word::Down,
            "the pipeline has not moved for 16 s",
        );
    }

    #[test]
    fn frames_without_events_degrade_once_that_means_something() {
        let quiet = |uptime_seconds| {
            move |status: &mut Status| {
                (status.uptime_seconds, status.frames_last_5m) = (uptime_seconds, 10);
            }
        };
        let reason = "frames come, but no event was made of them for five minutes";
        check(quiet(301.0), Word::Degraded, reason);
        let mut young = status(&[true]);
        quiet(299.0)(&mut young);
        assert_eq!(judge(&young).0, Word::Ok);
    }

    #[test]
    fn silence_degrades_unless_the_exchange_does_not_trade() {
        let reason = "trading is on, but no frame has come from any gatherer for five minutes";
        check(|status| status.uptime_seconds = 301.0, Word::Degraded, reason);
        let mut halted = status(&[true]);
        (halted.uptime_seconds, halted.totals.halted) = (301.0, true);
        assert_eq!(judge(&halted).0, Word::Ok);
    }

    #[test]
    fn each_trouble_is_told_with_its_figure() {
        let lag = |status: &mut Status| status.gatherers[0].lag_seconds = 31.0;
        check(lag, Word::Degraded, "gatherer east is 31 s behind");
        let totals = |totals: GathererTotals| {
            move |status: &mut Status| status.totals.gatherers.push(totals)
        };
        let named = || GathererTotals { name: "west".to_owned(), ..Default::default() };
        let out = GathererTotals { markets_quarantined: 4, ..named() };
        check(totals(out), Word::Degraded, "gatherer west is quarantined in 4 markets");
        let broken = GathererTotals { lanes_broken: 2, ..named() };
        check(totals(broken), Word::Degraded, "gatherer west has 2 broken lanes");
        let late = |status: &mut Status| status.checkpoint_age_seconds = 301.0;
        check(late, Word::Degraded, "no checkpoint for 301 s: nothing is acked");
        let failing = ArchiveStatus { retrying_seconds: 16.0, ..Default::default() };
        let archive = |status: &mut Status| status.parquet = Some(failing);
        check(archive, Word::Degraded, "the archive has been failing for 16 s");
    }

    #[test]
    fn a_store_that_refuses_is_told_before_one_that_lags() {
        let clickhouse = |retrying_seconds| {
            move |status: &mut Status| {
                status.clickhouse = Some(ClickHouseStatus {
                    retrying_seconds,
                    lag_seconds: 121.0,
                    last_error: Some("refused".to_owned()),
                    ..Default::default()
                });
            }
        };
        check(clickhouse(16.0), Word::Degraded, "ClickHouse takes no rows: refused");
        check(clickhouse(1.0), Word::Degraded, "ClickHouse is 121 s behind the journal");
    }
}
