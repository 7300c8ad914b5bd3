//! Decides what is wrong with a gatherer, and says it so that a person knows where to look. Pure.

use super::{Health, Verdict};

/// While a batch is retried for less than this, the store is still called reachable: one retry is everyday life.
const RETRYING_NS_MAX: i64 = 5_000_000_000;
/// The local store may be this far behind: a slow minute.
const STORE_LAG_SECONDS_MAX: f64 = 60.0;
/// A deduplicator acks what its second newest checkpoint holds: some 20 s. Beyond this it is stuck.
const UNACKED_SECONDS_MAX: f64 = 120.0;
/// From this share of its quota on, the spool is told to be nearly full.
const SPOOL_PERCENT_MAX: u64 = 85;
/// Frames may be missing for so long before it is told; a small choice of markets can be silent at night.
const SILENCE_MS_MAX: u64 = 300_000;

/// Whether a store is called reachable.
pub(super) fn is_reachable(was_reached: bool, retrying_ns: i64) -> bool {
    was_reached && retrying_ns <= RETRYING_NS_MAX
}

/// Everything that is not as it should be, the gravest first.
pub(super) fn reasons(health: &Health) -> Vec<(Verdict, String)> {
    let mut reasons = Vec::new();
    capture(health, &mut reasons);
    spool(health, &mut reasons);
    store(health, &mut reasons);
    for name in &health.deduplicators_absent {
        reasons.push((Verdict::Degraded, format!("deduplicator {name} does not follow")));
    }
    reasons.sort_by(|(one, _), (other, _)| other.cmp(one));
    reasons
}

fn capture(health: &Health, reasons: &mut Vec<(Verdict, String)>) {
    let all = health.connections.len();
    let down = health.connections.iter().filter(|connection| !connection.connected).count();
    if all == 0 {
        reasons.push((Verdict::Down, "no markets are known yet".to_owned()));
    } else if health.connections.iter().all(|connection| connection.markets == 0) {
        // One connection is open all the same, to hear of new ones.
        reasons
            .push((Verdict::Degraded, "no market is open that MARKET_TICKERS asks for".to_owned()));
    } else if down == all {
        reasons.push((Verdict::Down, "no connection to the exchange".to_owned()));
    } else if down > 0 {
        reasons.push((Verdict::Degraded, format!("{down} of {all} connections are down")));
    }
    if let Some(silent_ms) = health.last_frame_ms_ago().filter(|ms| *ms > SILENCE_MS_MAX) {
        let seconds = silent_ms / 1_000;
        reasons.push((Verdict::Degraded, format!("no frame for {seconds} s on any connection")));
    }
}

fn spool(health: &Health, reasons: &mut Vec<(Verdict, String)>) {
    let spool = &health.spool;
    if let Some(reason) = &spool.failing {
        reasons.push((Verdict::Down, format!("the spool takes no frames: {reason}")));
    }
    let percent = u128::from(spool.bytes_on_disk) * 100 / u128::from(spool.quota_bytes.max(1));
    if percent >= u128::from(SPOOL_PERCENT_MAX) {
        let text = format!("the spool holds {percent} % of SPOOL_QUOTA_BYTES");
        reasons.push((Verdict::Degraded, text));
    }
    if spool.unacked_seconds > UNACKED_SECONDS_MAX && health.deduplicators > 0 {
        let text = format!("the deduplicator has acked nothing for {:.0} s", spool.unacked_seconds);
        reasons.push((Verdict::Degraded, text));
    }
}

