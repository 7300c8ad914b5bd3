//! One market: its head, book and log, and the only places where its canonical stream grows.

use std::collections::VecDeque;

use exchange::{Moment, Price, Side, Size};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    dispute::{Challenge, Dispute, Offence},
    levels::{Book, Change},
    log::{Entry, Log, What},
    minutes::{Cell, Fate},
    output::AlarmKind,
    record::{DeltaRecord, HoleCause, Origin, Provenance, Record, SnapshotRecord},
    segment::{Item, LaneKey, Segment},
    shared::Shared,
};

/// Deltas of one clock come together: after this long the last clock's are all there.
const QUIET_NS: i64 = 2_000_000_000;
/// What a stall filled is given back when it is over; a queue of this length stays as it is.
const KEPT_CAPACITY: usize = 256;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Market {
    pub(crate) sid: u32,
    pub(crate) market_id: Uuid,
    pub(crate) ticker: Box<str>,
    /// Whether the canonical stream has begun.
    pub(crate) started: bool,
    pub(crate) era: u16,
    /// The last accepted clock.
    pub(crate) clock: u64,
    /// How many deltas of it were accepted.
    pub(crate) of_clock: u16,
    /// Whether these are known to be all.
    pub(crate) whole: bool,
    /// The newest clock at which another lane's snapshot was our book.
    pub(crate) verified: u64,
    /// The time of that clock, in milliseconds.
    pub(crate) verified_ms: i64,
    pub(crate) ts_ms: i64,
    pub(crate) seq: u64,
    pub(crate) book: Book,
    pub(crate) log: Log,
    pub(crate) segments: Vec<Segment>,
    /// Lanes that go on without this market.
    pub(crate) unlisted: Vec<LaneKey>,
    pub(crate) offences: Vec<Offence>,
    pub(crate) dispute: Option<Box<Dispute>>,
    pub(crate) challenge: Option<Challenge>,
    /// A lane contradicted our record after this clock, and was not refuted yet.
    pub(crate) doubted: Option<u64>,
    /// Deltas received up to here are marked disputed.
    pub(crate) disputed_wall: i64,
    /// How the last covering segment ended.
    pub(crate) ended: HoleCause,
    /// Some lane has covered it, and the last one did not leave it on purpose.
    pub(crate) followed: bool,
    /// The exchange said that the market ended, while it was covered: nothing more is to come.
    pub(crate) over: bool,
    /// What was shown before this, by the exchange's clock, belongs to an older era.
    pub(crate) era_from: i64,
    /// A journalled hole whose snapshot did not reach the journal, or one without end: (from, to).
    pub(crate) dangling: Option<(u64, u64)>,
    pub(crate) since_snapshot: u32,
    pub(crate) snapshot_wall: i64,
    pub(crate) pending: usize,
    pub(crate) cells: Vec<Cell>,
    /// The book is to be repeated for readers, with tombstones for these places.
    #[serde(skip)]
    pub(crate) repeat: Option<Vec<(Side, Price)>>,
    /// Since when the next event waits for a second opinion.
    #[serde(skip)]
    pub(crate) waiting: Option<Moment>,
    #[serde(skip)]
    pub(crate) timer: Option<Moment>,
    /// Since when nobody covers it, though somebody should.
    #[serde(skip)]
    pub(crate) uncovered_since: Option<Moment>,
    /// When a lane that delivers deltas without a book is asked for it.
    #[serde(skip)]
    pub(crate) ask_book_at: Option<Moment>,
}

impl Market {
    pub(crate) fn new(sid: u32, market_id: Uuid, ticker: &str) -> Self {
        Self {
            sid,
            market_id,
            ticker: ticker.into(),
            started: false,
            era: 0,
            clock: 0,
            of_clock: 0,
            whole: false,
            verified: 0,
            verified_ms: 0,
            ts_ms: 0,
            seq: 0,
            book: Book::default(),
            log: Log::default(),
            segments: Vec::new(),
            unlisted: Vec::new(),
            offences: Vec::new(),
            dispute: None,
            challenge: None,
            doubted: None,
            disputed_wall: i64::MIN,
            ended: HoleCause::NoCoveringLane,
            followed: false,
            over: false,
            era_from: i64::MIN,
            dangling: None,
            since_snapshot: 0,
            snapshot_wall: i64::MIN,
            pending: 0,
            cells: Vec::new(),
            repeat: None,
            waiting: None,
            timer: None,
            uncovered_since: None,
            ask_book_at: None,
        }
    }

    /// Enters a frame of this market in the accounts.
    pub(crate) fn account(&mut self, shared: &mut Shared, from: &Provenance, fate: Fate) {
        let what = (from.gatherer, self.sid, from.wall_ns);
        shared.account_in(&mut self.cells, what, fate, None);
    }

