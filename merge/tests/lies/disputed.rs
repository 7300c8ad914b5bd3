//! Two lanes contradict each other and nobody else is there: both are asked for the exchange's book, and what is
//! disputed waits for the answers. The one whose own changes do not make that book is refuted.

use std::time::Duration;

use merge::{AlarmKind, Config, GathererIndex, Record};

use crate::lanes::Lanes;

const HONEST: usize = 1;
const LIAR: usize = 0;

/// Whatever the waits are, whoever came first: the liar has the smaller index, which decides where nothing else does.
#[test]
fn the_exchanges_own_book_decides_between_two() {
    for confirm_ms in [50, 500, 2_000, 5_000] {
        for first in [HONEST, LIAR] {
            let confirm_wait = Duration::from_millis(confirm_ms);
            let mut lanes =
                Lanes::open(&["east", "west"], Config { confirm_wait, ..Config::default() });
            for who in [LIAR, HONEST] {
                lanes.shows(who, None, 10, 500);
            }
            lanes.wait(10_000);
            lanes.asked.clear();
            for who in [first, 1 - first] {
                lanes.changes(who, 11, if who == LIAR { 120 } else { 20 });
            }
            while lanes.asked.is_empty() {
                assert!(lanes.now_ms < 60_000, "nobody is asked");
                lanes.wait(50);
            }
            assert!(deltas(&lanes).is_empty(), "{confirm_ms} ms: nothing is told yet");
            // An answer takes a while.
            lanes.wait(1_000);
            for who in [LIAR, HONEST] {
                lanes.shows(who, Some(1), 11, 520);
            }
            lanes.wait(10_000);
            assert_eq!(deltas(&lanes), [20], "{confirm_ms} ms, {first} first: {:?}", lanes.alarms);
            assert!(lanes.holes().is_empty(), "{:?}", lanes.holes());
            let liar = Some(GathererIndex(0));
            assert!(lanes.alarms.contains(&(AlarmKind::LaneDiverged, liar)), "{:?}", lanes.alarms);
            assert!(lanes.alarms.iter().all(|alarm| alarm.1 == liar), "{:?}", lanes.alarms);
        }
    }
}

/// Out is not for ever: a refuted lane whose fresh book agrees covers for the other again.
#[test]
fn a_refuted_lane_comes_back_by_a_book_that_agrees() {
    let mut lanes = Lanes::open(&["east", "west"], Config::default());
    for who in [LIAR, HONEST] {
        lanes.shows(who, None, 10, 500);
    }
    lanes.wait(10_000);
    lanes.changes(HONEST, 11, 20);
    lanes.changes(LIAR, 11, 120);
    lanes.wait(1_000);
    for who in [LIAR, HONEST] {
        lanes.shows(who, Some(1), 11, 520);
    }
    lanes.wait(10_000);
    assert_eq!((lanes.asked.last(), deltas(&lanes)), (Some(&GathererIndex(0)), vec![20]));
    lanes.shows(LIAR, Some(2), 11, 520);
    for who in [LIAR, HONEST] {
        lanes.changes(who, 12, 5);
    }
    lanes.closes(HONEST);
    lanes.changes(LIAR, 13, 7);
    lanes.wait(60_000);
    assert_eq!(deltas(&lanes), [20, 5, 7]);
    assert!(lanes.holes().is_empty(), "{:?}", lanes.holes());
}

/// The sizes of the changes in the record.
fn deltas(lanes: &Lanes) -> Vec<i64> {
    let size = |record: &Record| match record {
        Record::Delta(delta) => Some(delta.delta.units()),
        _ => None,
    };
    lanes.records.iter().filter_map(size).collect()
}
