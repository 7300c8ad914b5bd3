//! The accounts of a checkpoint: the rows of the minutes it closed, one a key, under its number.

use std::collections::BTreeMap;

use merge::{LaneMinute, LaneMinutesRecord, Record};

use crate::checkpoint::Head;

/// Rows stored under the numbers of checkpoints that could not be read any more.
///
/// The checkpoints that follow have these numbers again and count the same frames again, but they
/// may close other minutes: what is stored must be replaced key by key, or it is counted twice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Superseded(BTreeMap<u64, Vec<LaneMinute>>);

impl Superseded {
    /// Accounts found in the journal behind the checkpoint that was loaded.
    pub(crate) fn note(&mut self, found: &LaneMinutesRecord) {
        let nothing = |row: &LaneMinute| LaneMinute {
            gatherer: row.gatherer,
            sid: row.sid,
            minute: row.minute,
            ..LaneMinute::default()
        };
        self.0.entry(found.checkpoint).or_default().extend(found.rows.iter().map(nothing));
    }

    /// The rows of a checkpoint, one a key: those closed with it, and nothings in the place of what
    /// is stored under its number and is not among them.
    pub(super) fn replace(&mut self, number: u64, closed: Vec<LaneMinute>) -> Vec<LaneMinute> {
        let mut rows = closed;
        rows.extend(self.0.remove(&number).unwrap_or_default());
        folded(rows)
    }
}

/// The record of a checkpoint's accounts, if there are any.
pub(crate) fn accounts(head: &Head) -> Option<Record> {
    if head.rows.is_empty() {
        return None;
    }
    let record = LaneMinutesRecord { checkpoint: head.number, rows: head.rows.clone() };
    Some(Record::LaneMinutes(Box::new(record)))
}

/// One row a (gatherer, market, minute): the table's key within a checkpoint.
fn folded(mut rows: Vec<LaneMinute>) -> Vec<LaneMinute> {
    rows.sort_by_key(|row| (row.gatherer, row.sid, row.minute));
    let mut out: Vec<LaneMinute> = Vec::with_capacity(rows.len());
    for row in rows {
        match out.last_mut() {
            Some(last)
                if (last.gatherer, last.sid, last.minute)
                    == (row.gatherer, row.sid, row.minute) =>
            {
                add(last, &row);
            }
            _ => out.push(row),
        }
    }
    out
}

/// Quantiles do not add up: the worse stands.
fn add(into: &mut LaneMinute, row: &LaneMinute) {
    for (into, row) in [
        (&mut into.frames, row.frames),
        (&mut into.first_arrivals, row.first_arrivals),
        (&mut into.copies, row.copies),
        (&mut into.unverified, row.unverified),
        (&mut into.snapshots, row.snapshots),
        (&mut into.uncovered, row.uncovered),
        (&mut into.late, row.late),
        (&mut into.divergences, row.divergences),
        (&mut into.quarantined, row.quarantined),
        (&mut into.repeats, row.repeats),
        (&mut into.control, row.control),
        (&mut into.undecodable, row.undecodable),
        (&mut into.breaks, row.breaks),
        (&mut into.skew_count, row.skew_count),
    ] {
        *into += row;
    }
    into.skew_p50_us = into.skew_p50_us.max(row.skew_p50_us);
    into.skew_p99_us = into.skew_p99_us.max(row.skew_p99_us);
    into.skew_max_us = into.skew_max_us.max(row.skew_max_us);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_key_add_up() {
        let row = |sid, frames, skew| LaneMinute {
            sid,
            frames,
            copies: frames,
            skew_max_us: skew,
            ..LaneMinute::default()
        };
        let folded = folded(vec![row(1, 2, 9), row(2, 5, 1), row(1, 3, 4)]);
        assert_eq!(folded, [row(1, 5, 9), row(2, 5, 1)]);
    }

    #[test]
    fn what_an_unreadable_checkpoint_had_stored_is_replaced_under_its_number_only() {
        let row = |sid, frames| LaneMinute { sid, minute: 7, frames, ..LaneMinute::default() };
        let mut superseded = Superseded::default();
        superseded.note(&LaneMinutesRecord { checkpoint: 5, rows: vec![row(1, 50), row(2, 6)] });
        assert_eq!(superseded.replace(4, vec![row(1, 9)]), [row(1, 9)]);
        let stored = superseded.replace(5, vec![row(2, 8), row(3, 4)]);
        assert_eq!(stored, [row(1, 0), row(2, 8), row(3, 4)]);
        assert_eq!(superseded.replace(6, vec![row(1, 50)]), [row(1, 50)]);
    }
}
