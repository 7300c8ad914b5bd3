//! Decides where the log ends after a crash, and what is damage.
//!
//! The rule is one line: **what lies below the durable mark must be whole, what lies above it may be
//! anything.** After a power loss the pages above the last fsync reach the disk in any order or not
//! at all, so a hole with good records behind it is no damage there, and a bad record with nothing
//! behind it is damage below. The bytes alone cannot tell; the mark can. It is the later of
//! - the durable position in the ledger, which is written after every fsync (`ledger.rs`: exact
//!   after a killed process, at most about a second late after a power loss), and
//! - the start of the newest incarnation, whose first segment is created only after everything
//!   before it was synced.
//!
//! So the log is read from the segment that holds the mark. The first byte that is not a record
//! ends it: below the mark that is [`Damage`], and nothing is changed on disk; above, the rest is
//! cut off and reported. Older segments are not read here, only their headers and lengths, which
//! must make an unbroken chain; a flipped byte in them is found by the checksum when it is read.
//!
//! What is kept from above the mark is written once more before it is synced: if an fsync failed
//! before the crash, the system may hold pages as clean that never reached the disk.

use std::path::{Path, PathBuf};

use crate::{
    Position,
    error::{Damage, IoFailure, OpenError},
    files::{Files, read_up_to},
    ledger::{Ledger, Marks},
    segment::{self, BadHeader, HEADER_BYTES, Header, VERSION},
    table::Entry,
    window::{Front, Window},
};

/// What was cut off behind the last whole record; none of it was ever durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Where the cut begins.
    pub file: PathBuf,
    /// Byte in that file.
    pub offset: u64,
    /// Bytes cut, in this file and in later ones.
    pub bytes: u64,
}

/// A segment as it was found.
pub(crate) struct Found {
    start: Position,
    path: PathBuf,
    bytes: u64,
    /// What its header says, or what is wrong with it.
    header: Result<Header, &'static str>,
}

impl Found {
    fn end(&self) -> Position {
        let records = self.bytes.saturating_sub(HEADER_BYTES as u64);
        Position { offset: self.start.offset + records, ..self.start }
    }

    fn damaged(&self, offset: u64, why: &'static str) -> OpenError {
        Damage { file: self.path.clone(), offset, why }.into()
    }
}

/// Where the log ends.
struct Ending {
    /// Segments that stay.
    keep: usize,
    /// Where the last of them ends.
    end: Position,
    records: u64,
    cut: Option<Cut>,
}

/// A log that is whole again.
pub(crate) struct Whole {
    pub(crate) entries: Vec<Entry>,
    pub(crate) ledger: Ledger,
    pub(crate) records: u64,
    pub(crate) cut: Option<Cut>,
    pub(crate) end: Position,
    /// No file and no mark has it yet.
    pub(crate) incarnation: u32,
}

/// Looks first and changes nothing if anything is damaged; then cuts and syncs.
pub(crate) fn recover(files: &dyn Files, dir: &Path) -> Result<Whole, OpenError> {
    let mut found = list(files, dir)?;
    let ledger = match Ledger::load(files, dir)? {
        Some(ledger) => ledger,
        None if found.is_empty() => Ledger::create(files, dir)?,
        None => {
            let why = "it is missing, and there are segments";
            return Err(Damage { file: Ledger::path(dir), offset: 0, why }.into());
        }
    };
    let Marks { durable, oldest } = ledger.marks();
    let newest = found.iter().map(|segment| segment.start).max().unwrap_or(Position::ZERO);
    let incarnation = newest.incarnation.max(durable.incarnation) + 1;
    let trimmed = found.partition_point(|segment| segment.start < oldest);
    let kept = found.split_off(trimmed);
    let trimmed = found;
    let floor = floor(&kept, durable);
    check_headers(&kept, floor)?;
    check_chain(dir, &kept, floor, oldest)?;
    let ending = find_end(files, dir, &kept, floor)?;
    let mut whole = Whole {
        entries: entries(&kept[..ending.keep], ending.end),
        ledger,
        records: ending.records,
        cut: ending.cut,
        end: ending.end,
        incarnation,
    };
    whole.ledger.resync()?;
    mend(files, dir, &trimmed, &kept, &whole, floor)?;
    failpoint::hit("spool.recovering");
    whole.ledger.write_synced(Marks { durable: whole.end, oldest })?;
    Ok(whole)
}

