//! The accounts: what became of every frame, per gatherer, market and minute of receipt.
//!
//! A frame is entered when its fate is known, in exactly one [`Fate`], so in every row `frames` is
//! the sum of the fates. A frame whose fate takes longer than its minute is entered in a later row
//! of the same (gatherer, market, minute): rows add up.
//!
//! Holes are not counted here: a hole is there because nobody covered the stretch, so it is no
//! gatherer's. The sink writes a row without a gatherer for each, from its record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::input::GathererIndex;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It made the canonical event.
    First,
    /// It said what the canonical event says.
    Copy,
    /// A copy of an event that is no longer remembered: not compared.
    Unverified,
    /// A snapshot that placed or verified a lane.
    Snapshot,
    /// It came on a lane that had lost frames, or had shown no snapshot of the market.
    Uncovered,
    /// It belongs to what is already decided (a hole, an older era) or forgotten.
    Late,
    /// It says something else than the canonical event.
    Divergence,
    /// It came on a quarantined lane.
    Quarantined,
    /// Its seq had been seen.
    Repeat,
    /// It carries no event: acks, errors, unknown types.
    Control,
    /// It could not be decoded.
    Undecodable,
}

/// How many fates there are.
pub(crate) const FATES: usize = 11;
/// Power-of-two buckets of microseconds; the last is everything from 2^30 us (18 minutes).
const SKEW_BUCKETS: usize = 31;

/// One row of the accounts.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaneMinute {
    /// Whose frames.
    pub gatherer: GathererIndex,
    /// The canonical sid of the market, 0 for frames that belong to none.
    pub sid: u32,
    /// The minute of receipt, Unix minutes.
    pub minute: i64,
    /// All frames of this row: the sum of the fates below.
    pub frames: u32,
    /// See [`Fate::First`].
    pub first_arrivals: u32,
    /// See [`Fate::Copy`].
    pub copies: u32,
    /// See [`Fate::Unverified`].
    pub unverified: u32,
    /// See [`Fate::Snapshot`].
    pub snapshots: u32,
    /// See [`Fate::Uncovered`].
    pub uncovered: u32,
    /// See [`Fate::Late`].
    pub late: u32,
    /// See [`Fate::Divergence`].
    pub divergences: u32,
    /// See [`Fate::Quarantined`].
    pub quarantined: u32,
    /// See [`Fate::Repeat`].
    pub repeats: u32,
    /// See [`Fate::Control`].
    pub control: u32,
    /// See [`Fate::Undecodable`].
    pub undecodable: u32,
    /// Jumps of a lane's seq, and lanes that the exchange ended by an error, in this minute (not frames; in the row of market 0).
    pub breaks: u32,
    /// Copies whose skew was measured.
    pub skew_count: u32,
    /// Half of the copies came at most so much behind the first, rounded up to a power of two us.
    pub skew_p50_us: u64,
    /// 99 of 100 copies did.
    pub skew_p99_us: u64,
    /// The greatest skew, exact.
    pub skew_max_us: u64,
}

/// The counts behind one row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct Cell {
    gatherer: GathererIndex,
    sid: u32,
    minute: i64,
    fates: [u32; FATES],
    breaks: u32,
    skew: [u32; SKEW_BUCKETS],
    skew_max_us: u64,
}

impl Cell {
    pub(crate) fn new(gatherer: GathererIndex, sid: u32, minute: i64) -> Self {
        Self {
            gatherer,
            sid,
            minute,
            fates: [0; FATES],
            breaks: 0,
            skew: [0; SKEW_BUCKETS],
            skew_max_us: 0,
        }
    }

    pub(crate) fn gatherer(&self) -> GathererIndex {
        self.gatherer
    }

    pub(crate) fn minute(&self) -> i64 {
        self.minute
    }

    pub(crate) fn count(&mut self, fate: Fate) {
        self.fates[fate as usize] += 1;
    }

    pub(crate) fn broke(&mut self) {
        self.breaks += 1;
    }

    pub(crate) fn skew(&mut self, skew_us: u64) {
        let bucket = (u64::BITS - skew_us.leading_zeros()) as usize;
        self.skew[bucket.min(SKEW_BUCKETS - 1)] += 1;
        self.skew_max_us = self.skew_max_us.max(skew_us);
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.fates.iter_mut().zip(other.fates) {
            *mine += theirs;
        }
        for (mine, theirs) in self.skew.iter_mut().zip(other.skew) {
            *mine += theirs;
        }
        self.breaks += other.breaks;
        self.skew_max_us = self.skew_max_us.max(other.skew_max_us);
    }

