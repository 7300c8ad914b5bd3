//! What the gatherers' own frames prove: which missing events a covered lane had after all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use exchange::{Frame, Message};

use super::report::{FaultKind, Report};
use super::truth::DeltaTruth;
use super::walk::{Missing, Stretch, told};

/// Identity of a delta by all its content: an era needs no number then.
type Identity = (u64, exchange::Side, u16, i64, i64);

/// The frames of one gatherer, looked at in the order it received them.
pub struct Coverage<'a> {
    wanted: &'a Wanted,
    lanes: HashMap<(u64, u32), Lane>,
    had: BTreeSet<(String, Identity)>,
}

/// The missing events, by market.
pub struct Wanted(BTreeMap<String, HashSet<Identity>>);

#[derive(Default)]
struct Lane {
    last_seq: u64,
    covered: HashSet<String>,
}

impl Wanted {
    /// Everything that is missing.
    pub fn new(missing: &[Missing]) -> Self {
        let mut wanted: BTreeMap<String, HashSet<Identity>> = BTreeMap::new();
        for missing in missing {
            let deltas = missing.deltas.iter().map(identity);
            wanted.entry(missing.market.clone()).or_default().extend(deltas);
        }
        Self(wanted)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Coverage<'a> {
    /// Nothing seen yet.
    pub fn new(wanted: &'a Wanted) -> Self {
        Self { wanted, lanes: HashMap::new(), had: BTreeSet::new() }
    }

    /// The next frame of this gatherer, in the order of receipt. One that cannot be decoded is not
    /// shown here: the jump of `seq` behind it is what breaks the lane.
    pub fn frame(&mut self, session: u64, frame: &Frame<'_>) {
        let (Some(sid), Some(seq)) = (frame.sid, frame.seq) else { return };
        let lane = self.lanes.entry((session, sid)).or_default();
        if seq <= lane.last_seq {
            return;
        }
        if seq != lane.last_seq + 1 {
            lane.covered.clear();
        }
        lane.last_seq = seq;
        match &frame.message {
            // Asked first: most snapshots of a long lane are repetitions.
            Message::Snapshot(snapshot) if !lane.covered.contains(snapshot.market_ticker) => {
                lane.covered.insert(snapshot.market_ticker.to_owned());
            }
            Message::Delta(delta) if lane.covered.contains(delta.market_ticker) => {
                let content = (
                    delta.clock.unwrap_or_default(),
                    delta.side,
                    delta.price.units(),
                    delta.delta.units(),
                    delta.ts_ms.unwrap_or_default(),
                );
                let wanted = self.wanted.0.get(delta.market_ticker);
                if wanted.is_some_and(|wanted| wanted.contains(&content)) {
                    self.had.insert((delta.market_ticker.to_owned(), content));
                }
            }
            _ => {}
        }
    }
}

/// Turns what is missing into faults where the gatherer `name` had it on a covered lane.
pub fn check_coverage(name: &str, seen: &Coverage<'_>, missing: &[Missing], report: &mut Report) {
    for Missing { market, stretch, deltas } in missing {
        let had = deltas.iter().filter(|delta| {
            !seen.had.is_empty() && seen.had.contains(&(market.clone(), identity(delta)))
        });
        let count = had.clone().count() as u64;
        let first = had.clone().next().map(told).unwrap_or_default();
        let place = match stretch {
            Stretch::Before => "before the record begins",
            Stretch::Hole => "in a hole",
        };
        report.faults_of(FaultKind::Lost, count, || {
            format!("{market}: {count} events {place} that {name} had on a covered lane, the first {first}")
        });
        if count > 0 && *stretch == Stretch::Hole {
            report.fault(FaultKind::UnjustifiedHole, || {
                format!("{market}: a hole where {name} had {count} events")
            });
        }
    }
}

fn identity(delta: &DeltaTruth) -> Identity {
    (delta.clock, delta.side, delta.price, delta.change, delta.ts_ms)
}
