//! The exchange serves two honest lanes 40 seconds late, and a third shows a book that never was: they are given the time
//! that their answers take.

use merge::{AlarmKind, Config, GathererIndex, Record};

use crate::lanes::Lanes;

const BEHIND_MS: i64 = 40_000;
const LIAR: usize = 2;

/// The honest lanes say at any time what happened 40 seconds ago: the book grows by one with every second.
struct Late {
    lanes: Lanes,
    units: i64,
    /// Which answers are on the way, and when they come.
    answers: Vec<(GathererIndex, i64)>,
}

impl Late {
    fn second(&mut self) {
        self.lanes.wait(900);
        let clock = (self.lanes.now_ms - BEHIND_MS).unsigned_abs();
        self.units += 1;
        for honest in [0, 1] {
            self.lanes.changes(honest, clock, 1);
        }
        self.lanes.wait(50);
        let due = self.lanes.now_ms + BEHIND_MS;
        self.answers.extend(self.lanes.asked.drain(..).map(|asked| (asked, due)));
        let now_ms = self.lanes.now_ms;
        for (asked, _) in self.answers.extract_if(.., |answer| answer.1 <= now_ms) {
            if usize::from(asked.0) != LIAR {
                self.lanes.shows(usize::from(asked.0), Some(1), clock, self.units);
            }
        }
    }
}

#[test]
fn lanes_that_are_served_late_are_given_the_time_to_answer_a_lie() {
    let mut lanes = Lanes::open(&["east", "west", "liar"], Config::default());
    lanes.shows(0, None, 10, 500);
    lanes.shows(1, None, 10, 500);
    lanes.wait(50_000);
    let mut late = Late { lanes, units: 500, answers: Vec::new() };
    late.second();
    late.lanes.shows(LIAR, None, 50_000, 999);
    (0..120).for_each(|_| late.second());

    let liar = Some(GathererIndex(2));
    assert_eq!(late.lanes.alarms, [(AlarmKind::SnapshotDiverged, liar)]);
    assert!(late.lanes.holes().is_empty(), "{:?}", late.lanes.holes());
    let deltas = late.lanes.records.iter().filter(|record| matches!(record, Record::Delta(_)));
    assert_eq!(deltas.count(), 121);
}
