//! Reads records in order, over segments and incarnations, and follows the end of a live log.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use crate::{
    Position, ReadError,
    error::{Damage, IoFailure},
    files::{File, read_up_to},
    segment::{self, BadHeader, HEADER_BYTES, Header},
    shared::{Shared, locked},
    table::Entry,
    window::{Front, Window},
};

/// How far a reader goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upto {
    /// To what was handed to the operating system: a power loss may still take it.
    Written,
    /// To what survives a power loss.
    Durable,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Where it begins.
    pub at: Position,
    /// Behind it.
    pub next: Position,
    /// What was appended.
    pub payload: &'a [u8],
}

/// Reads a log from a position on.
pub struct Reader {
    shared: Arc<Shared>,
    entry: Entry,
    file: Arc<dyn File>,
    path: PathBuf,
    window: Window,
    /// The segment being written is known to reach at least to this offset.
    known: u64,
    /// Whether a record was found where the caller wanted to begin.
    found: bool,
}

impl Reader {
    pub(crate) fn open(shared: Arc<Shared>, position: Position) -> Result<Self, ReadError> {
        let (entry, offset) = locked(&shared.table).locate(position)?;
        let (file, path) = open_segment(&shared, entry)?;
        let window = Window::new(segment::file_offset(entry.start, offset));
        Ok(Self { shared, entry, file, path, window, known: entry.start.offset, found: false })
    }

    /// The next record; `None` if there is nothing more for now: call again later.
    ///
    /// After an error the reader stays where it was.
    pub fn next(&mut self, upto: Upto) -> Result<Option<Record<'_>>, ReadError> {
        let payload_bytes = loop {
            let limit = self.limit(upto);
            let front = self.window.front(&*self.file, limit).map_err(|source| self.failed(source));
            match front? {
                Front::Record { payload_bytes } => break payload_bytes,
                Front::End if self.step()? => {}
                Front::End => return Ok(None),
                Front::Bad { why } => return Err(self.bad(why)),
            }
        };
        self.found = true;
        let at = self.position();
        self.window.advance(payload_bytes);
        let next = self.position();
        Ok(Some(Record { at, next, payload: self.window.passed(payload_bytes) }))
    }

    /// Behind the last record that was returned: where a new reader would continue.
    pub fn position(&self) -> Position {
        Position {
            incarnation: self.entry.start.incarnation,
            offset: self.entry.start.offset + (self.window.at() - HEADER_BYTES as u64),
        }
    }

    /// Place in the file up to which records may be read now.
    fn limit(&mut self, upto: Upto) -> u64 {
        let start = self.entry.start;
        let visible = match (start.incarnation == self.shared.incarnation, upto) {
            (false, _) => u64::MAX,
            (true, Upto::Written) => self.shared.written(),
            (true, Upto::Durable) => self.shared.durable(),
        };
        if self.entry.end.is_none() && visible > self.known {
            // The visible position may lie in a later segment: whether this one ended is in the
            // table before any such position is published.
            match locked(&self.shared.table).find(start) {
                Some(entry) => self.entry = entry,
                // Trimmed while we were reading it: only ended segments are.
                None => self.entry.end = Some(self.known),
            }
            self.known = self.entry.end.unwrap_or(visible);
        }
        let offset = visible.min(self.entry.end.unwrap_or(visible));
        segment::file_offset(start, offset.max(start.offset))
    }

    /// Goes on to the next segment if this one has been read to its end.
    fn step(&mut self) -> Result<bool, ReadError> {
        let Some(end) = self.entry.end_position() else {
            return Ok(false);
        };
        if self.position() < end {
            return Ok(false);
        }
        let Some(next) = locked(&self.shared.table).after(self.entry.start, end)? else {
            return Ok(false);
        };
        let (file, path) = open_segment(&self.shared, next)?;
        (self.entry, self.file, self.path) = (next, file, path);
        self.known = next.start.offset;
        self.window.restart(HEADER_BYTES as u64);
        self.found = true;
        Ok(true)
    }

    /// Damage, unless the caller began in the middle of a record.
    fn bad(&self, why: &'static str) -> ReadError {
        let offset = self.window.at();
        if !self.found {
            let position = self.position();
            let mut walk = Window::new(HEADER_BYTES as u64);
            while walk.at() < offset {
                match walk.front(&*self.file, u64::MAX) {
                    Ok(Front::Record { payload_bytes }) => walk.advance(payload_bytes),
                    _ => break,
                }
            }
            if walk.at() > offset {
                return ReadError::NotARecord { position };
            }
        }
        Damage { file: self.path.clone(), offset, why }.into()
    }

    fn failed(&self, source: io::Error) -> ReadError {
        IoFailure::new("read", &self.path, source).into()
    }
}

fn open_segment(shared: &Shared, entry: Entry) -> Result<(Arc<dyn File>, PathBuf), ReadError> {
    let path = entry.path(&shared.dir);
    let file = match shared.files.open(&path) {
        Ok(file) => file,
        Err(error) => {
            let table = locked(&shared.table);
            return Err(match table.find(entry.start) {
                None => ReadError::Trimmed { oldest: table.oldest().start },
                Some(_) => IoFailure::new("open", path, error).into(),
            });
        }
    };
    check_header(&*file, &path, entry)?;
    Ok((file, path))
}

/// The file may have been changed since the log was opened.
fn check_header(file: &dyn File, path: &Path, entry: Entry) -> Result<(), ReadError> {
    let mut header = [0; HEADER_BYTES];
    let filled =
        read_up_to(file, &mut header, 0).map_err(|source| IoFailure::new("read", path, source))?;
    let why = match Header::decode(&header[..filled]) {
        Ok(header) if (header.start, header.previous) == (entry.start, entry.previous) => {
            return Ok(());
        }
        Err(BadHeader::Damaged { why }) => why,
        Ok(_) | Err(BadHeader::TooNew { .. }) => "the segment is not the one that was opened",
    };
    Err(Damage { file: path.to_owned(), offset: 0, why }.into())
}
