//! The archive's manifest of our journal, in the catalog; and where the archive stands, beside the journal too.
//!
//! ```text
//! sinks/archive.cursor: a spool cursor file that holds version u8 = 1 | incarnation u32 LE | offset u64 LE
//! ```
//! A catalog that was lost, or restored from a backup, must not make the archive write again what it has written:
//! the farther of the two places counts.

use std::path::Path;

use anyhow::Context as _;
use catalog::{ArchivedFile, Catalog, JournalSpan, Place};
use spool::{CursorFile, Position};
use uuid::Uuid;

use super::part::Finished;

const READ: &str = "cannot read the archive's manifest";
const VERSION: u8 = 1;

/// The manifest of one journal: positions of another one mean nothing here.
pub(super) struct Manifest {
    catalog: Catalog,
    journal: String,
    stands: CursorFile,
}

impl Manifest {
    /// `beside`: the folder of what is lost together with the journal.
    pub(super) fn open(catalog: Catalog, journal: Uuid, beside: &Path) -> anyhow::Result<Self> {
        let stands = CursorFile::open(beside.join("archive.cursor"))?;
        Ok(Self { catalog, journal: journal.to_string(), stands })
    }

    /// Where the next chunk begins; `None` if nothing was archived.
    pub(super) async fn cursor(&self) -> anyhow::Result<Option<Position>> {
        let listed = self.catalog.archive_cursor(&self.journal).await.context(READ)?;
        let listed = listed.map(|Place { incarnation, offset }| Position { incarnation, offset });
        let kept = match self.stands.load()? {
            Some(bytes) => {
                Some(decode(&bytes).context("archive.cursor was written by another version")?)
            }
            None => None,
        };
        if let Some(kept) = kept.filter(|&kept| listed.is_none_or(|listed| listed < kept)) {
            tracing::warn!(
                component = "archive", event = "manifest_behind", archived_below = %kept,
                "the catalog was lost or is an older one: files that it does not list are in the archive"
            );
        }
        Ok(listed.max(kept))
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

    /// Lists a chunk's files, all or none, and then notes how far the archive is.
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
        self.catalog.archive_add(&files).await.context("cannot write the archive's manifest")?;
        Ok(self.stands.store(&encode(to))?)
    }
}

fn encode(at: Position) -> [u8; 13] {
    let mut bytes = [VERSION; 13];
    bytes[1..5].copy_from_slice(&at.incarnation.to_le_bytes());
    bytes[5..].copy_from_slice(&at.offset.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Position> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (incarnation, offset) = rest.split_at_checked(4)?;
    Some(Position {
        incarnation: u32::from_le_bytes(incarnation.try_into().ok()?),
        offset: u64::from_le_bytes(offset.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_bytes_never_change() {
        let at = Position { incarnation: 2, offset: 0x0102_0304 };
        let bytes = *b"\x01\x02\0\0\0\x04\x03\x02\x01\0\0\0\0";
        assert_eq!(encode(at), bytes);
        assert_eq!(decode(&bytes), Some(at));
        assert!((0..13).all(|cut| decode(&bytes[..cut]).is_none()), "cut anywhere");
        assert_eq!(decode(b"\x02\x02\0\0\0\x04\x03\x02\x01\0\0\0\0"), None, "another version");
    }
}
