//! One lane alone contradicts itself: its deltas make another book than the exchange's that it shows. What it told
//! since it was last verified is refuted, in clocks and in time, and the exchange's book takes its place.

use merge::{AlarmKind, Config, HoleCause, Origin, Record};

use crate::lanes::Lanes;

/// The lone lane; what it says is taken in before it says more.
struct Lone(Lanes);

impl Lone {
    fn open() -> Self {
        Self(Lanes::open(&["east"], Config::default()))
    }

    fn shows(&mut self, id: Option<u64>, clock: u64, units: i64) {
        self.0.shows(0, id, clock, units);
        self.0.wait(100);
    }

    fn changes(&mut self, clock: u64, units: i64) {
        self.0.changes(0, clock, units);
        self.0.wait(100);
    }

    fn alarms(&self) -> Vec<AlarmKind> {
        self.0.alarms.iter().map(|alarm| alarm.0).collect()
    }
}

#[test]
fn what_a_lone_lane_told_since_it_was_verified_is_refuted_by_its_own_snapshot() {
    let mut lane = Lone::open();
    lane.shows(None, 10, 500);
    lane.0.wait(5_000);
    lane.changes(11, 20);
    lane.shows(Some(1), 11, 520);
    assert!(lane.0.holes().is_empty() && lane.alarms().is_empty(), "{:?}", lane.alarms());
    // Long enough for the log to forget where it was verified.
    for clock in 12..112 {
        lane.changes(clock, 3);
    }
    lane.shows(Some(2), 111, 620);
    lane.0.wait(5_000);

    assert_eq!(lane.alarms(), [AlarmKind::SnapshotDiverged, AlarmKind::Healed]);
    let [hole] = lane.0.holes()[..] else { panic!("one hole: {:?}", lane.0.holes()) };
    assert_eq!((hole.from_clock, hole.to_clock, hole.cause), (11, 111, HoleCause::Divergence));
    // In the exchange's time, which is the clock here.
    assert_eq!(hole.from_ts_ms, 11, "{hole:?}");
    let Some(Record::Snapshot(healed)) = lane.0.records.last() else { panic!("a snapshot") };
    assert_eq!((healed.clock, healed.origin), (111, Origin::GetSnapshot));
    assert_eq!(healed.yes[0].size.units(), 620);
    lane.changes(112, 5);
    assert!(matches!(lane.0.records.last(), Some(Record::Delta(delta)) if delta.clock == 112));
    assert_eq!(lane.0.holes().len(), 1);
}

#[test]
fn a_snapshot_that_agrees_raises_nothing() {
    let mut lane = Lone::open();
    lane.shows(None, 10, 500);
    lane.0.wait(5_000);
    for clock in 11..20 {
        lane.changes(clock, 3);
        lane.shows(Some(clock), clock, 500 + 3 * (clock as i64 - 10));
    }
    assert!(lane.0.holes().is_empty() && lane.alarms().is_empty(), "{:?}", lane.alarms());
}
