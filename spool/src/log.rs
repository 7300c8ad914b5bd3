//! The cheap handle: how far the log is, reading from it and trimming it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    Position, ReadError, Reader, TrimError, TrimReport,
    shared::{Shared, locked},
    trim,
};

/// A handle to an open log, for any thread.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

impl Log {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Everything before this survives a power loss.
    pub fn durable(&self) -> Position {
        self.shared.at(self.shared.durable())
    }

    /// Everything before this has been handed to the operating system and can be read.
    pub fn written(&self) -> Position {
        self.shared.at(self.shared.written())
    }

    /// Behind the last record that was accepted; the newest may wait in a buffer to be written.
    pub fn appended(&self) -> Position {
        self.shared.at(locked(&self.shared.tail).next())
    }

    /// The oldest record that is still there begins here.
    pub fn oldest(&self) -> Position {
        locked(&self.shared.table).oldest().start
    }

    /// Calls `f` with the durable position after each fsync, and once more when the log is poisoned
    /// or closed. It runs on the committing thread: be quick, and do not register from within it.
    pub fn on_advance(&self, f: Box<dyn Fn(Position) + Send + Sync>) {
        self.shared.watch(f);
    }

    /// Waits until everything before `at_least` is durable; `false` after the timeout, and at once
    /// if it cannot become so because the log is poisoned or closed.
    pub fn wait_durable(&self, at_least: Position, timeout: Duration) -> bool {
        self.shared.wait_durable(at_least, timeout)
    }

    /// A reader that continues at `position`, which is where some record begins or ended.
    ///
    /// A position behind the end of an older incarnation (a crash took what was never durable)
    /// continues with the next incarnation.
    pub fn read_from(&self, position: Position) -> Result<Reader, ReadError> {
        let next = self.appended();
        if position > next {
            return Err(ReadError::Ahead { position, next });
        }
        Reader::open(Arc::clone(&self.shared), position)
    }

    /// Deletes whole durable segments below `before`, never the one being written.
    pub fn trim(&self, before: Position) -> Result<TrimReport, TrimError> {
        trim::trim(&self.shared, before)
    }

    /// Bytes of all segments.
    pub fn bytes_on_disk(&self) -> u64 {
        self.shared.on_disk.load(Ordering::Relaxed)
    }

    /// Why the log takes no more records, if so.
    pub fn poisoned(&self) -> Option<String> {
        self.shared.poisoned().cloned()
    }
}
