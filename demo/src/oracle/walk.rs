//! Walks the canonical record of each market along what really happened and names every difference.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;
use super::holes::{Hole, HoleEnd};
use super::record::{EventRow, Item, Kind, items};
use super::report::{FaultKind, Report};
use super::truth::{DeltaTruth, MarketTruth, Truth, TruthEvent};

/// Without clocks an event is looked for this far ahead and behind: more than any burst.
const SEARCH_MAX: usize = 20_000;

/// Where a stretch of true events that the record does not have lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// Before the first snapshot of the record.
    Before,
    /// Before a later snapshot: there must be a hole.
    Hole,
}

/// True events that the record does not have: right only if no covered lane had them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The market's ticker.
    pub market: String,
    /// Where it lies.
    pub stretch: Stretch,
    /// The events.
    pub deltas: Vec<DeltaTruth>,
}

/// The outcome of the walk.
#[derive(Default, Debug)]
pub struct Walked {
    /// Faults and counts.
    pub report: Report,
    /// What is not in the record and may be excused.
    pub missing: Vec<Missing>,
    /// Where the record jumps: each needs its row in `gaps`.
    pub holes: Vec<Hole>,
}

/// Compares `rows`, sorted by [`EventRow::order`], with the truth. `streams` names the sids.
pub fn check_events(truth: &Truth, streams: &BTreeMap<u32, String>, rows: &[EventRow]) -> Walked {
    let mut walked = Walked::default();
    let nothing = MarketTruth::default();
    let mut seen = BTreeSet::new();
    for stream in rows.chunk_by(|a, b| a.sid == b.sid) {
        let sid = stream[0].sid;
        let Some(ticker) = streams.get(&sid) else {
            walked.report.fault(FaultKind::Invented, || format!("sid {sid} belongs to no market"));
            continue;
        };
        if !seen.insert(ticker.as_str()) {
            walked.report.fault(FaultKind::Twice, || format!("{ticker} has two streams"));
        }
        let market = truth.markets.get(ticker).unwrap_or(&nothing);
        Walk::new(ticker, market, &mut walked).all(stream);
    }
    let unseen = truth.markets.iter().filter(|(ticker, _)| !seen.contains(ticker.as_str()));
    for (ticker, market) in unseen {
        walked.leave_out(ticker, Stretch::Before, &market.events);
    }
    walked.report.count("markets", seen.len() as u64);
    walked
}

impl Walked {
    fn leave_out(&mut self, ticker: &str, stretch: Stretch, events: &[TruthEvent]) -> u64 {
        let deltas: Vec<DeltaTruth> = events.iter().filter_map(delta).copied().collect();
        let count = deltas.len() as u64;
        if count > 0 {
            self.missing.push(Missing { market: ticker.to_owned(), stretch, deltas });
        }
        count
    }
}

struct Walk<'a> {
    ticker: &'a str,
    events: &'a [TruthEvent],
    clocks: bool,
    out: &'a mut Walked,
    /// Everything in `events` below this has been met or left out.
    at: usize,
    book: Book,
    started: bool,
    seq: u64,
    era: u16,
    head_clock: u64,
    /// The clock before the head's: the last one that is surely whole.
    whole_clock: u64,
}

impl<'a> Walk<'a> {
    fn new(ticker: &'a str, market: &'a MarketTruth, out: &'a mut Walked) -> Self {
        Self {
            ticker,
            events: &market.events,
            clocks: market.has_clocks(),
            out,
            at: 0,
            book: Book::default(),
            started: false,
            seq: 0,
            era: 0,
            head_clock: 0,
            whole_clock: 0,
        }
    }

    fn all(mut self, rows: &[EventRow]) {
        for item in items(rows) {
            self.numbered(&item);
            match item.head().kind {
                Kind::Snapshot => self.snapshot(&item),
                Kind::Delta => self.delta(item.head()),
            }
        }
        self.tail();
    }

    fn numbered(&mut self, item: &Item<'_>) {
        let (ticker, head, due) = (self.ticker, item.head(), self.seq + 1);
        if head.seq != due {
            let seq = head.seq;
            self.fault(FaultKind::BadSeq, || format!("{ticker}: seq {seq} where {due} was due"));
        }
        self.seq = head.seq;
        let again = item.repeated() as u64;
        self.out.report.faults_of(FaultKind::Twice, again, || {
            format!("{ticker}: {again} rows of seq {} stand there again", head.seq)
        });
        if !item.agrees() {
            self.fault(FaultKind::Different, || {
                format!("{ticker}: the rows of seq {} tell of different events", head.seq)
            });
        }
    }

