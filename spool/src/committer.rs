//! Group commit: one fsync for all that was appended in the meantime, by a thread of its own.
//!
//! A failed fsync ends the log: the system may have dropped the pages, and a second fsync would
//! succeed without having written them.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    AppendError, Position,
    ledger::Marks,
    shared::{Shared, locked},
};

/// Makes everything accepted so far durable, and tells who waits for it.
pub(crate) fn commit(shared: &Shared) -> Result<Position, AppendError> {
    let before = shared.durable();
    let done = commit_quietly(shared);
    if shared.durable() != before || shared.poisoned().is_some() {
        shared.announce();
    }
    done.map(|()| shared.at(shared.durable()))
}

fn commit_quietly(shared: &Shared) -> Result<(), AppendError> {
    let mut ledger = locked(&shared.ledger);
    let (flushed, unsynced) = {
        let mut tail = locked(&shared.tail);
        let flushed = tail.flush(shared);
        shared.check_poison()?;
        (flushed, tail.take_unsynced(shared))
    };
    if let Some(unsynced) = unsynced {
        failpoint::hit("spool.unsynced");
        // The tail is free again: appending goes on while the disk works.
        unsynced.sync(&*shared.files, &shared.dir).map_err(|cause| shared.poison(cause))?;
        failpoint::hit("spool.synced");
        let marks = Marks { durable: shared.at(unsynced.upto), oldest: ledger.marks().oldest };
        ledger
            .write(marks)
            .map_err(|failure| shared.poison(format!("{failure}: {}", failure.source)))?;
        failpoint::hit("spool.durable");
        shared.set_durable(unsynced.upto);
    }
    flushed
}

/// The thread that commits at every tick.
pub(crate) struct Committer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(crate) fn start(shared: Arc<Shared>, every: Duration) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new().name("spool-commit".to_owned()).spawn(move || {
            let guard = PoisonOnPanic(shared);
            while !wait(&told, every) {
                // A full disk shows at the next append, a failed one in `poisoned`.
                if matches!(commit(&guard.0), Err(AppendError::Poisoned { .. })) {
                    break;
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) {
        *locked(&self.stop.0) = true;
        self.stop.1.notify_all();
        // A panic has poisoned the log already, and its message was printed.
        drop(self.thread.join());
    }
}

/// Waits for one tick; `true` when told to stop.
fn wait(stop: &(Mutex<bool>, Condvar), every: Duration) -> bool {
    let guard = locked(&stop.0);
    let (stopping, _) = stop
        .1
        .wait_timeout_while(guard, every, |stop| !*stop)
        .expect("nobody panics while holding this lock");
    *stopping
}

/// Without its committer the log would take records for ever and make none durable.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            drop(self.0.poison("the committing thread panicked".to_owned()));
        }
    }
}

/// Ends writing: the last commit, its mark synced.
pub(crate) fn close(shared: &Shared) {
    // Poisoned or full: what was not durable is not promised, and the ledger says so.
    if commit(shared).is_ok() {
        let mut ledger = locked(&shared.ledger);
        let marks = ledger.marks();
        drop(ledger.write_synced(marks));
    }
    shared.closed.store(true, Ordering::Release);
    shared.announce();
}
