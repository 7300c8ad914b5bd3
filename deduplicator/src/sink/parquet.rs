//! The Parquet archive: follows the journal on a thread of its own, and cuts it into chunks.
//!
//! A chunk is a stretch of the journal; it becomes one file a dataset and day (UTC, exchange time).
//! It ends where a file has reached its size or a later day begins, both told by the journal alone,
//! or at a graceful stop, and then the manifest says where. So the same journal and manifest give
//! the same bytes: after a crash the chunk in hand is simply made again.

mod chunk;
mod columns;
mod manifest;
mod part;
mod place;

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
}

impl ArchiveSink {
    /// Opens the place, so that what is wrong with it is told at the start.
    pub(crate) async fn open(
        setting: Setting,
        progress: watch::Sender<ParquetStatus>,
    ) -> anyhow::Result<Self> {
        let place = Place::open(&setting.archive.place, &setting.staging)?;
        let manifest = Manifest::new(setting.catalog.clone(), setting.journal);
        let sink = Self { setting, place, manifest, progress, runtime: Handle::current() };
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