    /// The upper end of the bucket below which `per_mille` of the copies lie.
    fn quantile(&self, per_mille: u64) -> u64 {
        let total: u64 = self.skew.iter().map(|&count| u64::from(count)).sum();
        let wanted = (total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, &count) in self.skew.iter().enumerate() {
            seen += u64::from(count);
            if count > 0 && seen >= wanted {
                return (1_u64 << bucket).min(self.skew_max_us);
            }
        }
        0
    }

    fn row(&self) -> LaneMinute {
        let of = |fate: Fate| self.fates[fate as usize];
        LaneMinute {
            gatherer: self.gatherer,
            sid: self.sid,
            minute: self.minute,
            frames: self.fates.iter().sum(),
            first_arrivals: of(Fate::First),
            copies: of(Fate::Copy),
            unverified: of(Fate::Unverified),
            snapshots: of(Fate::Snapshot),
            uncovered: of(Fate::Uncovered),
            late: of(Fate::Late),
            divergences: of(Fate::Divergence),
            quarantined: of(Fate::Quarantined),
            repeats: of(Fate::Repeat),
            control: of(Fate::Control),
            undecodable: of(Fate::Undecodable),
            breaks: self.breaks,
            skew_count: self.skew.iter().sum(),
            skew_p50_us: self.quantile(500),
            skew_p99_us: self.quantile(990),
            skew_max_us: self.skew_max_us,
        }
    }
}

/// Cells that are no longer the current minute of their market, until they are closed.
#[derive(Serialize, Deserialize, Clone, Default, Debug)]
pub(crate) struct Minutes {
    cells: BTreeMap<(i64, GathererIndex, u32), Cell>,
}

impl Minutes {
    /// Takes a cell in. Above `kept` cells a market's name is given up for the sum.
    pub(crate) fn put(&mut self, mut cell: Cell, kept: usize) {
        if self.cells.len() >= kept {
            cell.sid = 0;
        }
        let key = (cell.minute, cell.gatherer, cell.sid);
        match self.cells.get_mut(&key) {
            Some(held) => held.add(&cell),
            None => {
                self.cells.insert(key, cell);
            }
        }
    }

    /// The rows of every minute before `before_minute`, forgotten here.
    pub(crate) fn close(&mut self, before_minute: i64) -> Vec<LaneMinute> {
        let open = self.cells.split_off(&(before_minute, GathererIndex::default(), 0));
        let closed = std::mem::replace(&mut self.cells, open);
        closed.values().map(Cell::row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_sum_of_its_fates_and_quantiles_are_upper_ends() {
        let mut cell = Cell::new(GathererIndex(1), 7, 100);
        for skew in [0, 1, 2, 3, 900] {
            cell.count(Fate::Copy);
            cell.skew(skew);
        }
        cell.count(Fate::First);
        cell.broke();
        let row = cell.row();
        assert_eq!((row.frames, row.copies, row.first_arrivals, row.breaks), (6, 5, 1, 1));
        assert_eq!((row.skew_p50_us, row.skew_p99_us, row.skew_max_us), (4, 900, 900));
    }

    #[test]
    fn closing_takes_what_is_before_the_minute_and_rows_of_one_key_add_up() {
        let mut minutes = Minutes::default();
        for minute in [5, 6, 5] {
            let mut cell = Cell::new(GathererIndex(0), 1, minute);
            cell.count(Fate::Late);
            minutes.put(cell, 100);
        }
        let rows = minutes.close(6);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].minute, rows[0].frames, rows[0].late), (5, 2, 2));
        assert_eq!(minutes.close(i64::MAX).len(), 1);
    }

    #[test]
    fn too_many_cells_fold_into_the_nameless_market() {
        let mut minutes = Minutes::default();
        for sid in 1..=10 {
            let mut cell = Cell::new(GathererIndex(0), sid, 5);
            cell.count(Fate::Copy);
            minutes.put(cell, 4);
        }
        let rows = minutes.close(6);
        assert_eq!(rows.len(), 5);
        assert_eq!(rows.iter().map(|row| row.frames).sum::<u32>(), 10);
    }
}