    fn snapshot(&mut self, item: &Item<'_>) {
        let head = *item.head();
        let shown = Book::from_levels(item.levels());
        self.out.report.count("snapshots", 1);
        let stays = self.started && head.era == self.era && head.clock == self.head_clock;
        if !(stays && shown == self.book) {
            self.jump(&head, &shown);
        }
        if head.era > self.era && self.era == 0 {
            self.out.report.count("markets in a later era", 1);
        }
        self.started = true;
        self.era = head.era;
        self.head_clock = head.clock;
        self.whole_clock = head.clock;
    }

    /// Goes to the place in the truth that a snapshot speaks of; what is passed over is missing.
    fn jump(&mut self, head: &EventRow, shown: &Book) {
        let same_era = self.started && head.era == self.era;
        let Some((to, book)) = self.place(head.clock, shown, same_era) else {
            let (ticker, found) = (self.ticker, head.clock);
            let stays = self.started && found == self.head_clock;
            let to = if stays || !self.clocks { self.at } else { self.first_place(found) };
            // The truth goes on from the truth, so that one wrong snapshot is one fault.
            self.book = self.book_at(to);
            self.at = to;
            let why = difference(&self.book, shown);
            self.fault(FaultKind::WrongBook, || {
                format!("{ticker}: snapshot seq {} at clock {found}: {why}", head.seq)
            });
            return;
        };
        let events = self.events;
        let passed = &events[self.at..to];
        let stretch = if self.started { Stretch::Hole } else { Stretch::Before };
        let lost = self.out.leave_out(self.ticker, stretch, passed);
        if self.started && (lost > 0 || !same_era) {
            let first = passed.iter().find_map(delta).map_or(0, |delta| delta.clock);
            let changed = self.book != book;
            self.out.holes.push(Hole {
                market: self.ticker.to_owned(),
                era: self.era,
                end: if same_era {
                    HoleEnd::Clock(head.clock)
                } else {
                    HoleEnd::NewEra { changed }
                },
                whole_clock: self.whole_clock,
                head_clock: self.head_clock,
                first_clock: first,
                lost,
            });
        }
        self.at = to;
        self.book = book;
    }

    /// The first index from here on at which the true book at `clock` is `shown`.
    fn place(&self, clock: u64, shown: &Book, same_era: bool) -> Option<(usize, Book)> {
        let mut book = self.book.clone();
        let era_now = self.at.checked_sub(1).map(|i| self.events[i].era());
        for to in self.at..=self.events.len() {
            if to > self.at {
                self.events[to - 1].apply(&mut book);
            }
            let last = to.checked_sub(1).map(|i| &self.events[i]);
            let in_era =
                !self.started || same_era || !self.clocks || last.map(TruthEvent::era) > era_now;
            if in_era && self.whole_at(to, clock) && book == *shown {
                return Some((to, book));
            }
        }
        None
    }

    /// Whether everything up to `clock` of its era, and nothing beyond, lies below `to`.
    fn whole_at(&self, to: usize, clock: u64) -> bool {
        if !self.clocks {
            return true;
        }
        let before = to.checked_sub(1).map(|i| (self.events[i].era(), self.events[i].clock()));
        let reached = before.map_or(clock == 0, |(_, at)| at <= clock);
        let next = self.events[to..].iter().find(|event| delta(event).is_some());
        let whole = match (next, before) {
            (Some(next), Some((era, _))) => next.era() > era || next.clock() > clock,
            (Some(next), None) => next.clock() > clock,
            (None, _) => true,
        };
        reached && whole
    }

    fn first_place(&self, clock: u64) -> usize {
        let ahead = &self.events[self.at..];
        self.at + ahead.iter().take_while(|event| event.clock() <= clock).count()
    }

    fn book_at(&self, to: usize) -> Book {
        let mut book = self.book.clone();
        self.events[self.at..to].iter().for_each(|event| event.apply(&mut book));
        book
    }

    fn delta(&mut self, row: &EventRow) {
        self.out.report.count("deltas", 1);
        let ticker = self.ticker;
        if !self.started {
            self.fault(FaultKind::WrongBook, || {
                format!("{ticker}: the record begins with a delta (seq {})", row.seq)
            });
            self.started = true;
        }
        self.pass_marks();
        match self.events.get(self.at).and_then(delta) {
            Some(due) if self.same(due, row) => self.meet(self.at),
            due => {
                let due = due.copied();
                self.search(row, due);
            }
        }
        if row.clock > self.head_clock {
            self.whole_clock = self.head_clock;
        }
        self.head_clock = row.clock;
    }

