//! What must hold even when the merge cannot know everything: nothing false is told unmarked, nothing
//! is told twice or out of order, and what is left out is told as a hole.

use merge::{HoleCause, Record, SnapshotRecord};

use super::{
    ends,
    oracle::{Check, same_book},
    plan::Promise,
    truth::{TICKERS, Truth, What, side},
    world::World,
};

/// Reads every market's stream beside the truth.
pub(crate) fn check(world: &World) -> Check {
    for (market, ticker) in TICKERS.iter().enumerate().take(world.markets.len()) {
        let sid = world.journal.iter().find_map(|record| match record {
            Record::Market { sid, ticker: held, .. } if held == ticker => Some(*sid),
            _ => None,
        });
        let mut reading = Reading::of(world, &world.markets[market]);
        for record in world.journal.iter().filter(|record| sid_of(record) == sid) {
            reading.read(record).map_err(|wrong| format!("{ticker}: {wrong}"))?;
        }
    }
    Ok(())
}

fn sid_of(record: &Record) -> Option<u32> {
    match record {
        Record::Delta(delta) => Some(delta.sid),
        Record::Snapshot(snapshot) => Some(snapshot.sid),
        Record::Hole(hole) => Some(hole.sid),
        _ => None,
    }
}

/// How far the truth was told.
struct Reading<'a> {
    truth: &'a Truth,
    /// Lies may stand where they are marked.
    marked: bool,
    seq: u64,
    era: u16,
    /// The states of the truth at which the stream may stand: with equal books more than one.
    at: Vec<usize>,
    /// A hole was told, and its snapshot is due: (to, cause).
    hole: Option<(u64, HoleCause)>,
    /// A marked lie was told: the books differ until the next hole.
    lied: bool,
}

impl<'a> Reading<'a> {
    fn of(world: &World, truth: &'a Truth) -> Self {
        let marked = world.plan.promise == Promise::Marked && !world.alarms.is_empty();
        Self { truth, marked, seq: 0, era: 0, at: Vec::new(), hole: None, lied: false }
    }

    fn read(&mut self, record: &Record) -> Check {
        match record {
            Record::Hole(hole) if ends::is_about_cover(hole) => Ok(()),
            Record::Hole(hole) => {
                let clock = self.at.first().map_or(0, |&at| self.clock_of(at));
                let back = hole.cause == HoleCause::Divergence || self.lied;
                if hole.from_clock > clock || (!back && hole.from_clock + 1 < clock) {
                    return Err(format!("we are at {clock}, but {hole:?}"));
                }
                self.hole = Some((hole.to_clock, hole.cause));
                Ok(())
            }
            Record::Snapshot(snapshot) => {
                self.count(snapshot.seq)?;
                self.snapshot(snapshot)
            }
            Record::Delta(delta) => {
                self.count(delta.seq)?;
                let is_it = |&at: &usize| {
                    let Some(event) = self.truth.events.get(at) else { return false };
                    let What::Delta { no, price, delta: size } = event.what else { return false };
                    (delta.side, delta.price.units(), delta.delta.units(), delta.clock, delta.ord)
                        == (side(no), price, size, event.clock, event.k)
                };
                self.pass_unseen();
                let next: Vec<usize> =
                    self.at.iter().copied().filter(is_it).map(|at| at + 1).collect();
                if !next.is_empty() {
                    self.at = next;
                } else if self.marked {
                    self.lied = true;
                } else {
                    return Err(format!("after {:?} {delta:?}", self.at));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where the rest of a clock sums to nothing, nobody can know whether it was missing.
    fn pass_unseen(&mut self) {
        let Some(&last) = self.at.last() else { return };
        let rest = last + 1..self.truth.states.len();
        let same = |&at: &usize| {
            self.clock_of(at) == self.clock_of(last)
                && self.truth.states[at] == self.truth.states[last]
        };
        let unseen: Vec<usize> =
            rest.take_while(|&at| self.clock_of(at) == self.clock_of(last)).filter(same).collect();
        self.at.extend(unseen);
    }

    fn count(&mut self, seq: u64) -> Check {
        self.seq += 1;
        if seq == self.seq { Ok(()) } else { Err(format!("seq {seq} where {} is due", self.seq)) }
    }

    fn clock_of(&self, state: usize) -> u64 {
        let era = self.truth.eras.partition_point(|era| era.0 <= state) - 1;
        self.truth.clock_of(era, state)
    }

    fn snapshot(&mut self, found: &SnapshotRecord) -> Check {
        let oldest = self.at.first().copied().unwrap_or(0);
        let began = self.at.is_empty() || self.hole.take().is_some() || found.era != self.era;
        self.era = found.era;
        if usize::from(found.era) >= self.truth.eras.len() {
            return Err(format!("there was no such era: {found:?}"));
        }
        let is_it = |at: usize| {
            self.clock_of(at) == found.clock && same_book(found, self.truth, at).is_ok()
        };
        let next: Vec<usize> = if began {
            // What was refuted may reach back.
            (0..self.truth.states.len()).filter(|&at| is_it(at)).collect()
        } else {
            // Our own book again, or the exchange closed the market.
            let same = |&at: &usize| same_book(found, self.truth, at).is_ok();
            let closed = |&at: &usize| {
                let emptied = self.truth.events.get(at).map(|event| event.what);
                emptied == Some(What::Emptied) && is_it(at + 1)
            };
            if self.at.iter().any(same) && !self.at.iter().any(closed) {
                self.at.iter().copied().filter(|at| same(at)).collect()
            } else {
                self.at.iter().copied().filter(closed).map(|at| at + 1).collect()
            }
        };
        if next.is_empty() {
            if self.marked {
                self.lied = true;
                return Ok(());
            }
            return Err(format!("after state {oldest} {found:?}"));
        }
        self.lied &= !began;
        self.at = next;
        Ok(())
    }
}
