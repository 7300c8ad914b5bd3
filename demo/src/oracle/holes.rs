//! Every jump of the record must be one row of `gaps`, and every row of `gaps` a jump.

use super::report::{FaultKind, Report};

/// A jump of the record: the book was taken from a snapshot because events were missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hole {
    /// The market's ticker.
    pub market: String,
    /// Canonical era of the snapshot.
    pub era: u16,
    /// Whether the snapshot opened that era.
    pub new_era: bool,
    /// The last clock that was surely whole.
    pub whole_clock: u64,
    /// The last clock of which the record has anything.
    pub head_clock: u64,
    /// Clock of the first missing event.
    pub first_clock: u64,
    /// Clock of the snapshot.
    pub to_clock: u64,
    /// How many events are missing.
    pub lost: u64,
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
    /// Clock of the snapshot after it.
    pub to_clock: u64,
    /// What was lost.
    pub cause: String,
}

impl Hole {
    fn is_told_by(&self, gap: &GapRow) -> bool {
        let begins_right = self.new_era
            || (self.whole_clock..=self.head_clock).contains(&gap.from_clock)
                && gap.from_clock < self.first_clock;
        gap.market == self.market && gap.to_clock == self.to_clock && begins_right
    }
}

/// Compares the jumps that the walk found with the rows of `gaps`.
pub fn check_holes(holes: &[Hole], gaps: &[GapRow], report: &mut Report) {
    report.count("holes", gaps.len() as u64);
    let mut left: Vec<&GapRow> = gaps.iter().collect();
    for hole in holes {
        report.count("events inside holes", hole.lost);
        match left.iter().position(|gap| hole.is_told_by(gap)) {
            Some(index) => {
                left.swap_remove(index);
            }
            None => report.fault(FaultKind::UnjustifiedHole, || {
                let Hole { market, first_clock, to_clock, lost, .. } = hole;
                format!("{market}: {lost} events from clock {first_clock} to {to_clock} are missing and `gaps` does not say so")
            }),
        }
    }
    for gap in left {
        report.fault(FaultKind::UnjustifiedHole, || {
            let GapRow { market, era, from_clock, to_clock, cause } = gap;
            format!("{market}: `gaps` has ({from_clock}, {to_clock}] of era {era} ({cause}), where nothing is missing")
        });
    }
}
