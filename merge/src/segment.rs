//! A segment: what one lane covers of one market, from a snapshot to a break or the end.
//!
//! What a lane delivered before it broke stays true, so a broken segment stays until its frames are
//! used up; the lane's next snapshot opens another segment beside it.

use std::collections::VecDeque;

use exchange::Moment;
use serde::{Deserialize, Serialize};

use crate::{
    input::{GathererIndex, Source},
    levels::{Book, Change},
    log::{Entry, What},
    record::Provenance,
};

/// A frame is on the way for less than this: a later one may be so much older than its receipt.
const ON_THE_WAY_MS: u64 = 10_000;

/// A lane: in it seq counts.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LaneKey {
    pub(crate) gatherer: GathererIndex,
    pub(crate) session: u64,
    pub(crate) sid: u32,
}

/// A book that a lane showed.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) clock: Option<u64>,
    pub(crate) book: Book,
    /// It answers a `get_snapshot`.
    pub(crate) asked: bool,
}

/// One frame that waits for its turn.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Item {
    pub(crate) from: Provenance,
    /// The delta's clock, or its `ts_ms` when it has none.
    pub(crate) clock: u64,
    pub(crate) says: Says,
}

impl Item {
    /// The hash of the book that it shows, if it shows one.
    pub(crate) fn shown(&self) -> Option<u64> {
        match &self.says {
            Says::Snapshot(shown) => Some(shown.book.hash()),
            Says::Delta(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) enum Says {
    Delta(Change),
    Snapshot(Box<Shown>),
}

/// How a segment began, while it is not placed.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Start {
    pub(crate) shown: Shown,
    pub(crate) from: Provenance,
    /// It was compared with the log and differs.
    pub(crate) denied: bool,
    /// Its frame stands in the accounts: it was placed before, too early.
    pub(crate) counted: bool,
    /// When it came to us.
    #[serde(skip)]
    pub(crate) since: Moment,
}

/// What is kept of a snapshot that agreed with the log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub(crate) struct JoinedBy {
    pub(crate) hash: u64,
    pub(crate) asked: bool,
    pub(crate) from: Provenance,
}

/// Where a segment stands relative to the log.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) enum Stage {
    /// Beyond the head, or not to be placed yet.
    Placing(Box<Start>),
    /// In agreement with everything below the index `next`.
    Joined { next: u64 },
    /// From before the window; without clock, with its own book.
    Behind(Option<Box<Book>>),
    /// Of an older era.
    Past,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) lane: LaneKey,
    /// Whether the lane goes on; a closed segment only uses up what it has.
    pub(crate) open: bool,
    pub(crate) stage: Stage,
    /// Everything up to this clock was in its last snapshot.
    pub(crate) floor: u64,
    /// The snapshot by which it joined at the end of the log: the last clock may not have been whole then.
    pub(crate) joined_by: Option<JoinedBy>,
    /// The newest clock it delivered; 0 for lanes without clock.
    pub(crate) newest: u64,
    /// It was waited for in vain, and has not caught up since.
    pub(crate) lagging: bool,
    /// Its own fresh snapshot agreed, since it was challenged.
    pub(crate) confirmed: bool,
    /// In a dispute: whether its fresh snapshot is what its own deltas make of our book.
    pub(crate) consistent: Option<bool>,
    pub(crate) pending: VecDeque<Item>,
}

impl LaneKey {
    pub(crate) fn source(self) -> Source {
        Source { gatherer: self.gatherer, session: self.session }
    }
}

impl Segment {
    pub(crate) fn new(lane: LaneKey, shown: Shown, from: Provenance, now: Moment) -> Self {
        let floor = shown.clock.unwrap_or(0);
        let start = Start { shown, from, denied: false, counted: false, since: now };
        Self {
            lane,
            open: true,
            stage: Stage::Placing(Box::new(start)),
            floor,
            joined_by: None,
            newest: floor,
            lagging: false,
            confirmed: false,
            consistent: None,
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn joined(&self) -> Option<u64> {
        match self.stage {
            Stage::Joined { next } => Some(next),
            _ => None,
        }
    }

    pub(crate) fn placing(&self) -> Option<&Start> {
        match &self.stage {
            Stage::Placing(start) => Some(start),
            _ => None,
        }
    }

    /// Whether the lane goes on from where the log ends, or will.
    pub(crate) fn covers(&self) -> bool {
        self.open && matches!(self.stage, Stage::Joined { .. } | Stage::Behind(_))
    }

    /// Whether a delta of this lane is the entry; `ts_ms` is in the change.
    pub(crate) fn says(&self, clock: u64, change: Change, entry: &Entry) -> bool {
        entry.what == What::Delta(change) && (entry.clock == clock || self.newest == 0)
    }

    /// Whether it has nothing more to give.
    pub(crate) fn is_used_up(&self) -> bool {
        !self.open && self.pending.is_empty() && self.placing().is_none()
    }

    /// The clock from which a market would go on with this segment; without clock, the receipt
    /// bounded by what is known.
    pub(crate) fn begin_clock(&self, head: u64) -> u64 {
        let Some(start) = self.placing() else { return self.floor };
        start.shown.clock.unwrap_or_else(|| {
            let receipt = u64::try_from(start.from.wall_ns / 1_000_000).unwrap_or(0);
            let first = self.pending.iter().find(|item| matches!(item.says, Says::Delta(_)));
            let latest = first.map_or(receipt.saturating_sub(ON_THE_WAY_MS), |item| item.clock);
            receipt.min(latest).max(head)
        })
    }

    /// Its first frame that is an event: a delta, or `None` for a book that was emptied.
    pub(crate) fn first_news(&self) -> Option<Option<(u64, Change)>> {
        let empty = self.placing().is_some_and(|start| start.shown.book.is_empty());
        self.pending.iter().find_map(|item| match &item.says {
            Says::Delta(change) => Some(Some((item.clock, *change))),
            Says::Snapshot(shown) => {
                (!empty && !shown.asked && shown.book.is_empty()).then_some(None)
            }
        })
    }

    /// The order in which snapshots without clock were probably taken.
    pub(crate) fn order_clock(&self) -> u64 {
        let Some(start) = self.placing() else { return self.floor };
        start.shown.clock.unwrap_or_else(|| {
            let first = self.pending.iter().find(|item| matches!(item.says, Says::Delta(_)));
            let receipt = u64::try_from(start.from.wall_ns / 1_000_000).unwrap_or(0);
            first.map_or(receipt, |item| item.clock.min(receipt))
        })
    }

    /// Its book with its own deltas up to clock `upto`, and whether it has shown a later one.
    pub(crate) fn folded(&self, book: &Book, upto: u64) -> (Book, bool) {
        let mut book = book.clone();
        for item in &self.pending {
            match &item.says {
                Says::Delta(_) if item.clock > upto => return (book, true),
                // A closing snapshot may share the clock of the book that it replaces.
                Says::Snapshot(_) if item.clock >= upto => return (book, true),
                Says::Delta(change) => book.apply(change.no, change.price, change.delta),
                Says::Snapshot(shown) if !shown.asked && shown.book.is_empty() => {
                    book = Book::default();
                }
                Says::Snapshot(_) => {}
            }
        }
        (book, false)
    }
}
