//! The Parquet archive: follows the journal on a thread of its own, and cuts it into chunks.
//!
//! A chunk is a stretch of the journal; it becomes one file a dataset and day (UTC, exchange time).
//! It ends where a file has reached its size or a later day begins, both told by the journal alone,
//! or at a graceful stop, and then the manifest says where. So the same journal and manifest give
//! the same bytes: after a crash the chunk in hand is simply made again.
//!
//! A chunk is put in place only when ClickHouse holds all of it. A deduplicator that lost its disk goes on
//! from what ClickHouse holds, so the archive must never tell more than that: the same stretch, merged
//! again, might be numbered otherwise.

mod chunk;
mod columns;
mod complete;
mod manifest;
mod part;
mod place;

pub(crate) use complete::complete;

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use catalog::Catalog;
use spool::{Log, Position, Reader, Upto};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::chunk::Chunk;
use self::manifest::Manifest;
use self::place::Place;
use super::names::Names;
use crate::config::Archive;
use crate::journal::codec;
use crate::status::ParquetStatus;

/// How often a stop is looked for while the journal is quiet.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A disk or bucket that failed is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Records between two looks at the gauges.
const SHOW_EVERY: u32 = 4_096;

/// What the archive needs.
pub(crate) struct Setting {
    pub(crate) archive: Archive,
    /// Where files for a bucket are made.
    pub(crate) staging: std::path::PathBuf,
    pub(crate) journal: Uuid,
    /// Folder of what is lost together with the journal.
    pub(crate) beside: std::path::PathBuf,
    /// How far ClickHouse is; `None`: there is none.
    pub(crate) stored: Option<watch::Receiver<store::Progress>>,
    pub(crate) catalog: Catalog,
    pub(crate) names: Names,
    pub(crate) log: Log,
}

/// Why the archive cannot go on.
enum Failure {
    /// The journal cannot be read or understood.
    Journal(anyhow::Error),
    /// A disk, the bucket or the catalog failed; the chunk can be made again.
    Store(anyhow::Error),
    /// The program stops, and ClickHouse does not hold yet what the chunk holds: it is made again after the start.
    Ahead,
}

impl Failure {
    fn journal(error: impl Into<anyhow::Error>) -> Self {
        Self::Journal(error.into().context("the archive cannot read the journal"))
    }
}

/// The archive at work.
pub(crate) struct ArchiveSink {
    setting: Setting,
    place: Place,
    manifest: Manifest,
    progress: watch::Sender<ParquetStatus>,
    runtime: Handle,
    /// Behind the newest record that was read.
    read_below: Position,
}

impl ArchiveSink {
    /// Opens the place, so that what is wrong with it is told at the start.
    pub(crate) async fn open(
        setting: Setting,
        progress: watch::Sender<ParquetStatus>,
    ) -> anyhow::Result<Self> {
        let place = Place::open(&setting.archive.place, &setting.staging)?;
        let manifest = Manifest::open(setting.catalog.clone(), setting.journal, &setting.beside)?;
        let (runtime, read_below) = (Handle::current(), setting.log.oldest());
        let sink = Self { setting, place, manifest, progress, runtime, read_below };
        sink.show_listed().await?;
        Ok(sink)
    }

