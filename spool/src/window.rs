//! A stretch of one segment held in memory: records are cut from it, and it is filled in large
//! blocks.

use std::io;

use crate::{
    files::{File, read_up_to},
    record::{self, Torn},
};

/// A thousand records of usual length with one system call.
const BLOCK_BYTES: usize = 256 * 1024;

/// What lies at the front of the window.
pub(crate) enum Front {
    /// A whole record with so many bytes of payload.
    Record { payload_bytes: usize },
    /// The limit: nothing more for now.
    End,
    /// No record of ours, or one that reaches over the limit.
    Bad { why: &'static str },
}

/// Bytes of a file from `at` on, as far as they are held.
pub(crate) struct Window {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// Place in the file of the byte at `from`.
    at: u64,
}

impl Window {
    pub(crate) fn new(at: u64) -> Self {
        Self { buffer: Vec::new(), from: 0, to: 0, at }
    }

    /// Place in the file of the front.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Drops what is held and continues at another place, perhaps of another file.
    pub(crate) fn restart(&mut self, at: u64) {
        (self.from, self.to, self.at) = (0, 0, at);
    }

    /// What is at the front; reads from the file, never beyond `limit`, which is a record's end.
    pub(crate) fn front(&mut self, file: &dyn File, limit: u64) -> io::Result<Front> {
        loop {
            if self.at >= limit {
                return Ok(Front::End);
            }
            let need = match record::decode(&self.buffer[self.from..self.to]) {
                Ok(payload) => return Ok(Front::Record { payload_bytes: payload.len() }),
                Err(Torn::Damaged { why }) => return Ok(Front::Bad { why }),
                Err(Torn::Incomplete { need }) => need,
            };
            if self.at + need as u64 > limit {
                return Ok(Front::Bad { why: "a record reaches over the end" });
            }
            if !self.fill(file, need, limit)? {
                return Ok(Front::Bad { why: "the file ends inside a record" });
            }
        }
    }

    /// Payload of the record that [`Self::advance`] has just stepped over.
    pub(crate) fn passed(&self, payload_bytes: usize) -> &[u8] {
        &self.buffer[self.from - payload_bytes..self.from]
    }

    /// Steps over the record at the front.
    pub(crate) fn advance(&mut self, payload_bytes: usize) {
        let size = record::size(payload_bytes);
        assert!(self.from + size <= self.to, "only a record that is held is stepped over");
        self.from += size;
        self.at += size as u64;
    }

    /// Makes at least `need` bytes held; `false` if the file ends before.
    fn fill(&mut self, file: &dyn File, need: usize, limit: u64) -> io::Result<bool> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let room = usize::try_from(limit - self.at).unwrap_or(usize::MAX);
        let wanted = need.max(BLOCK_BYTES.min(room));
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let into = &mut self.buffer[self.to..wanted];
        self.to += read_up_to(file, into, self.at + self.to as u64)?;
        Ok(self.to >= need)
    }
}
