//! What must come out, computed from what the gatherers' logs hold, and the comparison.

use std::collections::{BTreeMap, BTreeSet};

use exchange::Side;
use merge::{DeltaRecord, HoleCause, HoleRecord, Origin, Record, SnapshotRecord};
use uuid::Uuid;

use super::{
    ends,
    plan::Promise,
    sound,
    truth::{TICKERS, What, levels, side},
    world::{Kept, Tag, World},
};

/// States `from..=to` of a market that one lane, or several that overlap, covered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Covered {
    era: usize,
    from: usize,
    to: usize,
}

pub(crate) type Check<T = ()> = Result<T, String>;

/// Compares everything; the error says what is wrong first.
pub(crate) fn check(world: &World) -> Check {
    ends::check(world)?;
    if world.plan.promise != Promise::Exact {
        sound::check(world)?;
        return check_accounts(world);
    }
    for (market, ticker) in TICKERS.iter().enumerate().take(world.markets.len()) {
        let covered = join(lanes(world, market));
        check_market(world, market, &covered)
            .map_err(|wrong| format!("{ticker}: {wrong}\n  covered {covered:?}"))?;
    }
    check_trades(world)?;
    check_accounts(world)
}

/// What each honest lane delivered of a market, by the rule of the protocol alone.
fn lanes(world: &World, market: usize) -> Vec<Covered> {
    let mut all = Vec::new();
    for gatherer in world.gatherers.iter().filter(|gatherer| !gatherer.lies) {
        let mut open: Option<Covered> = None;
        let mut expected = 1;
        let (mut session, mut listed) = (0, u8::MAX);
        for (_, kept) in &gatherer.log {
            let Kept::Frame(of, frame, tag) = kept else { continue };
            if *of != session {
                (session, expected, listed) = (*of, 1, u8::MAX);
                all.extend(open.take());
            }
            let (Some(1), Some(seq)) = (frame.sid, frame.seq) else { continue };
            if seq < expected {
                continue;
            }
            if seq > expected {
                all.extend(open.take());
            }
            expected = seq + 1;
            match *tag {
                Tag::Listed(bits) => {
                    listed = bits;
                    if listed & 1 << market == 0 {
                        all.extend(open.take());
                    }
                }
                // An answer, though the market is not subscribed: nothing follows it.
                Tag::State { market: of, .. }
                    if of == market && listed & 1 << market == 0 && frame.id.is_some() => {}
                Tag::State { market: of, era, state } if of == market => {
                    let held = open.get_or_insert(Covered { era, from: state, to: state });
                    assert_eq!(held.to, state, "the model's lanes are in order");
                }
                Tag::Event { market: of, at } if of == market => {
                    let event = world.markets[market].events[at];
                    match (&mut open, event.what) {
                        (Some(held), _) => {
                            assert_eq!(held.to, at, "the model's lanes are in order");
                            held.to = at + 1;
                        }
                        (None, What::Emptied) => {
                            open = Some(Covered { era: event.era, from: at + 1, to: at + 1 });
                        }
                        (None, What::Delta { .. }) => {}
                    }
                }
                _ => {}
            }
        }
        all.extend(open);
    }
    all
}

fn join(mut lanes: Vec<Covered>) -> Vec<Covered> {
    lanes.sort_unstable();
    let mut joined: Vec<Covered> = Vec::new();
    for lane in lanes {
        match joined.last_mut() {
            Some(last) if last.era == lane.era && lane.from <= last.to => {
                last.to = last.to.max(lane.to);
            }
            _ => joined.push(lane),
        }
    }
    joined
}

/// The canonical stream of one market, read in order.
#[derive(Clone)]
struct Stream<'a> {
    records: Vec<&'a Record>,
    at: usize,
    seq: u64,
}

impl<'a> Stream<'a> {
    fn of(world: &'a World, ticker: &str) -> Self {
        let sid = world.journal.iter().find_map(|record| match record {
            Record::Market { sid, ticker: held, .. } if held == ticker => Some(*sid),
            _ => None,
        });
        let is_its = |record: &&Record| match record {
            Record::Delta(delta) => Some(delta.sid) == sid,
            Record::Snapshot(snapshot) => Some(snapshot.sid) == sid,
            Record::Hole(hole) => Some(hole.sid) == sid && !ends::is_about_cover(hole),
            _ => false,
        };
        Self { records: world.journal.iter().filter(is_its).collect(), at: 0, seq: 0 }
    }

