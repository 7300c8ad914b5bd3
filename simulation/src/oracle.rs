//! What must come out of a run, computed from the truth and from what no crash took of the spools.
//!
//! - Every row stands once, in the journal's order.
//! - A market's canonical stream, read from the store, is the truth from its first snapshot on, but
//!   for holes, which are told exactly.
//! - No hole and no beginning hides a change that some lane covered.
//! - The book of the running merge is the true one.
//!
//! Acks are tried when they are given (`server`), batches when they come again (`sink`).

use merge::{DeltaRecord, HoleRecord, Origin, Record, SnapshotRecord};

use crate::gatherer::{Gatherer, Tag};
use crate::truth::{Levels, Truth};
use crate::world::World;

/// States `from..=to` of a market that one lane, or several that overlap, covered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Covered {
    from: usize,
    to: usize,
}

/// Compares everything; the error says what is wrong first.
pub(crate) fn check(world: &World) -> Result<(), String> {
    for (table, rows) in world.server.tables.iter().enumerate() {
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(format!("table {table}: {} is stored after {}", pair[1].0, pair[0].0));
        }
    }
    let records: Vec<Record> = world.server.tables[0]
        .iter()
        .map(|(at, payload)| {
            deduplicator::simulated::decode(payload).map_err(|error| format!("{at}: {error:#}"))
        })
        .collect::<Result<_, _>>()?;
    for (index, truth) in world.markets.iter().enumerate() {
        let covered = covered(&world.gatherers, index);
        let stream = stream_of(&records, &truth.ticker());
        let told = || format!("{}, covered {covered:?}", truth.ticker());
        let mut reading = Reading { truth, covered: &covered, at: None, seq: 0, hole: None };
        for record in &stream {
            reading.take(record).map_err(|wrong| format!("{}: {wrong}", told()))?;
        }
        reading.end(world).map_err(|wrong| format!("{}: {wrong}", told()))?;
    }
    Ok(())
}

/// Holes that the store tells of.
pub(crate) fn holes(world: &World) -> u64 {
    let is_hole =
        |payload: &[u8]| matches!(deduplicator::simulated::decode(payload), Ok(Record::Hole(_)));
    world.server.tables[0].iter().filter(|(_, payload)| is_hole(payload)).count() as u64
}

/// What the lanes of all gatherers covered, by the protocol's rule alone.
fn covered(gatherers: &[Gatherer], market: usize) -> Vec<Covered> {
    let mut all = Vec::new();
    for gatherer in gatherers {
        let (mut open, mut session, mut expected): (Option<Covered>, u64, u64) = (None, 0, 1);
        for kept in gatherer.kept.iter().filter(|kept| kept.seq > 0) {
            if kept.session != session {
                (session, expected) = (kept.session, 1);
                all.extend(open.take());
            }
            if kept.seq < expected {
                continue;
            }
            if kept.seq > expected {
                all.extend(open.take());
            }
            expected = kept.seq + 1;
            match kept.tag {
                Tag::State { market: of, state } if of == market => {
                    let held = open.get_or_insert(Covered { from: state, to: state });
                    assert_eq!(held.to, state, "a lane is in order");
                }
                Tag::Event { market: of, at } if of == market => {
                    if let Some(held) = &mut open {
                        assert_eq!(held.to, at, "a lane is in order");
                        held.to = at + 1;
                    }
                }
                _ => {}
            }
        }
        all.extend(open);
    }
    all.sort_unstable();
    let mut joined: Vec<Covered> = Vec::new();
    for lane in all {
        match joined.last_mut() {
            Some(last) if lane.from <= last.to => last.to = last.to.max(lane.to),
            _ => joined.push(lane),
        }
    }
    joined
}

fn stream_of<'a>(records: &'a [Record], ticker: &str) -> Vec<&'a Record> {
    let sid = records.iter().find_map(|record| match record {
        Record::Market { sid, ticker: held, .. } if held == ticker => Some(*sid),
        _ => None,
    });
    let is_its = |record: &&Record| match record {
        Record::Delta(delta) => Some(delta.sid) == sid,
        Record::Snapshot(snapshot) => Some(snapshot.sid) == sid,
        // That nobody covers a market, and that somebody does again, is tried in `merge`.
        Record::Hole(hole) => Some(hole.sid) == sid && !hole.has_no_end() && !hole.takes_back(),
        _ => false,
    };
    records.iter().filter(is_its).collect()
}