    /// Enters the snapshot with which a segment began, unless it stands there already.
    pub(crate) fn account_start(
        &mut self,
        shared: &mut Shared,
        (from, counted): (Provenance, bool),
        fate: Fate,
    ) {
        if !counted {
            self.account(shared, &from, fate);
        }
    }

    /// Enters a frame that said what the entry `first` says. A frame that is itself the one that
    /// `first` was made of (handed over again after a restart) is a first arrival again.
    pub(crate) fn account_copy(
        &mut self,
        shared: &mut Shared,
        from: &Provenance,
        first: &Provenance,
    ) {
        let what = (from.gatherer, self.sid, from.wall_ns);
        if from == first {
            shared.account_in(&mut self.cells, what, Fate::First, None);
        } else {
            let skew_us = (from.wall_ns.saturating_sub(first.wall_ns) / 1000).max(0) as u64;
            shared.account_in(&mut self.cells, what, Fate::Copy, Some(skew_us));
        }
    }

    pub(crate) fn alarm(&self, shared: &mut Shared, kind: AlarmKind, lane: Option<LaneKey>) {
        let source = lane.map(LaneKey::source);
        shared.alarm(kind, source, (self.sid, &self.ticker), self.clock);
    }

    /// The open segment of a lane.
    pub(crate) fn open_segment(&self, lane: LaneKey) -> Option<usize> {
        self.segments.iter().position(|segment| segment.open && segment.lane == lane)
    }

    pub(crate) fn enqueue(&mut self, shared: &mut Shared, at: usize, item: Item) {
        self.segments[at].pending.push_back(item);
        self.pending += 1;
        shared.pending += 1;
    }

    pub(crate) fn dequeue(&mut self, shared: &mut Shared, at: usize) -> Item {
        self.pending -= 1;
        shared.pending -= 1;
        let pending = &mut self.segments[at].pending;
        let item = pending.pop_front().expect("the caller saw a front");
        if pending.is_empty() && pending.capacity() > KEPT_CAPACITY {
            *pending = VecDeque::new();
        }
        item
    }

    /// Drops a segment; what it still held meets `fate`.
    pub(crate) fn drop_segment(&mut self, shared: &mut Shared, at: usize, fate: Fate) {
        let segment = self.segments.remove(at);
        self.pending -= segment.pending.len();
        shared.pending -= segment.pending.len();
        if let Some(start) = segment.placing() {
            self.account_start(shared, (start.from, start.counted), fate);
        }
        for item in &segment.pending {
            self.account(shared, &item.from, fate);
        }
    }

    /// Makes a delta canonical.
    pub(crate) fn accept_delta(
        &mut self,
        shared: &mut Shared,
        clock: u64,
        change: Change,
        from: Provenance,
    ) {
        debug_assert!(self.told_from().is_none(), "the record says that nobody covers the market");
        self.checkpoint_if_due(shared, clock, &from);
        let ord = if clock == self.clock { self.of_clock } else { 0 };
        let disputed = from.wall_ns <= self.disputed_wall;
        let record = DeltaRecord {
            sid: self.sid,
            seq: self.seq + 1,
            era: self.era,
            clock,
            ord,
            side: change.side(),
            price: change.price(),
            delta: Size::from_units(change.delta),
            resting: Size::from_units(self.book.resting_after(&change)),
            ts_ms: change.ts_ms,
            from,
            disputed,
        };
        shared.emit(Record::Delta(record));
        self.take_delta(shared, &record, change);
    }

    /// What accepting a delta does to the state; also when it comes from the journal.
    pub(crate) fn take_delta(&mut self, shared: &mut Shared, record: &DeltaRecord, change: Change) {
        self.seq = record.seq;
        // Without clock, a time may fall behind the estimate for a base.
        self.clock = self.clock.max(record.clock);
        self.of_clock = record.ord.saturating_add(1);
        (self.whole, self.over) = (false, false);
        self.ts_ms = change.ts_ms;
        self.since_snapshot += 1;
        self.book.apply(change.no, change.price, change.delta);
        self.remember(shared, What::Delta(change), record.from);
        shared.canonical.events += 1;
        shared.canonical.deltas += 1;
        shared.canonical.disputed += u64::from(record.disputed);
    }

    /// Makes an empty book canonical: the exchange closed the market.
    pub(crate) fn accept_emptied(&mut self, shared: &mut Shared, clock: u64, from: Provenance) {
        let empty = Book::default();
        let record = self.snapshot_record(&empty, clock, Origin::Live, from);
        self.take_emptied(shared, &record);
        shared.emit(Record::Snapshot(Box::new(record)));
    }

    pub(crate) fn take_emptied(&mut self, shared: &mut Shared, record: &SnapshotRecord) {
        if record.clock > self.clock {
            self.of_clock = 0;
        }
        self.clock = record.clock;
        self.book = Book::default();
        self.remember(shared, What::Emptied, record.from);
        self.took_snapshot(shared, record);
    }

