//! Asks the gatherers' own stores: who received what is missing, and how many frames there were.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use clickhouse::{Client, Row};
use serde::Deserialize;
use uuid::Uuid;

use super::Witness;
use super::stores::{all, client, lifecycle_frames, tickers};
use crate::oracle::{
    Coverage, FaultKind, Missing, Report, TickerTruth, Truth, Wanted, check_coverage,
};

#[derive(Row, Deserialize)]
struct Frame<'a> {
    session: u64,
    frame: &'a str,
}

/// What the record does not have of the messages that stand for themselves.
#[derive(Default)]
pub(super) struct Unseen {
    pub(super) trades: Vec<Uuid>,
    pub(super) tickers: BTreeSet<TickerTruth>,
    pub(super) lifecycle: Vec<String>,
}

/// Looks for missing events on the covered lanes of one gatherer.
pub(super) async fn coverage(
    witness: &Witness,
    missing: &[Missing],
    report: &mut Report,
) -> anyhow::Result<()> {
    let wanted = Wanted::new(missing);
    if wanted.is_empty() {
        return Ok(());
    }
    let mut seen = Coverage::new(&wanted);
    // A frame that was damaged on its way is kept as it came; it need not be text.
    let sql = "SELECT session, toValidUTF8(frame) AS frame FROM raw_frames FINAL \
               ORDER BY position_incarnation, position_offset";
    let mut cursor = client(&witness.url).query(sql).fetch::<Frame<'_>>().context("raw_frames")?;
    while let Some(row) = cursor.next().await.context("raw_frames")? {
        if let Ok(frame) = exchange::decode(row.frame) {
            seen.frame(row.session, &frame);
        }
    }
    check_coverage(&witness.name, &seen, missing, report);
    Ok(())
}

/// The frames that a gatherer has, by minute. It goes on capturing, so ask before what takes long.
pub(super) async fn frames(witness: &Witness) -> anyhow::Result<BTreeMap<u32, u64>> {
    let sql = "SELECT toUInt32(toStartOfMinute(recv_ts)) AS at, count() AS frames \
               FROM raw_frames FINAL GROUP BY at";
    let rows: Vec<(u32, u64)> = all(&client(&witness.url), sql).await?;
    Ok(rows.into_iter().collect())
}

/// Compares the ledger with the frames that one gatherer has, minute by minute.
pub(super) fn check_frames(
    witness: &Witness,
    own: &BTreeMap<u32, u64>,
    ledger: &BTreeMap<(String, u32), u64>,
    report: &mut Report,
) {
    let accounted = ledger.keys().filter(|(name, _)| *name == witness.name);
    let minutes: BTreeSet<u32> = own.keys().copied().chain(accounted.map(|key| key.1)).collect();
    for minute in minutes {
        let has = own.get(&minute).copied().unwrap_or_default();
        let told = ledger.get(&(witness.name.clone(), minute)).copied().unwrap_or_default();
        report.count(&format!("frames of {}", witness.name), has);
        // What was streamed but not yet on disk at a kill is accounted for and cannot be shown again.
        let adds_up = if witness.was_killed { told >= has } else { told == has };
        if !adds_up {
            let name = &witness.name;
            report.fault(FaultKind::WrongLedger, || {
                format!(
                    "{name} has {has} frames of minute {minute}, lane_minutes accounts for {told}"
                )
            });
        }
    }
}

/// Judges what is missing by what any gatherer received.
pub(super) async fn unseen(
    truth: &Truth,
    witnesses: &[Witness],
    unseen: Unseen,
    report: &mut Report,
) -> anyhow::Result<u64> {
    let (mut had_trades, mut had_tickers) = (BTreeSet::new(), BTreeSet::new());
    let mut had_lifecycle: BTreeMap<String, usize> = BTreeMap::new();
    for witness in witnesses {
        let client = client(&witness.url);
        if !unseen.trades.is_empty() {
            had_trades.extend(trade_ids(&client).await?);
        }
        if !unseen.tickers.is_empty() {
            had_tickers.extend(tickers(&client).await?);
        }
        if !unseen.lifecycle.is_empty() {
            for (body, times) in counted(lifecycle_frames(&client).await?) {
                let most = had_lifecycle.entry(body).or_default();
                *most = times.max(*most);
            }
        }
    }
    let mut lost = |what: String| report.fault(FaultKind::Lost, || what);
    for id in unseen.trades.iter().filter(|id| had_trades.contains(id)) {
        lost(format!("trade {id}, which a gatherer received"));
    }
    for ticker in unseen.tickers.intersection(&had_tickers) {
        lost(format!("{ticker:?}, which a gatherer received"));
    }
    let due = counted(truth.lifecycle.iter().cloned());
    for (body, absent) in counted(unseen.lifecycle.iter().cloned()) {
        let of = |times: &BTreeMap<String, usize>| times.get(&body).copied().unwrap_or_default();
        let found = of(&due).saturating_sub(absent);
        for _ in 0..of(&had_lifecycle).saturating_sub(found).min(absent) {
            lost(format!("lifecycle {body}, which a gatherer received"));
        }
    }
    Ok(missed(truth, &unseen, &had_trades, &had_tickers))
}

fn counted(bodies: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for body in bodies {
        *times.entry(body).or_default() += 1;
    }
    times
}

/// How many nobody received although somebody had received others of that market before.
fn missed(
    truth: &Truth,
    unseen: &Unseen,
    had_trades: &BTreeSet<Uuid>,
    had_tickers: &BTreeSet<TickerTruth>,
) -> u64 {
    let mut began: BTreeMap<&str, i64> = BTreeMap::new();
    let lacking: BTreeSet<&Uuid> = unseen.trades.iter().collect();
    for (id, trade) in &truth.trades {
        if !lacking.contains(id) {
            let first = began.entry(&trade.market).or_insert(i64::MAX);
            *first = trade.ts_ms.min(*first);
        }
    }
    let after = |market: &str, ts_ms: i64| began.get(market).is_some_and(|first| ts_ms > *first);
    let trades = unseen.trades.iter().filter(|id| !had_trades.contains(id));
    let trades = trades.filter_map(|id| truth.trades.get(id)).filter(|t| after(&t.market, t.ts_ms));
    let tickers = unseen.tickers.iter().filter(|ticker| !had_tickers.contains(ticker));
    let tickers = tickers.filter(|ticker| after(&ticker.market, ticker.ts_ms));
    (trades.count() + tickers.count()) as u64
}

async fn trade_ids(client: &Client) -> anyhow::Result<Vec<Uuid>> {
    #[derive(Row, Deserialize)]
    struct Id {
        #[serde(with = "clickhouse::serde::uuid")]
        trade_id: Uuid,
    }
    let ids: Vec<Id> = all(client, "SELECT DISTINCT trade_id FROM trades").await?;
    Ok(ids.into_iter().map(|id| id.trade_id).collect())
}
