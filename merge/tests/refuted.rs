//! One lane alone contradicts itself: its deltas make another book than the exchange's that it shows. What it told
//! since it was last verified is refuted, in clocks and in time, and the exchange's book takes its place.

use exchange::{Frame, Level, Message, Moment, Price, Side, Size};
use merge::{AlarmKind, Config, HoleCause, Input, Merge, Origin, Output, Record, Source};
use uuid::Uuid;

const MS: i64 = 1_000_000;
const MARKET: Uuid = Uuid::from_u128(7);

/// One gatherer with one connection; a millisecond passes with every frame.
struct Lane {
    merge: Merge,
    source: Source,
    seq: u64,
    now_ms: i64,
    records: Vec<Record>,
    alarms: Vec<AlarmKind>,
}

impl Lane {
    fn open() -> Self {
        let mut merge = Merge::new(Config::default());
        let gatherer = merge.gatherer("east");
        let source = Source { gatherer, session: 1 };
        let mut lane =
            Self { merge, source, seq: 0, now_ms: 0, records: Vec::new(), alarms: Vec::new() };
        lane.take(Input::Connected { gatherer });
        lane.take(Input::SessionOpened { source, wall_ns: 0 });
        lane
    }

    fn take(&mut self, input: Input<'_>) {
        let now = Moment::from_nanos(self.now_ms.unsigned_abs() * 1_000_000);
        self.merge.handle(input, now);
        while self.merge.next_timeout().is_some_and(|due| due <= now) {
            self.merge.handle_timeout(now);
        }
        while let Some(output) = self.merge.poll() {
            match output {
                Output::Record(record) => self.records.push(record),
                Output::Alarm(alarm) => {
                    assert_eq!(&*alarm.market_ticker, "A");
                    self.alarms.push(alarm.kind);
                }
                Output::Refresh { .. } => {}
            }
        }
    }

    fn hear(&mut self, id: Option<u64>, message: Message<'_>) {
        (self.seq, self.now_ms) = (self.seq + 1, self.now_ms + 1);
        let (gatherer, wall_ns) = (self.source.gatherer, self.now_ms * MS);
        let frame = Frame {
            sid: Some(1),
            seq: Some(self.seq),
            id,
            sending_ts_ms: None,
            unknown_fields: 0,
            message,
        };
        self.take(Input::Frame { source: self.source, wall_ns, frame: &frame });
        self.take(Input::Progress { gatherer, wall_ns });
        self.wait(100);
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        let (gatherer, wall_ns) = (self.source.gatherer, self.now_ms * MS);
        self.take(Input::Progress { gatherer, wall_ns });
    }

    /// The book that the exchange shows: one bid of `units`.
    fn shows(&mut self, id: Option<u64>, clock: u64, units: i64) {
        let yes = vec![Level { price: price(), size: Size::from_units(units) }];
        let shown = exchange::Snapshot {
            market_ticker: "A",
            market_id: MARKET,
            clock: Some(clock),
            yes,
            no: Vec::new(),
        };
        self.hear(id, Message::Snapshot(shown));
    }

    fn changes(&mut self, clock: u64, units: i64) {
        let delta = exchange::Delta {
            market_ticker: "A",
            market_id: MARKET,
            clock: Some(clock),
            side: Side::Yes,
            price: price(),
            delta: Size::from_units(units),
            ts_ms: Some(self.now_ms),
        };
        self.hear(None, Message::Delta(delta));
    }

    fn holes(&self) -> Vec<&merge::HoleRecord> {
        let mut holes = Vec::new();
        for record in &self.records {
            if let Record::Hole(hole) = record {
                holes.push(&**hole);
            }
        }
        holes
    }
}

fn price() -> Price {
    Price::from_units(4_300).expect("a price")
}

#[test]
fn what_a_lone_lane_told_since_it_was_verified_is_refuted_by_its_own_snapshot() {
    let mut lane = Lane::open();
    lane.shows(None, 10, 500);
    lane.wait(5_000);
    lane.changes(11, 20);
    let verified_ms = lane.now_ms - 101;
    lane.shows(Some(1), 11, 520);
    assert!(lane.holes().is_empty() && lane.alarms.is_empty(), "{:?}", lane.alarms);
    // Long enough for the log to forget where it was verified.
    for clock in 12..112 {
        lane.changes(clock, 3);
    }
    lane.shows(Some(2), 111, 620);
    lane.wait(5_000);

    assert_eq!(lane.alarms, [AlarmKind::SnapshotDiverged, AlarmKind::Healed]);
    let [hole] = lane.holes()[..] else { panic!("one hole: {:?}", lane.holes()) };
    assert_eq!((hole.from_clock, hole.to_clock, hole.cause), (11, 111, HoleCause::Divergence));
    assert_eq!(hole.from_ts_ms, verified_ms, "{hole:?}");
    let Some(Record::Snapshot(healed)) = lane.records.last() else { panic!("a snapshot") };
    assert_eq!((healed.clock, healed.origin), (111, Origin::GetSnapshot));
    assert_eq!(healed.yes[0].size.units(), 620);
    lane.changes(112, 5);
    assert!(matches!(lane.records.last(), Some(Record::Delta(delta)) if delta.clock == 112));
    assert_eq!(lane.holes().len(), 1);
}

#[test]
fn a_snapshot_that_agrees_raises_nothing() {
    let mut lane = Lane::open();
    lane.shows(None, 10, 500);
    lane.wait(5_000);
    for clock in 11..20 {
        lane.changes(clock, 3);
        lane.shows(Some(clock), clock, 500 + 3 * (clock as i64 - 10));
    }
    assert!(lane.holes().is_empty() && lane.alarms.is_empty(), "{:?}", lane.alarms);
}