    /// The row is not the event that was due: says what it is instead, and goes on behind it.
    fn search(&mut self, row: &EventRow, due: Option<DeltaTruth>) {
        let ticker = self.ticker;
        let said = || format!("{ticker}: seq {}: found {}", row.seq, told_row(row));
        let is_it = |event: &TruthEvent| delta(event).is_some_and(|event| self.same(event, row));
        let ahead = self.events[self.at..].iter().take(SEARCH_MAX).position(is_it);
        if let Some(ahead) = ahead {
            let passed = &self.events[self.at..self.at + ahead];
            let lost = passed.iter().filter(|event| delta(event).is_some()).count() as u64;
            let first = due.map_or_else(String::new, |due| told(&due));
            self.out.report.faults_of(FaultKind::Lost, lost, || {
                format!("{ticker}: {lost} events before seq {}, the first {first}", row.seq)
            });
            self.meet(self.at + ahead);
            return;
        }
        if self.events[..self.at].iter().rev().take(SEARCH_MAX).any(is_it) {
            self.fault(FaultKind::Twice, said);
            return;
        }
        match due {
            Some(due) if self.same_place(&due, row) => {
                self.fault(FaultKind::Different, || format!("{}, true is {}", said(), told(&due)));
                self.meet(self.at);
            }
            _ => self.fault(FaultKind::Invented, said),
        }
    }

    fn same(&self, event: &DeltaTruth, row: &EventRow) -> bool {
        let content = (event.side, event.price, event.change, event.ts_ms)
            == (row.side, row.price, row.qty, row.ts_ms);
        content && (!self.clocks || (event.clock, event.ord) == (row.clock, row.ord))
    }

    fn same_place(&self, event: &DeltaTruth, row: &EventRow) -> bool {
        if self.clocks {
            return (event.clock, event.ord) == (row.clock, row.ord);
        }
        (event.side, event.price) == (row.side, row.price)
    }

    fn meet(&mut self, index: usize) {
        for event in &self.events[self.at..=index] {
            event.apply(&mut self.book);
        }
        self.at = index + 1;
    }

    /// Steps over what leaves no row when it changes nothing; a change that has no row is a loss.
    fn pass_marks(&mut self) {
        while let Some(event) = self.events.get(self.at).filter(|event| delta(event).is_none()) {
            let mut after = self.book.clone();
            event.apply(&mut after);
            if after != self.book {
                let (ticker, clock) = (self.ticker, event.clock());
                self.fault(FaultKind::Lost, || {
                    format!(
                        "{ticker}: the book was replaced at clock {clock} and no snapshot says so"
                    )
                });
            }
            self.book = after;
            self.at += 1;
        }
    }

    fn tail(mut self) {
        let events = self.events;
        let left = &events[self.at..];
        let count = self.out.leave_out(self.ticker, Stretch::Hole, left);
        if count == 0 {
            self.pass_marks();
            return;
        }
        self.out.holes.push(Hole {
            market: self.ticker.to_owned(),
            era: self.era,
            end: HoleEnd::Nowhere,
            whole_clock: self.whole_clock,
            head_clock: self.head_clock,
            first_clock: left.iter().find_map(delta).map_or(0, |delta| delta.clock),
            lost: count,
        });
    }

    fn fault(&mut self, kind: FaultKind, what: impl FnOnce() -> String) {
        self.out.report.fault(kind, what);
    }
}

fn delta(event: &TruthEvent) -> Option<&DeltaTruth> {
    match event {
        TruthEvent::Delta(delta) => Some(delta),
        TruthEvent::Empty { .. } | TruthEvent::Book { .. } => None,
    }
}

pub(super) fn told(event: &DeltaTruth) -> String {
    let DeltaTruth { era, clock, ord, side, price, change, ts_ms } = event;
    format!("delta era {era} clock {clock}/{ord} {} {price} {change:+} at {ts_ms}", side.as_str())
}

fn told_row(row: &EventRow) -> String {
    let EventRow { era, clock, ord, side, price, qty, ts_ms, .. } = row;
    format!("delta era {era} clock {clock}/{ord} {} {price} {qty:+} at {ts_ms}", side.as_str())
}

fn difference(truth: &Book, shown: &Book) -> String {
    match truth.first_difference(shown) {
        Some(((side, price), truth, shown)) => {
            format!("{} {price}: true size {truth}, recorded {shown}", side.as_str())
        }
        None => "its place in the truth is not where its clock says".to_owned(),
    }
}
