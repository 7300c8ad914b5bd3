//! Which segments there are, shared by the writer, the readers and trim.

use std::path::{Path, PathBuf};

use crate::{
    Position, ReadError,
    segment::{self, HEADER_BYTES},
};

/// One segment on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) start: Position,
    /// Where the segment before it ended.
    pub(crate) previous: Position,
    /// Offset behind its last record; `None` while it is being written.
    pub(crate) end: Option<u64>,
}

impl Entry {
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        segment::path(dir, self.start)
    }

    /// Position behind its last record, if no more will come.
    pub(crate) fn end_position(&self) -> Option<Position> {
        Some(Position { incarnation: self.start.incarnation, offset: self.end? })
    }

    /// Bytes of a segment that is whole.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.end.map_or(HEADER_BYTES as u64, |end| segment::file_offset(self.start, end))
    }
}

/// The segments in order; never empty, and the last one is being written.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
}

impl Table {
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        assert!(entries.last().is_some_and(|live| live.end.is_none()), "the last one is live");
        Self { entries }
    }

    pub(crate) fn oldest(&self) -> Entry {
        *self.entries.first().expect("a log has a segment")
    }

    /// Ends the segment being written at `end` and begins the next one there.
    pub(crate) fn rotate(&mut self, end: u64) {
        let live = self.entries.last_mut().expect("a log has a segment");
        live.end = Some(end);
        let start = Position { incarnation: live.start.incarnation, offset: end };
        self.entries.push(Entry { start, previous: start, end: None });
    }

    /// What is known now of the segment that starts there; `None` if it was trimmed.
    pub(crate) fn find(&self, start: Position) -> Option<Entry> {
        let at = self.entries.binary_search_by_key(&start, |entry| entry.start).ok()?;
        Some(self.entries[at])
    }

    /// The segment that follows the one that starts at `start` and ended at `end`.
    pub(crate) fn after(&self, start: Position, end: Position) -> Result<Option<Entry>, ReadError> {
        let at = self.entries.partition_point(|entry| entry.start <= start);
        match self.entries.get(at) {
            Some(next) if next.previous == end => Ok(Some(*next)),
            Some(_) => Err(ReadError::Trimmed { oldest: self.oldest().start }),
            None => Ok(None),
        }
    }

    /// The segment to read on from `position` in, and the offset in it.
    ///
    /// A position at or behind the end of an incarnation continues with the next one: what a crash
    /// took from behind the end was never durable.
    pub(crate) fn locate(&self, position: Position) -> Result<(Entry, u64), ReadError> {
        let oldest = self.oldest();
        let at = self.entries.partition_point(|entry| entry.start <= position);
        let Some(entry) = at.checked_sub(1).map(|at| self.entries[at]) else {
            return if position >= oldest.previous {
                Ok((oldest, oldest.start.offset))
            } else {
                Err(ReadError::Trimmed { oldest: oldest.start })
            };
        };
        let within = entry.start.incarnation == position.incarnation
            && entry.end.is_none_or(|end| position.offset < end);
        match self.entries.get(at) {
            Some(next) if !within => Ok((*next, next.start.offset)),
            _ => Ok((entry, position.offset)),
        }
    }

    /// How many whole segments lie below `before`, with something durable behind each: so the one
    /// that becomes the oldest has been begun durably, and never is the live one taken.
    pub(crate) fn whole_below(&self, before: Position, durable: Position) -> usize {
        let below =
            |entry: &Entry| entry.end_position().is_some_and(|end| end <= before && end < durable);
        self.entries.iter().take_while(|entry| below(entry)).count()
    }

    /// Start of the segment that is the oldest once `count` are taken.
    pub(crate) fn start_after(&self, count: usize) -> Position {
        self.entries[count].start
    }

    /// Takes the oldest `count` out.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Entry> {
        assert!(count < self.entries.len(), "the segment being written stays");
        self.entries.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(incarnation: u32, offset: u64) -> Position {
        Position { incarnation, offset }
    }

    /// Incarnation 2 was trimmed up to 50, 3 wrote nothing, 4 is being written.
    fn table() -> Table {
        let entry = |start, previous, end| Entry { start, previous, end };
        Table::new(vec![
            entry(at(2, 50), at(2, 50), Some(90)),
            entry(at(2, 90), at(2, 90), Some(120)),
            entry(at(3, 0), at(2, 120), Some(0)),
            entry(at(4, 0), at(3, 0), None),
        ])
    }

    #[test]
    fn a_position_continues_where_the_next_record_is() {
        let rows = [
            (at(2, 50), at(2, 50), 50),
            (at(2, 60), at(2, 50), 60),
            (at(2, 90), at(2, 90), 90),
            (at(2, 120), at(3, 0), 0),
            (at(2, 500), at(3, 0), 0),
            (at(3, 0), at(4, 0), 0),
            (at(3, 7), at(4, 0), 0),
            (at(4, 30), at(4, 0), 30),
        ];
        for (position, segment, offset) in rows {
            let (entry, found) = table().locate(position).expect("not trimmed");
            assert_eq!((entry.start, found), (segment, offset), "{position}");
        }
    }

    #[test]
    fn a_position_below_the_oldest_is_trimmed_unless_nothing_lies_between() {
        assert!(matches!(
            table().locate(at(2, 49)),
            Err(ReadError::Trimmed { oldest }) if oldest == at(2, 50)
        ));
        let mut table = table();
        assert_eq!(table.take(2).len(), 2);
        assert!(table.locate(at(2, 119)).is_err());
        assert_eq!(table.locate(at(2, 120)).expect("all read").0.start, at(3, 0));
    }

    #[test]
    fn only_whole_segments_are_below() {
        let rows = [(at(2, 89), 0), (at(2, 90), 1), (at(2, 119), 1), (at(3, 0), 3), (at(9, 9), 3)];
        for (before, count) in rows {
            assert_eq!(table().whole_below(before, at(4, 0)), count, "{before}");
        }
        assert_eq!(table().whole_below(at(9, 9), at(2, 120)), 1, "nothing durable behind 2:120");
    }
}
