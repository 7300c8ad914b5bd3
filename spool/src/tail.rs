//! The end of the log: the buffer of accepted records, and the segment they go to.
//!
//! A record is accepted when it is in the buffer. A write that fails for want of room leaves the
//! buffer as it is and is tried again; any other failed write ends the log.

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use crate::{
    AppendError, Options, Position,
    error::IoFailure,
    files::{File, Files, is_full},
    record,
    segment::{self, HEADER_BYTES, Header},
    shared::{Shared, locked},
};

/// A thousand records of usual length with one system call.
const BUFFER_BYTES: usize = 256 * 1024;

/// Segments that hold bytes which no fsync has covered.
pub(crate) struct Unsynced {
    files: Vec<(Arc<dyn File>, PathBuf)>,
    dir: bool,
    /// What becomes durable with them.
    pub(crate) upto: u64,
}

/// The end of the log.
pub(crate) struct Tail {
    file: Arc<dyn File>,
    path: PathBuf,
    start: Position,
    segment_bytes: u64,
    quota: u64,
    buffer: Vec<u8>,
    /// Offset behind the last accepted record.
    next: u64,
    /// Segments that were ended since the last fsync.
    ended: Vec<(Arc<dyn File>, PathBuf)>,
    /// The last write found no room: the next append tries it first.
    stalled: bool,
}

impl Tail {
    pub(crate) fn new(file: Arc<dyn File>, dir: &Path, start: Position, options: &Options) -> Self {
        Self {
            file,
            path: segment::path(dir, start),
            start,
            segment_bytes: options.effective_segment_bytes(),
            quota: options.quota_bytes.unwrap_or(u64::MAX),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            next: start.offset,
            ended: Vec::new(),
            stalled: false,
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Accepts one record; `length` is the sum of the parts. Returns the offset behind it.
    pub(crate) fn append(
        &mut self,
        shared: &Shared,
        parts: &[&[u8]],
        length: u32,
    ) -> Result<u64, AppendError> {
        let size = record::size(length as usize);
        let used = segment::file_offset(self.start, self.next);
        let rotate =
            used > HEADER_BYTES as u64 && used.saturating_add(size as u64) > self.segment_bytes;
        let grows = size as u64 + if rotate { HEADER_BYTES as u64 } else { 0 };
        let on_disk = shared.on_disk.load(Ordering::Relaxed);
        if on_disk.saturating_add(grows) > self.quota {
            return Err(AppendError::QuotaExceeded { on_disk, quota: self.quota });
        }
        if rotate || self.stalled || self.buffer.len() + size > BUFFER_BYTES {
            self.flush(shared)?;
        }
        if rotate {
            self.rotate(shared)?;
        }
        record::encode(parts, length, &mut self.buffer);
        self.next += size as u64;
        shared.on_disk.fetch_add(size as u64, Ordering::Relaxed);
        Ok(self.next)
    }

    /// Hands the buffer to the operating system.
    pub(crate) fn flush(&mut self, shared: &Shared) -> Result<(), AppendError> {
        shared.check_poison()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let at = segment::file_offset(self.start, shared.written());
        let written = failpoint::fails("spool.write");
        match written.and_then(|()| self.file.write_all_at(&self.buffer, at)) {
            Ok(()) => {
                self.buffer.clear();
                // One huge record must not keep its memory for ever.
                self.buffer.shrink_to(BUFFER_BYTES);
                self.stalled = false;
                shared.set_written(self.next);
                Ok(())
            }
            Err(error) if is_full(&error) => Err(self.stall(shared, at, error)),
            Err(error) => {
                Err(shared.poison(format!("cannot write {}: {error}", self.path.display())))
            }
        }
    }

    /// Takes back what a write without room left behind.
    fn stall(&mut self, shared: &Shared, at: u64, error: io::Error) -> AppendError {
        self.stalled = true;
        match self.file.set_len(at) {
            Ok(()) => AppendError::DiskFull { path: self.path.clone(), source: error },
            Err(cut) => shared.poison(format!(
                "cannot cut a half-written record from {} at byte {at}: {cut}",
                self.path.display()
            )),
        }
    }

    /// Begins a new segment at the end of this one, whose bytes are all written.
    fn rotate(&mut self, shared: &Shared) -> Result<(), AppendError> {
        let start = shared.at(self.next);
        let header = Header { start, previous: start };
        let path = segment::path(&shared.dir, start);
        let file = create(&*shared.files, &path, header).map_err(|failed| {
            let Unfinished { source, removed } = failed;
            match removed {
                true if is_full(&source) => AppendError::DiskFull { path: path.clone(), source },
                true => IoFailure::new("begin the segment", &path, source).into(),
                // Records that went on in this segment would make the stray file look like damage.
                false => {
                    shared.poison(format!("cannot begin or remove {}: {source}", path.display()))
                }
            }
        })?;
        let ended = (mem::replace(&mut self.file, file), mem::replace(&mut self.path, path));
        self.ended.push(ended);
        self.start = start;
        // Readers look here before they go by a written position that lies in the new segment.
        locked(&shared.table).rotate(start.offset);
        shared.on_disk.fetch_add(HEADER_BYTES as u64, Ordering::Relaxed);
        Ok(())
    }

    /// What has to be synced for all that is written to be durable; `None` if it is.
    pub(crate) fn take_unsynced(&mut self, shared: &Shared) -> Option<Unsynced> {
        let upto = shared.written();
        if upto == shared.durable() {
            return None;
        }
        let dir = !self.ended.is_empty();
        let mut files = mem::take(&mut self.ended);
        files.push((Arc::clone(&self.file), self.path.clone()));
        Some(Unsynced { files, dir, upto })
    }
}

impl Unsynced {
    /// One fsync for each segment, in order, and one for the folder if segments were begun.
    pub(crate) fn sync(&self, files: &dyn Files, dir: &Path) -> Result<(), String> {
        for (file, path) in &self.files {
            failpoint::fails("spool.sync")
                .and_then(|()| file.sync_data())
                .map_err(|error| format!("cannot sync {}: {error}", path.display()))?;
        }
        if self.dir {
            files
                .sync_dir(dir)
                .map_err(|error| format!("cannot sync {}: {error}", dir.display()))?;
        }
        Ok(())
    }
}

/// Creates a segment with its header; what cannot be finished is removed.
pub(crate) fn create(
    files: &dyn Files,
    path: &Path,
    header: Header,
) -> Result<Arc<dyn File>, Unfinished> {
    let file = files.create_new(path).map_err(|source| Unfinished { source, removed: true })?;
    match file.write_all_at(&header.encode(), 0) {
        Ok(()) => Ok(file),
        Err(source) => {
            let dir = path.parent().unwrap_or(Path::new("."));
            let removed = files.remove(path).and_then(|()| files.sync_dir(dir)).is_ok();
            Err(Unfinished { source, removed })
        }
    }
}

/// A segment that could not be created.
pub(crate) struct Unfinished {
    pub(crate) source: io::Error,
    /// Whether the folder is as it was.
    removed: bool,
}