    fn next_if(&mut self, wanted: impl Fn(&Record) -> bool) -> Option<&'a Record> {
        let record = self.records.get(self.at).copied().filter(|record| wanted(record))?;
        self.at += 1;
        Some(record)
    }

    fn count(&mut self, seq: u64) -> Check {
        self.seq += 1;
        if seq == self.seq { Ok(()) } else { Err(format!("seq {seq} where {} is due", self.seq)) }
    }

    fn hole(&mut self) -> Option<&'a HoleRecord> {
        let hole = self.next_if(|record| matches!(record, Record::Hole(_)))?;
        let Record::Hole(hole) = hole else { return None };
        Some(hole)
    }

    fn snapshot(&mut self) -> Check<&'a SnapshotRecord> {
        match self.next_if(|_| true) {
            Some(Record::Snapshot(snapshot)) => {
                self.count(snapshot.seq)?;
                Ok(snapshot)
            }
            other => Err(format!("a snapshot is due, not {other:?}")),
        }
    }

    fn is_checkpoint(&mut self) -> bool {
        matches!(self.records.get(self.at),
            Some(Record::Snapshot(snapshot)) if snapshot.origin == Origin::Checkpoint)
    }

    fn delta(&mut self) -> Check<&'a DeltaRecord> {
        match self.next_if(|_| true) {
            Some(Record::Delta(delta)) => {
                self.count(delta.seq)?;
                Ok(delta)
            }
            other => Err(format!("a delta is due, not {other:?}")),
        }
    }
}

fn check_market(world: &World, market: usize, covered: &[Covered]) -> Check {
    let truth = &world.markets[market];
    let clockless = world.plan.clockless;
    let mut stream = Stream::of(world, TICKERS[market]);
    let mut last: Option<Covered> = None;
    for (at, piece) in covered.iter().enumerate() {
        let book = &truth.states[piece.from];
        let lone = piece.from == piece.to;
        let silent = clockless && lone && truth.states[..piece.from].contains(book);
        let swallowed = lone && covered.get(at + 1).is_some_and(|next| next.era > piece.era);
        if silent || swallowed {
            // One snapshot, without clock, of a book that was there before: it may tell nothing. Or one within the
            // hole that ends in a new era.
            let before = stream.clone();
            if check_piece(world, market, (last, *piece), &mut stream).is_err() {
                stream = before;
                continue;
            }
        } else {
            check_piece(world, market, (last, *piece), &mut stream)?;
        }
        last = Some(*piece);
    }
    if let Some(more) = stream.next_if(|_| true) {
        return Err(format!("nothing more is due, but {more:?}"));
    }
    check_view(world, market, last)
}

fn check_piece(
    world: &World,
    market: usize,
    (last, piece): (Option<Covered>, Covered),
    stream: &mut Stream<'_>,
) -> Check {
    let truth = &world.markets[market];
    let begins = match last {
        Some(last) => {
            let same = truth.states[last.to] == truth.states[piece.from];
            check_gap(world, market, (last, piece), same, stream)?
        }
        None => true,
    };
    if begins {
        let base = stream.snapshot()?;
        let clock = truth.clock_of(piece.era, piece.from);
        if !world.plan.clockless && base.clock != clock {
            return Err(format!("begins at clock {}, not {clock}", base.clock));
        }
        same_book(base, truth, piece.from)?;
    }
    for at in piece.from..piece.to {
        check_event(world, market, at, stream)?;
    }
    Ok(())
}

/// Between two pieces: a hole, unless nothing can have been missed. Says whether a base follows.
fn check_gap(
    world: &World,
    market: usize,
    (last, next): (Covered, Covered),
    same_book: bool,
    stream: &mut Stream<'_>,
) -> Check<bool> {
    let truth = &world.markets[market];
    let hole = stream.hole();
    if last.era != next.era {
        return match hole {
            Some(hole) if same_book => Err(format!("nothing is missing, but {hole:?}")),
            Some(hole) if hole.cause != HoleCause::Maintenance => Err(format!("{hole:?}")),
            None if !same_book => Err(format!("a new era's hole after {last:?}")),
            _ => Ok(true),
        };
    }
    let Some(hole) = hole else {
        // Without clock, equal books are all that can be known; with one, the last group's missing
        // deltas may sum to nothing.
        let one_group = truth.events[last.to].clock == truth.clock_of(last.era, last.to);
        let blind = world.plan.clockless || one_group;
        return if same_book && blind { Ok(false) } else { Err(format!("a hole after {last:?}")) };
    };
    if world.plan.clockless {
        return Ok(true);
    }
    let (from, to) = (truth.clock_of(last.era, last.to), truth.clock_of(next.era, next.from));
    let from = if from == to { from - 1 } else { from };
    if (hole.from_clock, hole.to_clock) != (from, to) {
        return Err(format!("the hole ({from}, {to}], not {hole:?}"));
    }
    let cut = last.to > 0
        && truth.events[last.to].what != What::Emptied
        && truth.events[last.to].clock == truth.events[last.to - 1].clock
        && truth.events[last.to - 1].era == last.era;
    if cut && from != to - 1 && hole.from_whole && hole.from_clock == truth.events[last.to].clock {
        return Err(format!("the group is cut, but {hole:?}"));
    }
    Ok(true)
}

