//! The archive's manifest of our journal, in the catalog.

use anyhow::Context as _;
use catalog::{ArchivedFile, Catalog, JournalSpan, Place};
use spool::Position;
use uuid::Uuid;

use super::part::Finished;

const READ: &str = "cannot read the archive's manifest";

/// The manifest of one journal: positions of another one mean nothing here.
pub(super) struct Manifest {
    catalog: Catalog,
    journal: String,
}

impl Manifest {
    pub(super) fn new(catalog: Catalog, journal: Uuid) -> Self {
        Self { catalog, journal: journal.to_string() }
    }

    /// Where the next chunk begins; `None` if nothing was listed.
    pub(super) async fn cursor(&self) -> anyhow::Result<Option<Position>> {
        let place = self.catalog.archive_cursor(&self.journal).await.context(READ)?;
        Ok(place.map(|Place { incarnation, offset }| Position { incarnation, offset }))
    }

    /// Whether a file of this name is listed, of whichever journal.
    pub(super) async fn has(&self, path: &str) -> anyhow::Result<bool> {
        self.catalog.archive_has(path).await.context(READ)
    }

    /// Files, rows and bytes of all that is listed.
    pub(super) async fn totals(&self) -> anyhow::Result<(u64, u64, u64)> {
        let totals = self.catalog.archive_totals().await.context(READ)?;
        Ok((totals.files, totals.rows, totals.bytes))
    }

    /// Lists a chunk's files, all or none.
    pub(super) async fn list(
        &self,
        files: &[Finished],
        from: Position,
        to: Position,
    ) -> anyhow::Result<()> {
        let place = |at: Position| Place { incarnation: at.incarnation, offset: at.offset };
        let listed = |file: &Finished| ArchivedFile {
            dataset: file.dataset.to_owned(),
            path: file.path.clone(),
            rows: file.rows,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            min_ts_ms: file.min_ts_ms,
            max_ts_ms: file.max_ts_ms,
            span: JournalSpan { journal: self.journal.clone(), from: place(from), to: place(to) },
        };
        let files: Vec<ArchivedFile> = files.iter().map(listed).collect();
        self.catalog.archive_add(&files).await.context("cannot write the archive's manifest")
    }
}
