//! The rhythm of checkpoints: copy the state here, write it on another thread, then account, ack,
//! let go.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use merge::GathererIndex;
use spool::{Log, Position};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Pipeline;
use super::accounts::accounts;
use crate::checkpoint::{self, Durable, Head, Sealed};
use crate::telemetry;

/// A full disk is asked again after this long.
const FULL_DISK_PAUSE: Duration = Duration::from_millis(500);

/// Where the saving stands.
pub(super) struct Saving {
    dir: PathBuf,
    log: Log,
    /// Number of the newest checkpoint begun.
    number: u64,
    newest: Option<Durable>,
    running: Option<JoinHandle<anyhow::Result<Durable>>>,
}

/// What an ack may say: made from a checkpoint that is durable, and has a durable successor.
struct Released(Durable);

impl Saving {
    pub(super) fn new(dir: PathBuf, log: Log, number: u64, newest: Option<Durable>) -> Self {
        Self { dir, log, number, newest, running: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Number of the newest checkpoint on disk.
    pub(super) fn newest(&self) -> u64 {
        self.newest.as_ref().map_or(0, |durable| durable.head().number)
    }

    /// Serialising takes tens of times longer than the copy, and the feed does not wait.
    fn begin(&mut self, sealed: Sealed) {
        assert!(self.is_idle(), "one checkpoint at a time");
        let (dir, log) = (self.dir.clone(), self.log.clone());
        self.running = Some(spawn_blocking(move || {
            let durable = stored_when_there_is_room(&dir, &sealed, &log)?;
            telemetry::checkpoint_stored(durable.head().number, durable.bytes());
            Ok(durable)
        }));
    }

    /// Waits for the checkpoint that is being written; for ever if none is.
    pub(super) async fn stored(&mut self) -> anyhow::Result<Durable> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let stored = running.await;
        self.running = None;
        stored.context("the checkpoint's writer panicked")?
    }

    /// Takes in a durable checkpoint; the one before it is released by that.
    fn succeed(&mut self, durable: Durable) -> Option<Released> {
        self.newest.replace(durable).map(Released)
    }
}

/// Policy wait: meanwhile nothing is acked, and the gatherers keep what is not.
fn stored_when_there_is_room(dir: &Path, sealed: &Sealed, log: &Log) -> anyhow::Result<Durable> {
    let mut told = false;
    loop {
        match checkpoint::store(dir, sealed, log) {
            Err(error) if is_full(&error) => {
                if !std::mem::replace(&mut told, true) {
                    telemetry::checkpoint_waits(&error);
                }
                std::thread::sleep(FULL_DISK_PAUSE);
            }
            stored => return stored,
        }
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    kinds.map(io::Error::kind).any(full)
}

impl Released {
    fn acks(&self) -> impl Iterator<Item = (&str, proto::Position)> {
        self.0.head().positions()
    }

    fn restart_from(&self) -> Position {
        self.0.head().journal()
    }
}

impl Pipeline {
    /// Begins to save the state; everything that the merge said so far must be in the journal.
    pub(super) fn begin_checkpoint(&mut self, before_minute: i64) {
        let sealed = self.seal_checkpoint(before_minute);
        self.saving.begin(sealed);
    }

    /// What the next checkpoint says besides the state; the accounts of the minutes it closes are in
    /// it and nowhere else from now on.
    fn number_checkpoint(&mut self, before_minute: i64) -> Head {
        let name = |gatherer: GathererIndex| &*self.streams[usize::from(gatherer.0)].name;
        let closed = self.merge.close_minutes(before_minute);
        self.saving.number += 1;
        let rows = self.superseded.replace(self.saving.number, self.counted.without(closed, name));
        self.activity.minutes(&rows);
        let positions =
            self.streams.iter().map(|stream| (stream.name.clone(), stream.next)).collect();
        Head::new(self.saving.number, self.journal.next(), positions, rows)
    }

    /// As [`Self::begin_checkpoint`], for a caller who writes it down himself.
    pub(crate) fn seal_checkpoint(&mut self, before_minute: i64) -> Sealed {
        Sealed::new(self.number_checkpoint(before_minute), self.merge.clone())
    }

    /// A checkpoint is on disk: its accounts go to the journal, and the gatherers may forget what
    /// is below the one before.
    pub(crate) async fn saved(&mut self, durable: Durable) -> anyhow::Result<()> {
        if let Some(record) = accounts(durable.head()) {
            self.journal.append(&record).await?;
        }
        let Some(released) = self.saving.succeed(durable) else { return Ok(()) };
        for (name, position) in released.acks() {
            if let Some(acks) = self.ends.acks.get(name) {
                acks.send_replace(Some(position));
            }
        }
        self.ends.restart_from.send_replace(Some(released.restart_from()));
        Ok(())
    }

    /// After the last event: everything durable, all accounts closed, one last checkpoint.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        if !self.saving.is_idle() {
            let stored = self.saving.stored().await?;
            self.saved(stored).await?;
        }
        self.carry_out().await?;
        self.journal.commit()?;
        self.begin_checkpoint(i64::MAX);
        let stored = self.saving.stored().await?;
        self.saved(stored).await?;
        self.journal.commit()?;
        self.show();
        tracing::info!(
            component = "pipeline", event = "pipeline_drained", checkpoint = self.saving.newest(),
            journal = %self.journal.next(), "the journal holds everything that was received"
        );
        Ok(())
    }
}
