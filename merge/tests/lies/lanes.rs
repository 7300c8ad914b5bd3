//! Gatherers with one connection each, in one market of one level: they show the exchange's book and tell changes, and
//! what the merge made of it is kept.

use exchange::{Frame, Level, Message, Moment, Price, Side, Size};
use merge::{AlarmKind, Config, GathererIndex, Input, Merge, Output, Record, Source};
use uuid::Uuid;

const MS: i64 = 1_000_000;
const MARKET: Uuid = Uuid::from_u128(7);

/// A lane is named by its place; a millisecond passes with every frame.
pub(crate) struct Lanes {
    merge: Merge,
    sources: Vec<(Source, u64)>,
    pub(crate) now_ms: i64,
    pub(crate) records: Vec<Record>,
    pub(crate) alarms: Vec<(AlarmKind, Option<GathererIndex>)>,
    /// Whom the merge asked for a fresh snapshot.
    pub(crate) asked: Vec<GathererIndex>,
}

impl Lanes {
    pub(crate) fn open(names: &[&str], config: Config) -> Self {
        let mut merge = Merge::new(config);
        let source = |name| (Source { gatherer: merge.gatherer(name), session: 1 }, 0);
        let sources: Vec<(Source, u64)> = names.iter().copied().map(source).collect();
        let (now_ms, records, alarms, asked) = (0, Vec::new(), Vec::new(), Vec::new());
        let mut lanes = Self { merge, sources: sources.clone(), now_ms, records, alarms, asked };
        for (source, _) in sources {
            lanes.take(Input::Connected { gatherer: source.gatherer });
            lanes.take(Input::SessionOpened { source, wall_ns: 0 });
        }
        lanes
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
                    let lane = alarm.source.map(|source| source.gatherer);
                    self.alarms.push((alarm.kind, lane));
                }
                Output::Refresh { source, .. } => self.asked.push(source.gatherer),
            }
        }
    }

    fn hear(&mut self, who: usize, id: Option<u64>, message: Message<'_>) {
        self.now_ms += 1;
        let (source, seq) = &mut self.sources[who];
        *seq += 1;
        let (source, seq, wall_ns) = (*source, *seq, self.now_ms * MS);
        let frame = Frame {
            sid: Some(1),
            seq: Some(seq),
            id,
            sending_ts_ms: None,
            unknown_fields: 0,
            message,
        };
        self.take(Input::Frame { source, wall_ns, frame: &frame });
        self.take(Input::Progress { gatherer: source.gatherer, wall_ns });
    }

    /// So much time passes, in steps of a hundred milliseconds at most; all lanes are heard.
    pub(crate) fn wait(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.now_ms = until.min(self.now_ms + 100);
            for at in 0..self.sources.len() {
                let (gatherer, wall_ns) = (self.sources[at].0.gatherer, self.now_ms * MS);
                self.take(Input::Progress { gatherer, wall_ns });
            }
        }
    }

    /// The book that the exchange shows to a lane: one bid of `units`.
    pub(crate) fn shows(&mut self, who: usize, id: Option<u64>, clock: u64, units: i64) {
        let yes = vec![Level { price: price(), size: Size::from_units(units) }];
        let shown = exchange::Snapshot {
            market_ticker: "A",
            market_id: MARKET,
            clock: Some(clock),
            yes,
            no: Vec::new(),
        };
        self.hear(who, id, Message::Snapshot(shown));
    }

    pub(crate) fn changes(&mut self, who: usize, clock: u64, units: i64) {
        let delta = exchange::Delta {
            market_ticker: "A",
            market_id: MARKET,
            clock: Some(clock),
            side: Side::Yes,
            price: price(),
            delta: Size::from_units(units),
            // The exchange's time: the same on every lane.
            ts_ms: Some(clock.cast_signed()),
        };
        self.hear(who, None, Message::Delta(delta));
    }

    /// A connection ends.
    pub(crate) fn closes(&mut self, who: usize) {
        let (source, wall_ns) = (self.sources[who].0, self.now_ms * MS);
        self.take(Input::SessionClosed { source, wall_ns });
    }

    pub(crate) fn holes(&self) -> Vec<&merge::HoleRecord> {
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