/// All segments by position, with their headers.
fn list(files: &dyn Files, dir: &Path) -> Result<Vec<Found>, OpenError> {
    let paths = files.list(dir).map_err(|source| IoFailure::new("list", dir, source))?;
    let mut found = Vec::new();
    for path in paths {
        let Some(start) = segment::start_of(&path)? else { continue };
        found.push(look(files, path, start)?);
    }
    found.sort_by_key(|segment| segment.start);
    Ok(found)
}

fn look(files: &dyn Files, path: PathBuf, start: Position) -> Result<Found, OpenError> {
    let failed = |source| IoFailure::new("read", &path, source);
    let file = files.open(&path).map_err(failed)?;
    let bytes = file.len().map_err(failed)?;
    let mut header = [0; HEADER_BYTES];
    let filled = read_up_to(&*file, &mut header, 0).map_err(failed)?;
    let header = match Header::decode(&header[..filled]) {
        Ok(header) if header.start == start => Ok(header),
        Ok(_) => Err("the segment header does not belong to the file's name"),
        Err(BadHeader::Damaged { why }) => Err(why),
        Err(BadHeader::TooNew { found }) => {
            return Err(OpenError::TooNew { path, found, newest: VERSION });
        }
    };
    Ok(Found { start, path, bytes, header })
}

/// The durable mark.
fn floor(kept: &[Found], durable: Position) -> Position {
    let good = kept.iter().rev().find(|segment| segment.header.is_ok());
    let newest = good.map_or(0, |segment| segment.start.incarnation);
    durable.max(Position { incarnation: newest, offset: 0 })
}

/// Whether the mark proves that the segment was begun durably. One that begins at the mark itself
/// may have been begun after the last fsync, but not the first of an incarnation: that is synced
/// before any mark lies in it.
fn is_reached(segment: &Found, floor: Position) -> bool {
    segment.start < floor || segment.start == floor && floor.offset == 0
}

fn check_headers(kept: &[Found], floor: Position) -> Result<(), OpenError> {
    for segment in kept.iter().filter(|segment| is_reached(segment, floor)) {
        if let Err(why) = segment.header {
            return Err(segment.damaged(0, why));
        }
    }
    Ok(())
}

/// Every segment that ends below the mark must end where the next one says, and the first must be
/// the one that the ledger names.
fn check_chain(
    dir: &Path,
    kept: &[Found],
    floor: Position,
    oldest: Position,
) -> Result<(), OpenError> {
    let begins = match kept.first() {
        None => oldest == Position::ZERO && floor == Position::ZERO,
        Some(first) if oldest == Position::ZERO => {
            first.header.is_err() || first.header.is_ok_and(|header| header.previous == oldest)
        }
        Some(first) => first.start == oldest,
    };
    if !begins {
        let file = kept.first().map_or(segment::path(dir, oldest), |first| first.path.clone());
        let why = "the segment before it, or it itself, is missing";
        return Err(Damage { file, offset: 0, why }.into());
    }
    for pair in kept.windows(2) {
        let [segment, next] = pair else { continue };
        if next.start > floor {
            break;
        }
        if next.header.is_ok_and(|header| header.previous != segment.end()) {
            let why = "its length is not what the next segment says, or one between is missing";
            return Err(segment.damaged(segment.bytes, why));
        }
    }
    Ok(())
}

