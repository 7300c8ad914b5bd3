//! What the merge wants: records to journal, snapshots to ask for, people to wake.

use crate::{input::Source, record::Record};

/// One thing to do, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Journal this.
    Record(Record),
    /// Ask this session for a fresh snapshot (`get_snapshot`) of this market.
    Refresh {
        /// Whom to ask.
        source: Source,
        /// About what.
        market_ticker: Box<str>,
    },
    /// Tell a person.
    Alarm(Alarm),
}

/// Something that must not happen did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// What.
    pub kind: AlarmKind,
    /// The session it came from; the odd one out, when lanes disagree.
    pub source: Option<Source>,
    /// The canonical sid of the market.
    pub sid: u32,
    /// The market.
    pub market_ticker: Box<str>,
    /// Where: the clock of the event, 0 when unknown.
    pub clock: u64,
}

/// What an alarm is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AlarmKind {
    /// A lane said something else than what the others made canonical; it is quarantined.
    LaneDiverged,
    /// A lane's snapshot is not the book that the others hold; it is quarantined. A lane that is alone
    /// is not: its snapshot refutes what it told before.
    SnapshotDiverged,
    /// Two lanes disagree, and nothing could tell which is right; the rows are marked.
    Disputed,
    /// What we had made canonical was refuted; a hole and a fresh snapshot replace it.
    Healed,
    /// A clock fell inside a living lane.
    ClockFell,
    /// More was waiting than memory is granted; a hole was decided early.
    MemoryBound,
}

impl AlarmKind {
    /// A constant name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LaneDiverged => "lane_diverged",
            Self::SnapshotDiverged => "snapshot_diverged",
            Self::Disputed => "disputed",
            Self::Healed => "healed",
            Self::ClockFell => "clock_fell",
            Self::MemoryBound => "memory_bound",
        }
    }
}
