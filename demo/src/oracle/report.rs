//! What was compared and what was found wrong.

use std::collections::BTreeMap;
use std::fmt;

/// How many faults of a kind are told in full; the rest is counted.
const TOLD_IN_FULL: usize = 8;

/// What can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultKind {
    /// It happened, somebody had it, and it is not in the record.
    Lost,
    /// It is in the record more than once.
    Twice,
    /// It is in the record with another content.
    Different,
    /// It is in the record and never happened.
    Invented,
    /// The canonical numbers have a hole or run back.
    BadSeq,
    /// A snapshot is not the book of its clock.
    WrongBook,
    /// A hole is recorded where nothing was lost or a covered lane had it, or not recorded where it should be.
    UnjustifiedHole,
    /// `latest_levels` is not the book.
    WrongLatest,
    /// The account of frames does not add up.
    WrongLedger,
    /// Nobody had it, although the run gave no reason for that.
    Missed,
}

impl FaultKind {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Twice => "twice",
            Self::Different => "different",
            Self::Invented => "invented",
            Self::BadSeq => "bad seq",
            Self::WrongBook => "wrong book",
            Self::UnjustifiedHole => "unjustified hole",
            Self::WrongLatest => "wrong latest level",
            Self::WrongLedger => "wrong ledger",
            Self::Missed => "missed by all",
        }
    }
}

/// One thing that is wrong, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// Where, and what was expected.
    pub what: String,
}

/// The outcome of a comparison.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    counts: BTreeMap<String, u64>,
    faults: BTreeMap<FaultKind, u64>,
    told: Vec<Fault>,
}

impl Report {
    /// Adds to a count that is printed.
    pub fn count(&mut self, what: &str, by: u64) {
        *self.counts.entry(what.to_owned()).or_default() += by;
    }

    /// Notes a fault; `what` is called only while there is room to tell it.
    pub fn fault(&mut self, kind: FaultKind, what: impl FnOnce() -> String) {
        self.faults_of(kind, 1, what);
    }

    /// Notes `by` faults told in one line.
    pub fn faults_of(&mut self, kind: FaultKind, by: u64, what: impl FnOnce() -> String) {
        if by == 0 {
            return;
        }
        *self.faults.entry(kind).or_default() += by;
        if self.told.iter().filter(|fault| fault.kind == kind).count() < TOLD_IN_FULL {
            self.told.push(Fault { kind, what: what() });
        }
    }

    /// How often a count was raised.
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// How many faults of this kind there are.
    pub fn found(&self, kind: FaultKind) -> u64 {
        self.faults.get(&kind).copied().unwrap_or_default()
    }

    /// How many faults there are.
    pub fn total(&self) -> u64 {
        self.faults.values().sum()
    }

    /// The faults told in full.
    pub fn told(&self) -> &[Fault] {
        &self.told
    }

    /// Takes over what another comparison found; its lines are prefixed with `from`.
    pub fn absorb(&mut self, from: &str, other: Self) {
        for (what, by) in other.counts {
            self.count(&format!("{from} {what}"), by);
        }
        for (kind, by) in other.faults {
            *self.faults.entry(kind).or_default() += by;
        }
        let told = other.told.into_iter();
        self.told.extend(told.map(|f| Fault { kind: f.kind, what: format!("{from}: {}", f.what) }));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "  {what:<44} {count:>12}")?;
        }
        let always =
            [FaultKind::Lost, FaultKind::Twice, FaultKind::Different, FaultKind::UnjustifiedHole];
        let words = |kind: FaultKind| format!("{} {}", kind.as_str(), self.found(kind));
        let first = always.into_iter().map(words);
        let rest =
            self.faults.keys().filter(|kind| !always.contains(kind)).map(|kind| words(*kind));
        writeln!(f, "  {}", first.chain(rest).collect::<Vec<_>>().join(" · "))?;
        for fault in &self.told {
            writeln!(f, "  {}: {}", fault.kind.as_str(), fault.what)?;
        }
        Ok(())
    }
}
