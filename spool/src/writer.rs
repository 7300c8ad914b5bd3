//! The one owner of the log's end.

use std::sync::Arc;

use crate::{
    AppendError, Position,
    committer::{self, Committer},
    files::Lock,
    record::PAYLOAD_BYTES_MAX,
    shared::{Shared, locked},
};

/// Where a record lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its beginning.
    pub at: Position,
    /// Behind it: where the next record of this incarnation begins.
    pub next: Position,
}

/// Appends records. Dropping it commits what was appended and lets go of the folder.
pub struct Writer {
    shared: Arc<Shared>,
    committer: Option<Committer>,
    record_bytes_max: usize,
    next: u64,
    /// Held for its drop.
    _lock: Lock,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, lock: Lock, record_bytes_max: usize) -> Self {
        let next = locked(&shared.tail).next();
        let record_bytes_max = record_bytes_max.min(PAYLOAD_BYTES_MAX);
        Self { shared, committer: None, record_bytes_max, next, _lock: lock }
    }

    pub(crate) fn commit_by(&mut self, committer: Committer) {
        self.committer = Some(committer);
    }

    /// Accepts a record: it is readable ([`crate::Upto::Written`]) and on its way to the disk after
    /// the next commit tick at the latest, sooner when the buffer is full.
    pub fn append(&mut self, payload: &[u8]) -> Result<Span, AppendError> {
        self.append_parts(&[payload])
    }

    /// The same with a payload that lies in several pieces.
    pub fn append_parts(&mut self, parts: &[&[u8]]) -> Result<Span, AppendError> {
        let bytes = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let length = match u32::try_from(bytes) {
            Ok(length) if bytes <= self.record_bytes_max => length,
            _ => return Err(AppendError::TooLong { bytes, max: self.record_bytes_max }),
        };
        self.shared.check_poison()?;
        let appended = locked(&self.shared.tail).append(&self.shared, parts, length);
        let next = self.told(appended)?;
        let at = std::mem::replace(&mut self.next, next);
        Ok(Span { at: self.shared.at(at), next: self.shared.at(next) })
    }

    /// Hands what is buffered to the operating system, where it survives a killed process, and
    /// returns the written position.
    pub fn flush(&mut self) -> Result<Position, AppendError> {
        let flushed = locked(&self.shared.tail).flush(&self.shared);
        self.told(flushed)?;
        Ok(self.shared.at(self.shared.written()))
    }

    /// Makes everything appended so far survive a power loss, now, and returns that position.
    pub fn commit(&mut self) -> Result<Position, AppendError> {
        committer::commit(&self.shared)
    }

    /// Where the next record will begin.
    pub fn next(&self) -> Position {
        self.shared.at(self.next)
    }

    /// A failure for good is told to those who wait, outside of the locks.
    fn told<T>(&self, result: Result<T, AppendError>) -> Result<T, AppendError> {
        if let Err(AppendError::Poisoned { .. }) = result {
            self.shared.announce();
        }
        result
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(committer) = self.committer.take() {
            committer.stop();
        }
        committer::close(&self.shared);
    }
}
