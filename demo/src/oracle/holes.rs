//! Every jump of the record must be one row of `gaps`, and every row of `gaps` a jump.

use super::report::{FaultKind, Report};

/// A jump of the record: the book was taken from a snapshot because events were missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hole {
    /// The market's ticker.
    pub market: String,
    /// Canonical era of the last event before it.
    pub era: u16,
    /// Where it ends.
    pub end: HoleEnd,
    /// The last clock that was surely whole.
    pub whole_clock: u64,
    /// The last clock of which the record has anything.
    pub head_clock: u64,
    /// Clock of the first missing event.
    pub first_clock: u64,
    /// How many events are missing.
    pub lost: u64,
}

/// Where a hole ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoleEnd {
    /// At a snapshot of this clock in the same era.
    Clock(u64),
    /// Nowhere: no later snapshot is in the record, and the row must have no end.
    Nowhere,
    /// At the first snapshot of a new era: no clock of the old one names that place, and the row is
    /// (head, head].
    NewEra {
        /// Whether that snapshot differs from the book before: only then anybody can know.
        changed: bool,
    },
}

/// What the oracle needs of a row of `gaps`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapRow {
    /// The market's ticker.
    pub market: String,
    /// Era of both clocks.
    pub era: u16,
    /// Last whole clock.
    pub from_clock: u64,
    /// Clock of the snapshot after it; [`GapRow::NO_END`] where none came.
    pub to_clock: u64,
    /// What was lost.
    pub cause: String,
}

impl GapRow {
    /// The end of a hole that has not ended.
    pub const NO_END: u64 = u64::MAX;
    /// The cause of a row that takes a hole without end back.
    const TAKES_BACK: &str = "covered_again";
}

impl Hole {
    fn is_told_by(&self, gap: &GapRow) -> bool {
        let (from, to) = (gap.from_clock, gap.to_clock);
        let place = match self.end {
            HoleEnd::Clock(clock) => {
                let begins = (self.whole_clock..=self.head_clock).contains(&from);
                begins && from < self.first_clock && to == clock
            }
            HoleEnd::Nowhere => {
                let begins = (self.whole_clock..=self.head_clock).contains(&from);
                begins && to == GapRow::NO_END
            }
            HoleEnd::NewEra { .. } => (from, to) == (self.head_clock, self.head_clock),
        };
        gap.market == self.market && gap.era == self.era && place
    }

    /// Whether its row may be absent.
    fn cannot_be_seen(&self) -> bool {
        self.end == HoleEnd::NewEra { changed: false }
    }

    /// Whether there was anything to tell of.
    fn is_one(&self) -> bool {
        self.lost > 0 || self.end == HoleEnd::NewEra { changed: true }
    }
}

/// Compares the jumps that the walk found with the rows of `gaps`.
pub fn check_holes(holes: &[Hole], gaps: &[GapRow], report: &mut Report) {
    let mut left: Vec<&GapRow> =
        gaps.iter().filter(|gap| gap.cause != GapRow::TAKES_BACK).collect();
    report.count("holes", left.len() as u64);
    for hole in holes.iter().filter(|hole| hole.is_one()) {
        report.count("events inside holes", hole.lost);
        match left.iter().position(|gap| hole.is_told_by(gap)) {
            Some(index) => {
                left.swap_remove(index);
            }
            None if hole.cannot_be_seen() => {}
            None if hole.end == HoleEnd::Nowhere => {
                report.faults_of(FaultKind::Lost, hole.lost, || {
                    let Hole { market, head_clock, lost, .. } = hole;
                    format!("{market}: {lost} events at the end of the record, after clock {head_clock}, and `gaps` does not say so")
                });
            }
            None => report.fault(FaultKind::UnjustifiedHole, || {
                let Hole { market, era, head_clock, lost, .. } = hole;
                format!("{market}: {lost} events after clock {head_clock} of era {era} are missing and `gaps` does not say so")
            }),
        }
    }
    // Nobody covers the market any more; whether anything happened since, the record cannot know.
    let (ends, left): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|gap| gap.to_clock == GapRow::NO_END);
    report.count("markets that nobody covers any more", ends.len() as u64);
    for gap in left {
        report.fault(FaultKind::UnjustifiedHole, || {
            let GapRow { market, era, from_clock, to_clock, cause } = gap;
            format!("{market}: `gaps` has ({from_clock}, {to_clock}] of era {era} ({cause}), where nothing is missing")
        });
    }
}
