//! A market that nobody covers any more does not end without a word: the record says from which clock on it knows nothing, and
//! takes that back when nothing was missing. What was left on purpose, or ended, is whole.

use std::time::Duration;

use exchange::Moment;
use merge::{Config, HoleCause, HoleRecord, Input, Merge, Output, Record, Source};

const START_NS: i64 = 1_790_000_000_000_000_000;
const BOOK: &str = r#""yes_dollars_fp":[["0.4000","5.00"]],"no_dollars_fp":[["0.6000","7.00"]]"#;

struct World {
    merge: Merge,
    source: Source,
    seq: u64,
    now_ms: u64,
    records: Vec<Record>,
    asked: usize,
}

impl World {
    /// One market at clock 100, covered by one lane.
    fn new() -> Self {
        let mut merge = Merge::new(Config { confirm_wait: Duration::ZERO, ..Config::default() });
        let source = Source { gatherer: merge.gatherer("east"), session: 0 };
        let mut world =
            Self { merge, source, seq: 0, now_ms: 1_000, records: Vec::new(), asked: 0 };
        world.merge.handle(Input::Connected { gatherer: source.gatherer }, world.now());
        world.open();
        world.snapshot(100, BOOK);
        world.pass_seconds(15);
        assert!(world.merge.market(1).is_some_and(|market| market.clock == Some(100)));
        world
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(self.now_ms * 1_000_000)
    }

    fn wall_ns(&self) -> i64 {
        START_NS + self.now_ms.cast_signed() * 1_000_000
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = self.now();
        self.merge.handle(input, now);
        self.pass_ms(10);
    }

    fn open(&mut self) {
        (self.source.session, self.seq) = (self.source.session + 1, 0);
        let (source, wall_ns) = (self.source, self.wall_ns());
        self.handle(Input::SessionOpened { source, wall_ns });
    }

    fn close(&mut self) {
        let (source, wall_ns) = (self.source, self.wall_ns());
        self.handle(Input::SessionClosed { source, wall_ns });
    }

    fn status(&mut self, trading_active: bool) {
        let (gatherer, wall_ns) = (self.source.gatherer, self.wall_ns());
        self.handle(Input::Status { gatherer, wall_ns, trading_active });
    }

    fn say(&mut self, text: &str) {
        let frame = exchange::decode(text).expect("a good frame");
        let (source, wall_ns) = (self.source, self.wall_ns());
        self.handle(Input::Frame { source, wall_ns, frame: &frame });
    }