    /// Makes a book canonical at a place to which no delta leads.
    pub(crate) fn accept_base(
        &mut self,
        shared: &mut Shared,
        (clock, book): (u64, Book),
        origin: Origin,
        from: Provenance,
    ) {
        let record = self.snapshot_record(&book, clock, origin, from);
        self.take_base(shared, &record, book);
        shared.emit(Record::Snapshot(Box::new(record)));
    }

    pub(crate) fn take_base(&mut self, shared: &mut Shared, record: &SnapshotRecord, book: Book) {
        self.started = true;
        self.clock = record.clock;
        self.of_clock = 0;
        self.whole = true;
        (self.verified, self.verified_ms) = (record.clock, record.ts_ms);
        self.book = book;
        self.dangling = None;
        self.remember(shared, What::Base, record.from);
        self.took_snapshot(shared, record);
    }

    /// Repeats our book for readers, before the first delta of a new clock, when it is time. Only
    /// the journalled stream decides, so that a restart changes nothing.
    fn checkpoint_if_due(&mut self, shared: &mut Shared, clock: u64, next: &Provenance) {
        let every = shared.config.checkpoint_every.as_nanos() as i64;
        let old = next.wall_ns.saturating_sub(self.snapshot_wall) >= every;
        let many = self.since_snapshot >= shared.config.checkpoint_deltas;
        let due = self.repeat.is_some() || (self.since_snapshot > 0 && (old || many));
        if clock != self.clock && due {
            self.repeat_now(shared, next);
        }
    }

    /// Repeats our book as soon as no clock's deltas are cut in two by it: at once if the market has
    /// been quiet for a while. `gone` are levels that a store holds wrongly.
    pub(crate) fn repeat_soon(
        &mut self,
        shared: &mut Shared,
        gone: Vec<(Side, Price)>,
        wall_ns: i64,
    ) {
        self.repeat.get_or_insert_default().extend(gone);
        let Some(last) = self.log.last().map(|entry| entry.from).filter(|_| self.started) else {
            return;
        };
        if wall_ns.saturating_sub(last.wall_ns) >= QUIET_NS {
            self.repeat_now(shared, &last);
        }
    }

    fn repeat_now(&mut self, shared: &mut Shared, next: &Provenance) {
        let from = Provenance {
            wall_ns: next.wall_ns,
            ..self.log.last().map_or(*next, |entry| entry.from)
        };
        let book = std::mem::take(&mut self.book);
        let mut record = self.snapshot_record(&book, self.clock, Origin::Checkpoint, from);
        let gone = self.repeat.take().unwrap_or_default();
        record.vanished =
            gone.into_iter().filter(|(side, price)| !book.holds(*side, *price)).collect();
        self.book = book;
        self.took_snapshot(shared, &record);
        shared.emit(Record::Snapshot(Box::new(record)));
    }

    pub(crate) fn took_snapshot(&mut self, shared: &mut Shared, record: &SnapshotRecord) {
        self.seq = record.seq;
        self.ts_ms = record.ts_ms;
        self.since_snapshot = 0;
        self.snapshot_wall = record.from.wall_ns;
        shared.canonical.events += 1;
        shared.canonical.snapshots += 1;
    }

    fn snapshot_record(
        &self,
        book: &Book,
        clock: u64,
        origin: Origin,
        from: Provenance,
    ) -> SnapshotRecord {
        let receipt_ms = from.wall_ns.div_euclid(1_000_000);
        let same_clock = self.started && clock == self.clock && self.ts_ms != 0;
        SnapshotRecord {
            sid: self.sid,
            seq: self.seq + 1,
            era: self.era,
            clock,
            ts_ms: if same_clock { self.ts_ms } else { receipt_ms },
            origin,
            yes: book.levels(false),
            no: book.levels(true),
            vanished: self.book.missing_in(book),
            from,
        }
    }

    /// A snapshot of clock `s` was our book.
    pub(crate) fn verified_at(&mut self, s: u64) {
        let s = s.min(self.clock);
        if s > self.verified {
            self.verified = s;
            self.verified_ms = self.log.ts_at(s).unwrap_or(self.verified_ms);
        }
    }

    /// Adds to the log and forgets what no lane needs any more.
    fn remember(&mut self, shared: &mut Shared, what: What, from: Provenance) {
        self.log.push(Entry { clock: self.clock, what, hash: self.book.hash(), from });
        let config = &shared.config;
        let end = self.log.end();
        let keep = if shared.remembered > config.window_total {
            config.window_min
        } else {
            let needed = self.segments.iter().filter_map(Segment::joined).min().unwrap_or(end);
            ((end - needed.min(end)) as usize).clamp(config.window_min, config.window)
        };
        // A lane that comes from before must find the last clock's deltas together.
        let keep = keep.max((usize::from(self.of_clock) + 1).min(config.window));
        let trimmed = self.log.trim_below(end.saturating_sub(keep as u64));
        shared.remembered = shared.remembered + 1 - trimmed;
    }
}