/// Reads from the segment that holds the mark to the last record that follows unbroken.
fn find_end(
    files: &dyn Files,
    dir: &Path,
    kept: &[Found],
    floor: Position,
) -> Result<Ending, OpenError> {
    let mut ending = Ending { keep: 0, end: Position::ZERO, records: 0, cut: None };
    let first = kept.iter().rposition(|segment| is_reached(segment, floor)).unwrap_or(0);
    ending.keep = first;
    for (at, segment) in kept.iter().enumerate().skip(first) {
        let follows =
            at == first || segment.header.is_ok_and(|header| header.previous == ending.end);
        if !follows || segment.header.is_err() {
            ending.cut = Some(cut(kept, at, 0));
            break;
        }
        let (records, stop, why) = scan(files, segment)?;
        ending.records += records;
        ending.keep = at + 1;
        ending.end.incarnation = segment.start.incarnation;
        ending.end.offset = segment.start.offset + (stop - HEADER_BYTES as u64);
        if let Some(why) = why {
            if ending.end < floor {
                return Err(segment.damaged(stop, why));
            }
            ending.cut = Some(cut(kept, at, stop));
            break;
        }
    }
    if ending.end < floor {
        let (file, offset) = match ending.keep.checked_sub(1).and_then(|last| kept.get(last)) {
            Some(last) => (last.path.clone(), last.bytes),
            None => (segment::path(dir, Position { offset: 0, ..floor }), 0),
        };
        let why = "the log ends here, and more was durable";
        return Err(Damage { file, offset, why }.into());
    }
    Ok(ending)
}

/// Counts the records of a segment: how many, where they stop, and why if not at the file's end.
fn scan(files: &dyn Files, segment: &Found) -> Result<(u64, u64, Option<&'static str>), OpenError> {
    let failed = |source| IoFailure::new("read", &segment.path, source);
    let file = files.open(&segment.path).map_err(failed)?;
    let mut window = Window::new(HEADER_BYTES as u64);
    let mut records = 0;
    loop {
        match window.front(&*file, segment.bytes).map_err(failed)? {
            Front::Record { payload_bytes } => window.advance(payload_bytes),
            Front::End => return Ok((records, window.at(), None)),
            Front::Bad { why } => return Ok((records, window.at(), Some(why))),
        }
        records += 1;
    }
}

fn cut(kept: &[Found], at: usize, offset: u64) -> Cut {
    let bytes = kept[at..].iter().map(|segment| segment.bytes).sum::<u64>() - offset;
    Cut { file: kept[at].path.clone(), offset, bytes }
}

fn entries(kept: &[Found], end: Position) -> Vec<Entry> {
    let last = kept.last().map(|segment| segment.start);
    kept.iter()
        .map(|segment| Entry {
            start: segment.start,
            previous: segment.header.expect("a segment that stays has a good header").previous,
            end: Some(if Some(segment.start) == last { end } else { segment.end() }.offset),
        })
        .collect()
}

/// Finishes a trim, cuts, and makes durable what stays.
fn mend(
    files: &dyn Files,
    dir: &Path,
    trimmed: &[Found],
    kept: &[Found],
    whole: &Whole,
    floor: Position,
) -> Result<(), IoFailure> {
    // Newest first, so that what is left after a crash here is cut again.
    for gone in trimmed.iter().chain(kept[whole.entries.len()..].iter().rev()) {
        files.remove(&gone.path).map_err(|error| IoFailure::new("delete", &gone.path, error))?;
    }
    for entry in &whole.entries {
        let end = entry.end_position().expect("a recovered segment has an end");
        if end > floor || end == whole.end {
            let from = match entry.start < floor {
                true => segment::file_offset(entry.start, floor.offset.min(end.offset)),
                false => 0,
            };
            settle(files, &entry.path(dir), from, entry.file_bytes())?;
        }
    }
    files.sync_dir(dir).map_err(|source| IoFailure::new("sync", dir, source))
}

/// Cuts a segment to its length, writes what lies behind `from` once more, and syncs it.
fn settle(files: &dyn Files, path: &Path, from: u64, bytes: u64) -> Result<(), IoFailure> {
    let failed = |source| IoFailure::new("mend", path, source);
    let file = files.open(path).map_err(failed)?;
    if file.len().map_err(failed)? > bytes {
        file.set_len(bytes).map_err(failed)?;
    }
    let mut block = vec![0; 1024 * 1024];
    let mut at = from;
    while at < bytes {
        let wanted = block.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        let read = read_up_to(&*file, &mut block[..wanted], at).map_err(failed)?;
        if read == 0 {
            break;
        }
        file.write_all_at(&block[..read], at).map_err(failed)?;
        at += read as u64;
    }
    file.sync_data().map_err(failed)
}