    /// Follows until `stopping`, then closes and lists what is open.
    pub(crate) async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        tokio::task::spawn_blocking(move || self.work(&stopping))
            .await
            .context("the archive's thread panicked")?
    }

    fn work(mut self, stopping: &CancellationToken) -> anyhow::Result<()> {
        let (wake, woken) = sync_channel(1);
        // A full queue means that the wake-up is already on its way.
        self.setting.log.on_advance(Box::new(move |_| wake.try_send(()).unwrap_or_default()));
        loop {
            match self.follow(&woken, stopping) {
                Ok(()) => return Ok(()),
                Err(Failure::Journal(error)) => return Err(error),
                Err(Failure::Ahead) => {
                    crate::telemetry::chunk_left_to_the_next_start();
                    return Ok(());
                }
                Err(Failure::Store(error)) => {
                    let text = format!("{error:#}");
                    metrics::counter!("parquet_errors_total").increment(1);
                    self.progress.send_modify(|shown| shown.failures += 1);
                    tracing::warn!(
                        component = "archive",
                        event = "parquet_retry",
                        error = text,
                        "the chunk is made again"
                    );
                    if stopping.is_cancelled() {
                        return Err(error.context("the archive's last chunk is not stored"));
                    }
                    std::thread::sleep(AGAIN_AFTER);
                }
            }
        }
    }

    fn follow(
        &mut self,
        woken: &Receiver<()>,
        stopping: &CancellationToken,
    ) -> Result<(), Failure> {
        let listed = self.runtime.block_on(self.manifest.cursor()).map_err(Failure::Store)?;
        let from = listed.unwrap_or(self.setting.log.oldest());
        let mut reader = self.setting.log.read_from(from).map_err(Failure::journal)?;
        let mut chunk = Chunk::new(from, self.setting.archive.max_bytes);
        loop {
            // Looked at before the last read, so that nothing durable by then is left out.
            let last = stopping.is_cancelled();
            self.read(&mut reader, &mut chunk)?;
            self.show_open(&chunk);
            if last {
                return self.close(chunk, reader.position());
            }
            match woken.recv_timeout(LOOK_EVERY) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Takes in what is durable.
    fn read(&mut self, reader: &mut Reader, chunk: &mut Chunk) -> Result<(), Failure> {
        let mut since_shown = 0;
        while let Some(record) = reader.next(Upto::Durable).map_err(Failure::journal)? {
            let (at, next) = (record.at, record.next);
            let record = codec::decode(record.payload).map_err(Failure::journal)?;
            self.read_below = next;
            if self.setting.names.learn(&record).map_err(Failure::journal)? {
                continue;
            }
            if chunk.ends_before(&record) {
                let done = std::mem::replace(chunk, self.chunk(at));
                self.close(done, at)?;
            }
            self.push(chunk, &record)?;
            if chunk.is_full() {
                let done = std::mem::replace(chunk, self.chunk(next));
                self.close(done, next)?;
            }
            since_shown += 1;
            if since_shown % SHOW_EVERY == 0 {
                self.show_open(chunk);
            }
        }
        Ok(())
    }

    fn chunk(&self, from: Position) -> Chunk {
        Chunk::new(from, self.setting.archive.max_bytes)
    }

    fn push(&mut self, chunk: &mut Chunk, record: &merge::Record) -> Result<(), Failure> {
        let (place, manifest, runtime) = (&self.place, &self.manifest, &self.runtime);
        let mut open = |dataset, day, first_us| {
            runtime.block_on(place.begin(dataset, day, first_us, manifest))
        };
        chunk.push(record, &mut self.setting.names, &mut open).map_err(Failure::Store)
    }

    /// Finishes the files, puts them in place, lists them: in this order.
    fn close(&mut self, chunk: Chunk, to: Position) -> Result<(), Failure> {
        let from = chunk.from();
        let files = chunk.finish().map_err(Failure::Store)?;
        if files.is_empty() {
            return Ok(());
        }
        let runtime = self.runtime.clone();
        if !runtime.block_on(self.is_stored()) {
            return Err(Failure::Ahead);
        }
        let listed = async {
            for file in &files {
                self.place.publish(file).await?;
                failpoint::hit("archive.published");
            }
            failpoint::hit("archive.unlisted");
            self.manifest.list(&files, from, to).await?;
            self.show_listed().await
        };
        self.runtime.block_on(listed).map_err(Failure::Store)?;
        for file in &files {
            crate::telemetry::parquet_file_listed(file.dataset, &file.path, file.rows, file.bytes);
        }
        Ok(())
    }

    /// Waits until ClickHouse holds everything that was read; `false`: it has ended before.
    async fn is_stored(&mut self) -> bool {
        let below = self.read_below;
        let Some(stored) = &mut self.setting.stored else { return true };
        let reached = |progress: &store::Progress| progress.cursor.is_some_and(|at| at >= below);
        stored.wait_for(reached).await.is_ok()
    }

    fn show_open(&self, chunk: &Chunk) {
        let open_bytes = chunk.bytes();
        self.progress.send_modify(|shown| shown.open_bytes = open_bytes);
    }

    async fn show_listed(&self) -> anyhow::Result<()> {
        let listed = self.manifest.totals().await?;
        let cursor = self.manifest.cursor().await?;
        self.progress.send_modify(|shown| {
            (shown.files, shown.rows, shown.bytes) = listed;
            shown.cursor = cursor;
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "parquet/tests.rs"]
mod tests;
