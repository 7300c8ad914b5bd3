//! What the writer, the committer, the readers and trim have in common, and what each lock guards.
//!
//! Locks are taken in this order: ledger, tail, table. The ledger's is held during an fsync; the
//! tail's for the time of one append or one write; the table's for a look-up.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{AppendError, Position, files::Files, ledger::Ledger, table::Table, tail::Tail};

pub(crate) type Watcher = Box<dyn Fn(Position) + Send + Sync>;

/// One opened log.
pub(crate) struct Shared {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) incarnation: u32,
    pub(crate) tail: Mutex<Tail>,
    pub(crate) table: Mutex<Table>,
    pub(crate) ledger: Mutex<Ledger>,
    /// Bytes of all segments, those about to be written too.
    pub(crate) on_disk: AtomicU64,
    pub(crate) closed: AtomicBool,
    written: AtomicU64,
    durable: AtomicU64,
    poison: OnceLock<String>,
    advanced: (Mutex<()>, Condvar),
    watchers: Mutex<Vec<Watcher>>,
}

/// The parts that recovery hands over.
pub(crate) struct Parts {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) incarnation: u32,
    pub(crate) tail: Tail,
    pub(crate) table: Table,
    pub(crate) ledger: Ledger,
    pub(crate) on_disk: u64,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            files: parts.files,
            dir: parts.dir,
            incarnation: parts.incarnation,
            tail: Mutex::new(parts.tail),
            table: Mutex::new(parts.table),
            ledger: Mutex::new(parts.ledger),
            on_disk: AtomicU64::new(parts.on_disk),
            closed: AtomicBool::new(false),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            poison: OnceLock::new(),
            advanced: (Mutex::new(()), Condvar::new()),
            watchers: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn at(&self, offset: u64) -> Position {
        Position { incarnation: self.incarnation, offset }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_written(&self, offset: u64) {
        self.written.store(offset, Ordering::Release);
    }

    pub(crate) fn set_durable(&self, offset: u64) {
        self.durable.store(offset, Ordering::Release);
    }

    /// Ends writing for good; the first cause stays. [`Self::announce`] follows outside of locks.
    pub(crate) fn poison(&self, cause: String) -> AppendError {
        AppendError::Poisoned { cause: self.poison.get_or_init(|| cause).clone() }
    }

    pub(crate) fn poisoned(&self) -> Option<&String> {
        self.poison.get()
    }

    pub(crate) fn check_poison(&self) -> Result<(), AppendError> {
        match self.poison.get() {
            Some(cause) => Err(AppendError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Wakes everyone who waits for the durable position or for its end.
    pub(crate) fn announce(&self) {
        drop(locked(&self.advanced.0));
        self.advanced.1.notify_all();
        let durable = self.at(self.durable());
        for watcher in locked(&self.watchers).iter() {
            watcher(durable);
        }
    }

    pub(crate) fn watch(&self, watcher: Watcher) {
        locked(&self.watchers).push(watcher);
    }

    pub(crate) fn wait_durable(&self, at_least: Position, timeout: Duration) -> bool {
        let reached = || self.at(self.durable()) >= at_least;
        let over = || reached() || self.poisoned().is_some() || self.closed.load(Ordering::Acquire);
        let guard = locked(&self.advanced.0);
        drop(
            self.advanced
                .1
                .wait_timeout_while(guard, timeout, |()| !over())
                .expect("nobody panics while holding this lock"),
        );
        reached()
    }
}

/// Takes a lock; a panic under one has already ended the program's promises.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding this lock")
}