/// A market's stream, being read.
struct Reading<'a> {
    truth: &'a Truth,
    covered: &'a [Covered],
    /// The state reached; `None` before the first snapshot.
    at: Option<usize>,
    seq: u64,
    hole: Option<&'a HoleRecord>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, record: &'a Record) -> Result<(), String> {
        match record {
            Record::Hole(hole) => match self.hole.replace(hole) {
                None => Ok(()),
                Some(before) => Err(format!("two holes in a row: {before:?} {hole:?}")),
            },
            Record::Snapshot(snapshot) => self.count(snapshot.seq).and_then(|()| {
                let repeated = snapshot.origin == Origin::Checkpoint;
                if repeated { self.repeated(snapshot) } else { self.begins(snapshot) }
            }),
            Record::Delta(delta) => self.count(delta.seq).and_then(|()| self.delta(delta)),
            _ => Ok(()),
        }
    }

    fn count(&mut self, seq: u64) -> Result<(), String> {
        self.seq += 1;
        if seq == self.seq { Ok(()) } else { Err(format!("seq {seq} where {} is due", self.seq)) }
    }

    fn repeated(&self, snapshot: &SnapshotRecord) -> Result<(), String> {
        match self.at {
            Some(at) if same(snapshot, &self.truth.states[at]) => Ok(()),
            at => Err(format!("a checkpoint that is not state {at:?}: {snapshot:?}")),
        }
    }

    fn begins(&mut self, snapshot: &SnapshotRecord) -> Result<(), String> {
        let states = 0..self.truth.states.len();
        let state = states
            .rev()
            .find(|&state| self.truth.clock_of(state) == snapshot.clock)
            .filter(|&state| same(snapshot, &self.truth.states[state]))
            .ok_or_else(|| format!("no state is {snapshot:?}"))?;
        match (self.at, self.hole.take()) {
            (None, None) => self.hides(0, state)?,
            (Some(at), Some(hole)) => {
                let (from, to) = (self.truth.clock_of(at), self.truth.clock_of(state));
                let from = if from == to { from - 1 } else { from };
                if (hole.from_clock, hole.to_clock) != (from, to) || state <= at {
                    return Err(format!("the hole is ({from}, {to}], not {hole:?}"));
                }
                self.hides(at, state)?;
            }
            (at, hole) => return Err(format!("at {at:?} with {hole:?}: {snapshot:?}")),
        }
        self.at = Some(state);
        Ok(())
    }

    /// Changes `from..to` are not in the record: nobody may have covered them.
    fn hides(&self, from: usize, to: usize) -> Result<(), String> {
        match self.covered.iter().find(|piece| piece.from < to && from < piece.to) {
            Some(piece) => Err(format!("changes {from}..{to} are missing, and {piece:?} had some")),
            None => Ok(()),
        }
    }

    fn delta(&mut self, delta: &DeltaRecord) -> Result<(), String> {
        let at = self.at.ok_or_else(|| format!("before any snapshot: {delta:?}"))?;
        if let Some(hole) = self.hole {
            return Err(format!("no snapshot after {hole:?}"));
        }
        let event = self.truth.events.get(at).ok_or_else(|| format!("invented: {delta:?}"))?;
        let found = (delta.clock, delta.ord, delta.side == exchange::Side::No);
        let content = (delta.price.units(), delta.delta.units(), delta.ts_ms);
        if found != (event.clock, event.k, event.no)
            || content != (event.price, event.delta, event.ts_ms)
        {
            return Err(format!("change {at} is {event:?}, not {delta:?}"));
        }
        self.at = Some(at + 1);
        Ok(())
    }

    fn end(&self, world: &World) -> Result<(), String> {
        if let Some(hole) = self.hole {
            return Err(format!("it ends in {hole:?}"));
        }
        let last = self.covered.last().map_or(0, |piece| piece.to);
        match self.at {
            Some(at) if at < last => return Err(format!("it ends at {at}")),
            None if !self.covered.is_empty() => return Err("it is empty".to_owned()),
            _ => {}
        }
        let node = world.deduplicator.as_ref().ok_or("the deduplicator is down")?;
        let (Some(at), Some((yes, no))) = (self.at, node.node.book(&self.truth.ticker())) else {
            return Ok(());
        };
        let book = &self.truth.states[at];
        let is = levels(&yes, false).chain(levels(&no, true)).collect::<Levels>() == *book;
        if is { Ok(()) } else { Err(format!("the book at the end is not {book:?}")) }
    }
}

fn levels(list: &[exchange::Level], no: bool) -> impl Iterator<Item = ((bool, u16), i64)> + '_ {
    list.iter().map(move |level| ((no, level.price.units()), level.size.units()))
}

fn same(snapshot: &SnapshotRecord, book: &Levels) -> bool {
    levels(&snapshot.yes, false).chain(levels(&snapshot.no, true)).collect::<Levels>() == *book
}
