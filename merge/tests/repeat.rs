//! A book that is repeated for a store that lost its way: whole, never between the deltas of one
//! clock, with tombstones for what the book does not hold; and a restart goes on behind it.

use std::time::Duration;

use exchange::{Moment, Price, Side};
use merge::{Config, Input, Merge, Origin, Output, Record, SnapshotRecord, Source};

const START_NS: i64 = 1_790_000_000_000_000_000;
const MS: i64 = 1_000_000;

struct World {
    merge: Merge,
    source: Source,
    records: Vec<Record>,
    seq: u64,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        let mut merge = Merge::new(Config { confirm_wait: Duration::ZERO, ..Config::default() });
        let gatherer = merge.gatherer("east");
        let source = Source { gatherer, session: 1 };
        let mut world = Self { merge, source, records: Vec::new(), seq: 0, now_ms: 0 };
        world.merge.handle(Input::Connected { gatherer }, world.now());
        world.merge.handle(Input::SessionOpened { source, wall_ns: START_NS }, world.now());
        world.frame(
            "orderbook_snapshot",
            r#""clock":100,"yes_dollars_fp":[["0.4000","5.00"]],"no_dollars_fp":[["0.6000","7.00"]]"#,
        );
        world
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(self.now_ms * 1_000_000)
    }

    fn wall_ns(&self) -> i64 {
        START_NS + self.now_ms.cast_signed() * MS
    }

    fn frame(&mut self, kind: &str, rest: &str) {
        self.seq += 1;
        let text = format!(
            r#"{{"type":"{kind}","sid":1,"seq":{},"msg":{{"market_ticker":"KXA","market_id":"00000000-0000-0000-0000-00000000000a",{rest}}}}}"#,
            self.seq
        );
        let frame = exchange::decode(&text).expect("a good frame");
        let (source, wall_ns, now) = (self.source, self.wall_ns(), self.now());
        self.merge.handle(Input::Frame { source, wall_ns, frame: &frame }, now);
        self.pass(100);
    }

    fn delta(&mut self, clock: u64, price: &str) {
        let rest = format!(
            r#""clock":{clock},"price_dollars":"{price}","delta_fp":"1.00","side":"yes","ts_ms":1790000000000"#
        );
        self.frame("orderbook_delta", &rest);
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let (gatherer, wall_ns, now) = (self.source.gatherer, self.wall_ns(), self.now());
        self.merge.handle(Input::Progress { gatherer, wall_ns }, now);
        self.merge.handle_timeout(now);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.merge.poll() {
            if let Output::Record(record) = output {
                self.records.push(record);
            }
        }
    }

    fn repeat(&mut self, gone: &[(Side, Price)]) {
        let wall_ns = self.wall_ns();
        self.merge.repeat_book(1, gone.to_vec(), wall_ns);
        self.collect();
    }

    fn repeated(&self) -> Vec<&SnapshotRecord> {
        let snapshots = self.records.iter().filter_map(|record| match record {
            Record::Snapshot(snapshot) => Some(&**snapshot),
            _ => None,
        });
        snapshots.filter(|snapshot| snapshot.origin == Origin::Checkpoint).collect()
    }
}

fn price(units: u16) -> Price {
    Price::from_units(units).expect("a price")
}

#[test]
fn a_quiet_market_is_repeated_at_once_with_tombstones_for_what_it_does_not_hold() {
    let mut world = World::new();
    world.pass(15_000);
    world.delta(101, "0.4100");
    world.pass(5_000);
    assert!(world.repeated().is_empty());
    world.repeat(&[(Side::Yes, price(9_900)), (Side::Yes, price(4_000))]);
    let repeated = world.repeated();
    assert_eq!(repeated.len(), 1);
    assert_eq!((repeated[0].seq, repeated[0].clock), (3, 101));
    assert_eq!((repeated[0].yes.len(), repeated[0].no.len()), (2, 1));
    assert_eq!(repeated[0].vanished, [(Side::Yes, price(9_900))], "what rests has not vanished");
}

#[test]
fn a_busy_market_is_repeated_between_two_clocks_and_a_restart_goes_on_behind_it() {
    let mut world = World::new();
    world.pass(15_000);
    world.delta(101, "0.4100");
    world.repeat(&[]);
    world.delta(101, "0.4200");
    assert!(world.repeated().is_empty(), "the deltas of one clock stay together");
    world.delta(102, "0.4300");
    let repeated = world.repeated();
    assert_eq!((repeated.len(), repeated[0].seq, repeated[0].clock), (1, 4, 101));
    assert_eq!(repeated[0].yes.len(), 3, "before the delta of the later clock");
    world.delta(103, "0.4400");
    assert_eq!(world.repeated().len(), 1, "once");

    let mut restarted = Merge::new(Config::default());
    world.records.iter().for_each(|record| restarted.apply(record));
    let (ours, theirs) = (world.merge.market(1), restarted.market(1));
    let (ours, theirs) = (ours.expect("known"), theirs.expect("known"));
    assert_eq!((ours.seq, ours.clock), (theirs.seq, theirs.clock));
    assert_eq!(ours.levels(Side::Yes), theirs.levels(Side::Yes));
}