fn check_event(world: &World, market: usize, at: usize, stream: &mut Stream<'_>) -> Check {
    let truth = &world.markets[market];
    let event = truth.events[at];
    let clockless = world.plan.clockless;
    if stream.is_checkpoint() {
        let checkpoint = stream.snapshot()?;
        same_book(checkpoint, truth, at)?;
    }
    let What::Delta { no, price, delta } = event.what else {
        let closed = stream.snapshot()?;
        if closed.origin != Origin::Live || (!clockless && closed.clock != event.clock) {
            return Err(format!("the market closed at {}, not {closed:?}", event.clock));
        }
        return same_book(closed, truth, at + 1);
    };
    let found = stream.delta()?;
    let same = (found.side, found.price.units(), found.delta.units(), found.ts_ms)
        == (side(no), price, delta, event.ts_ms);
    let placed = clockless || (found.clock, found.ord) == (event.clock, event.k);
    if same && placed { Ok(()) } else { Err(format!("event {at} {event:?}, not {found:?}")) }
}

pub(crate) fn same_book(
    found: &SnapshotRecord,
    truth: &super::truth::Truth,
    state: usize,
) -> Check {
    let book = &truth.states[state];
    if found.yes == levels(book, false) && found.no == levels(book, true) {
        return Ok(());
    }
    Err(format!("state {state} {book:?}, not {found:?}"))
}

fn check_view(world: &World, market: usize, last: Option<Covered>) -> Check {
    let view = world.merge.markets().find(|view| view.ticker == TICKERS[market]);
    let (Some(view), Some(last)) = (&view, last) else {
        return if last.is_none() { Ok(()) } else { Err("the market is not known".into()) };
    };
    let book = &world.markets[market].states[last.to];
    let same = view.levels(Side::Yes) == levels(book, false)
        && view.levels(Side::No) == levels(book, true);
    if same { Ok(()) } else { Err(format!("the book at the end: {book:?}")) }
}

fn check_trades(world: &World) -> Check {
    let mut sent: BTreeSet<Uuid> = BTreeSet::new();
    for (_, kept) in world.gatherers.iter().flat_map(|gatherer| &gatherer.log) {
        if let Kept::Frame(_, _, Tag::Trade(id)) = kept {
            sent.insert(*id);
        }
    }
    let mut told: Vec<Uuid> = Vec::new();
    for record in &world.journal {
        if let Record::Trade(trade) = record {
            told.push(trade.trade_id);
        }
    }
    told.sort_unstable();
    let once: Vec<Uuid> = sent.into_iter().collect();
    if told == once { Ok(()) } else { Err(format!("trades {once:?}, not {told:?}")) }
}

/// Every frame once, in totals and in minutes.
pub(crate) fn check_accounts(world: &World) -> Check {
    if let Some(what) = world.merge.contradiction() {
        return Err(format!("the merge contradicts itself: {what}"));
    }
    let mut minutes: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    for row in &world.minutes {
        let fates = row.first_arrivals
            + row.copies
            + row.unverified
            + row.snapshots
            + row.uncovered
            + row.late
            + row.divergences
            + row.quarantined
            + row.repeats
            + row.control
            + row.undecodable;
        if fates != row.frames {
            return Err(format!("a row is not the sum of its fates: {row:?}"));
        }
        let sums = minutes.entry(row.gatherer.0).or_default();
        *sums = (sums.0 + u64::from(row.frames), sums.1 + u64::from(row.first_arrivals));
    }
    let totals = world.merge.totals();
    let mut firsts = 0;
    for (g, gatherer) in world.gatherers.iter().enumerate() {
        let is_frame = |kept: &&(i64, Kept)| matches!(kept.1, Kept::Frame(..) | Kept::Bad(_));
        let received = gatherer.log.iter().filter(is_frame).count() as u64;
        let found = &totals.gatherers[g];
        let sums = minutes.get(&(g as u8)).copied().unwrap_or_default();
        firsts += sums.1;
        if found.frames != received || sums.0 + found.pending != received {
            let (frames, pending) = (found.frames, found.pending);
            return Err(format!(
                "g{g} received {received}, counted {frames}, minutes {sums:?}, pending {pending}"
            ));
        }
    }
    check_firsts(world, firsts)
}

/// Every canonical event but a checkpoint came from one frame.
fn check_firsts(world: &World, firsts: u64) -> Check {
    let events = world.journal.iter().filter(|record| match record {
        Record::Delta(_) | Record::Trade(_) => true,
        Record::Snapshot(snapshot) => snapshot.origin != Origin::Checkpoint,
        _ => false,
    });
    let events = events.count() as u64;
    if events == firsts || world.plan.crashes > 0 {
        return Ok(());
    }
    Err(format!("{events} canonical events from {firsts} first arrivals"))
}