fn store(health: &Health, reasons: &mut Vec<(Verdict, String)>) {
    let Some(store) = &health.clickhouse else { return };
    if !store.reachable {
        let error = store.last_error.as_deref().unwrap_or("it never answered");
        reasons.push((Verdict::Degraded, format!("the local ClickHouse: {error}")));
    } else if store.lag_seconds > STORE_LAG_SECONDS_MAX {
        let text = format!("the local ClickHouse is {:.0} s behind", store.lag_seconds);
        reasons.push((Verdict::Degraded, text));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConnectionHealth, SpoolHealth, StoreHealth};
    use super::*;

    fn connection(connected: bool, last_frame_ms_ago: Option<u64>) -> ConnectionHealth {
        ConnectionHealth {
            index: 0,
            connected,
            session: 1,
            markets: 2,
            frames: 3,
            last_frame_ms_ago,
            breaks: 0,
        }
    }

    fn well() -> Health {
        Health {
            status: Verdict::Ok,
            reasons: Vec::new(),
            gatherer: "east".to_owned(),
            version: "0",
            uptime_seconds: 1,
            connections: vec![connection(true, Some(10)), connection(true, None)],
            markets: 4,
            frames_total: 3,
            frames_per_second: 1,
            frames_last_5m: 3,
            deltas_total: 2,
            spool: SpoolHealth {
                failing: None,
                written: String::new(),
                durable: String::new(),
                oldest: String::new(),
                acked: None,
                bytes_on_disk: 10,
                quota_bytes: 100,
                unacked_bytes: 1,
                unacked_seconds: 20.0,
            },
            clickhouse: Some(StoreHealth {
                reachable: true,
                cursor: None,
                lag_bytes: 0,
                lag_seconds: 3.0,
                rows_total: 0,
                rows_ingested_last_5m: 0,
                retrying_seconds: 0.0,
                last_insert_seconds: 0.0,
                last_error: None,
            }),
            deduplicators: 1,
            deduplicators_absent: Vec::new(),
        }
    }

    fn check(change: impl FnOnce(&mut Health), expected: &[(Verdict, &str)]) {
        let mut health = well();
        change(&mut health);
        let reasons = reasons(&health);
        let found: Vec<_> =
            reasons.iter().map(|(verdict, text)| (*verdict, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_gatherer_that_captures_and_is_followed_is_well() {
        check(|_| (), &[]);
        check(|health| health.clickhouse = None, &[]);
    }

    #[test]
    fn capturing_nothing_is_down_and_less_is_degraded() {
        use Verdict::{Degraded, Down};
        check(|h| h.connections.clear(), &[(Down, "no markets are known yet")]);
        check(
            |h| h.connections.iter_mut().for_each(|connection| connection.markets = 0),
            &[(Degraded, "no market is open that MARKET_TICKERS asks for")],
        );
        check(
            |h| h.connections.iter_mut().for_each(|connection| connection.connected = false),
            &[(Down, "no connection to the exchange")],
        );
        check(|h| h.connections[0].connected = false, &[(Degraded, "1 of 2 connections are down")]);
        check(
            |h| h.spool.failing = Some("disk full".to_owned()),
            &[(Down, "the spool takes no frames: disk full")],
        );
        check(
            |h| h.connections[0].last_frame_ms_ago = Some(301_000),
            &[(Degraded, "no frame for 301 s on any connection")],
        );
    }

    #[test]
    fn what_waits_too_long_is_told_with_its_figure() {
        use Verdict::Degraded;
        check(
            |h| h.spool.bytes_on_disk = 85,
            &[(Degraded, "the spool holds 85 % of SPOOL_QUOTA_BYTES")],
        );
        check(
            |h| h.spool.unacked_seconds = 121.0,
            &[(Degraded, "the deduplicator has acked nothing for 121 s")],
        );
        check(
            |h| {
                (h.spool.unacked_seconds, h.deduplicators) = (999.0, 0);
                h.deduplicators_absent = vec!["canonical".to_owned()];
            },
            &[(Degraded, "deduplicator canonical does not follow")],
        );
        check(
            |h| {
                let store = h.clickhouse.as_mut().expect("there is one");
                (store.reachable, store.last_error) = (false, Some("refused".to_owned()));
            },
            &[(Degraded, "the local ClickHouse: refused")],
        );
        check(
            |h| h.clickhouse.as_mut().expect("there is one").lag_seconds = 300.0,
            &[(Degraded, "the local ClickHouse is 300 s behind")],
        );
    }

    #[test]
    fn the_gravest_stands_first() {
        check(
            |h| {
                h.deduplicators_absent = vec!["canonical".to_owned()];
                h.connections.clear();
            },
            &[
                (Verdict::Down, "no markets are known yet"),
                (Verdict::Degraded, "deduplicator canonical does not follow"),
            ],
        );
    }

    #[test]
    fn one_retry_is_everyday_life() {
        assert!(is_reachable(true, RETRYING_NS_MAX));
        assert!(!is_reachable(true, RETRYING_NS_MAX + 1));
        assert!(!is_reachable(false, 0));
    }
}
