//! The archive's manifest: what every file holds, and how far the archive is.

use crate::catalog::Catalog;
use crate::db::{Row, args};
use crate::error::{CatalogError, counted, stored};
use crate::sql;

/// A place in a journal: its incarnation, and the byte in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// Of the journal.
    pub incarnation: u32,
    /// Bytes.
    pub offset: u64,
}

/// A stretch of one journal, by its identity; positions of another journal mean nothing here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalSpan {
    /// Which journal.
    pub journal: String,
    /// From here.
    pub from: Place,
    /// Up to here, not included.
    pub to: Place,
}

/// A file of the archive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ArchivedFile {
    /// `orderbook`, `trades`, ...
    pub dataset: String,
    /// Below the archive's root.
    pub path: String,
    /// How many.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Of its bytes, hex.
    pub sha256: String,
    /// Its rows' earliest time, Unix ms.
    pub min_ts_ms: i64,
    /// Its rows' latest time, Unix ms.
    pub max_ts_ms: i64,
    /// What it was made from.
    pub span: JournalSpan,
}

/// All that is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ManifestTotals {
    /// Files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Catalog {
    /// Up to where a journal is archived; `None` if nothing of it was listed.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn archive_cursor(&self, journal: &str) -> Result<Option<Place>, CatalogError> {
        let row = self.db.one(sql::ARCHIVE_CURSOR, args![journal]).await?;
        row.as_ref().map(|row| place(row, 0)).transpose()
    }

    /// Whether a file of this name is listed, of whichever journal.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn archive_has(&self, path: &str) -> Result<bool, CatalogError> {
        Ok(self.db.one(sql::ARCHIVE_HAS, args![path]).await?.is_some())
    }

    /// Files, rows and bytes of all that is listed.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn archive_totals(&self) -> Result<ManifestTotals, CatalogError> {
        let Some(row) = self.db.one(sql::ARCHIVE_TOTALS, args![]).await? else {
            return Ok(ManifestTotals::default());
        };
        Ok(ManifestTotals {
            files: counted("files", row.int(0)?)?,
            rows: counted("rows", row.int(1)?)?,
            bytes: counted("bytes", row.int(2)?)?,
        })
    }

    /// Lists a chunk's files, all or none.
    ///
    /// # Errors
    /// When the catalog fails, or one of the paths is listed already.
    pub async fn archive_add(&self, files: &[ArchivedFile]) -> Result<(), CatalogError> {
        let mut tx = self.db.begin().await?;
        for file in files {
            let span = &file.span;
            let values = args![
                &*span.journal,
                &*file.dataset,
                &*file.path,
                stored("rows", file.rows)?,
                stored("bytes", file.bytes)?,
                &*file.sha256,
                i64::from(span.from.incarnation),
                stored("offset", span.from.offset)?,
                i64::from(span.to.incarnation),
                stored("offset", span.to.offset)?,
                file.min_ts_ms,
                file.max_ts_ms,
            ];
            tx.one(sql::ARCHIVE_ADD, values).await?;
        }
        tx.commit().await
    }

    /// Files with rows between two times (the second not included), of a dataset or all.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn archive_files(
        &self,
        dataset: Option<&str>,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<ArchivedFile>, CatalogError> {
        let file = |row: &Row| {
            Ok(ArchivedFile {
                dataset: row.text(0)?,
                path: row.text(1)?,
                rows: counted("rows", row.int(2)?)?,
                bytes: counted("bytes", row.int(3)?)?,
                sha256: row.text(4)?,
                min_ts_ms: row.int(5)?,
                max_ts_ms: row.int(6)?,
                span: JournalSpan {
                    journal: row.text(7)?,
                    from: place(row, 8)?,
                    to: place(row, 10)?,
                },
            })
        };
        let rows = self.db.all(sql::ARCHIVE_FILES, args![dataset, from_ms, to_ms]).await?;
        rows.iter().map(file).collect()
    }
}

fn place(row: &Row, at: usize) -> Result<Place, CatalogError> {
    let incarnation = counted("incarnation", row.int(at)?)?;
    Ok(Place { incarnation, offset: counted("offset", row.int(at + 1)?)? })
}