    fn frame(&mut self, kind: &str, msg: &str) {
        self.seq += 1;
        let seq = self.seq;
        self.say(&format!(r#"{{"type":"{kind}","sid":1,"seq":{seq},"msg":{{{msg}}}}}"#));
    }

    fn snapshot(&mut self, clock: u64, book: &str) {
        let about = r#""market_ticker":"KXA","market_id":"00000000-0000-0000-0000-00000000000a""#;
        self.frame("orderbook_snapshot", &format!(r#"{about},"clock":{clock},{book}"#));
    }

    fn delta(&mut self, clock: u64) {
        let about = r#""market_ticker":"KXA","market_id":"00000000-0000-0000-0000-00000000000a""#;
        let rest =
            r#""price_dollars":"0.4100","delta_fp":"1.00","side":"yes","ts_ms":1790000000000"#;
        self.frame("orderbook_delta", &format!(r#"{about},"clock":{clock},{rest}"#));
    }

    fn lifecycle(&mut self, event_type: &str) {
        self.say(&format!(
            r#"{{"type":"market_lifecycle_v2","sid":9,"seq":1,"msg":{{"market_ticker":"KXA","event_type":"{event_type}"}}}}"#
        ));
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now_ms += ms;
        let (gatherer, wall_ns, now) = (self.source.gatherer, self.wall_ns(), self.now());
        self.merge.handle(Input::Progress { gatherer, wall_ns }, now);
        self.merge.handle_timeout(now);
        while let Some(output) = self.merge.poll() {
            match output {
                Output::Record(record) => self.records.push(record),
                Output::Refresh { .. } => self.asked += 1,
                Output::Alarm(alarm) => panic!("{alarm:?}"),
            }
        }
    }

    fn pass_seconds(&mut self, seconds: u64) {
        (0..seconds * 10).for_each(|_| self.pass_ms(100));
    }

    /// What was told of holes: from where to where, and why.
    fn holes(&self) -> Vec<(u64, u64, HoleCause)> {
        let told = self.records.iter().filter_map(|record| match record {
            Record::Hole(hole) => Some((hole.from_clock, hole.to_clock, hole.cause)),
            _ => None,
        });
        told.collect()
    }
}

const CLOSED: (u64, u64, HoleCause) = (101, HoleRecord::NO_END, HoleCause::AllSessionsClosed);

/// A market at clock 101 whose only session has ended.
fn abandoned() -> World {
    let mut world = World::new();
    world.delta(101);
    world.close();
    world
}

#[test]
fn a_market_whose_last_lane_ended_is_told_after_half_a_minute_once() {
    let mut world = abandoned();
    world.pass_seconds(29);
    let uncovered = |world: &World| {
        let totals = world.merge.totals().canonical;
        (totals.uncovered, totals.told_uncovered)
    };
    assert_eq!((world.holes(), uncovered(&world)), (vec![], (1, 0)));
    world.pass_seconds(600);
    assert_eq!((world.holes(), uncovered(&world)), (vec![CLOSED], (1, 1)));
}

#[test]
fn it_is_taken_back_when_nothing_was_missing_and_the_record_goes_on() {
    let mut world = abandoned();
    world.pass_seconds(40);
    world.open();
    let book = BOOK.replace(r#"["0.4000","5.00"]"#, r#"["0.4000","5.00"],["0.4100","1.00"]"#);
    world.snapshot(101, &book);
    world.delta(102);
    assert_eq!(world.holes(), [CLOSED, (101, 101, HoleCause::CoveredAgain)]);
    assert!(matches!(world.records.last(), Some(Record::Delta(delta)) if delta.clock == 102));
    let totals = world.merge.totals().canonical;
    assert_eq!((totals.uncovered, totals.told_uncovered, totals.holes), (0, 0, 1));
}

#[test]
fn the_hole_that_follows_takes_its_place() {
    let mut world = abandoned();
    world.pass_seconds(40);
    world.open();
    world.snapshot(107, BOOK);
    world.pass_seconds(1);
    assert_eq!(world.holes(), [CLOSED, (101, 107, HoleCause::AllSessionsClosed)]);
    assert_eq!(world.merge.totals().canonical.holes, 1, "one hole");
}

#[test]
fn one_that_begins_elsewhere_takes_it_back_first() {
    let mut world = abandoned();
    world.pass_seconds(40);
    world.open();
    // Of the last clock something is missing.
    world.snapshot(101, BOOK);
    world.pass_seconds(1);
    let after = [(101, 101, HoleCause::CoveredAgain), (100, 101, HoleCause::AllSessionsClosed)];
    assert_eq!(world.holes(), [&[CLOSED][..], &after].concat());
}

#[test]
fn a_restart_knows_what_was_told() {
    let told = {
        let mut world = abandoned();
        world.pass_seconds(40);
        world
    };
    let bytes = postcard::to_allocvec(&told.merge).expect("a checkpoint");
    let from_checkpoint: Merge = postcard::from_bytes(&bytes).expect("a checkpoint");
    let before: Vec<Record> =
        told.records.iter().filter(|record| !matches!(record, Record::Hole(_))).cloned().collect();
    let mut from_journal = {
        let mut world = abandoned();
        assert_eq!(world.records, before);
        world.pass_ms(10);
        world.merge
    };
    told.records.iter().for_each(|record| from_journal.apply(record));
    for merge in [from_checkpoint, from_journal] {
        let source = told.source;
        let (now_ms, seq) = (told.now_ms + 60_000, told.seq);
        let mut world = World { merge, source, seq, now_ms, records: Vec::new(), asked: 0 };
        let now = world.now();
        world.merge.resumed(now);
        world.pass_seconds(60);
        assert_eq!(world.holes(), [], "it is not told again");
        world.open();
        world.snapshot(107, BOOK);
        world.pass_seconds(1);
        assert_eq!(world.holes(), [(101, 107, HoleCause::AllSessionsClosed)]);
        assert_eq!(world.merge.totals().canonical.holes, 1);
    }
}

#[test]
fn a_subscription_that_the_exchange_ends_is_counted_as_one_that_lost_frames() {
    let mut world = World::new();
    world.delta(101);
    world.frame("error", r#""code":25,"msg":"Subscription buffer overflow""#);
    world.pass_seconds(40);
    assert_eq!(world.holes(), [(101, HoleRecord::NO_END, HoleCause::AllLanesBroken)]);
    assert_eq!(world.merge.totals().gatherers[0].breaks, 1);
    let minutes = world.merge.close_minutes(i64::MAX);
    let counted = minutes.iter().filter(|row| row.sid == 0).map(|row| row.breaks).sum::<u32>();
    assert_eq!(counted, 1, "{minutes:?}");
}

#[test]
fn a_market_that_was_left_on_purpose_is_whole() {
    let mut world = World::new();
    world.frame("ok", r#""market_tickers":["KXB"]"#);
    world.pass_seconds(10);
    world.close();
    world.pass_seconds(120);
    assert_eq!((world.holes(), world.merge.totals().canonical.uncovered), (vec![], 0));
    world.open();
    world.snapshot(150, BOOK);
    world.pass_seconds(1);
    assert_eq!(world.holes(), [(100, 150, HoleCause::Left)], "taken in again");
    world.close();
    world.pass_seconds(40);
    let again = (150, HoleRecord::NO_END, HoleCause::AllSessionsClosed);
    assert_eq!(world.holes()[1..], [again], "this time nobody left it on purpose");
}

#[test]
fn a_market_that_ended_while_it_was_covered_is_whole_and_one_that_ended_unseen_is_not() {
    for (settled_first, expected) in [(true, vec![]), (false, vec![CLOSED])] {
        let mut world = World::new();
        world.delta(101);
        if settled_first {
            world.lifecycle("settled");
            world.close();
            world.open();
        } else {
            world.close();
            world.open();
            world.lifecycle("settled");
        }
        world.pass_seconds(120);
        assert_eq!(world.holes(), expected, "settled first: {settled_first}");
    }
}

#[test]
fn nothing_is_told_while_the_exchange_has_stopped_trading() {
    let mut world = World::new();
    world.delta(101);
    world.status(false);
    world.close();
    world.pass_seconds(7_200);
    assert_eq!(world.holes(), []);
    world.open();
    world.status(true);
    world.pass_seconds(25);
    assert_eq!(world.holes(), [], "everybody has his time again");
    world.pass_seconds(40);
    assert_eq!(world.holes(), [CLOSED]);
}

#[test]
fn a_lane_that_delivers_deltas_without_a_book_is_asked_for_it_and_asked_again() {
    let mut world = abandoned();
    world.open();
    for clock in 0..9 {
        world.delta(200 + clock);
        world.pass_seconds(1);
    }
    assert_eq!(world.asked, 0, "its own session asks first");
    for clock in 9..25 {
        world.delta(200 + clock);
        world.pass_seconds(1);
    }
    assert_eq!(world.asked, 2);
    world.snapshot(240, BOOK);
    world.pass_seconds(1);
    assert_eq!(world.holes(), [(101, 240, HoleCause::AllSessionsClosed)]);
}
