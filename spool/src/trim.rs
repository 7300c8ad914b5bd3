//! Retention: deletes what nobody needs any more, oldest first, in whole segments.
//!
//! The new beginning is written to the ledger and synced before the first file goes, so that a
//! crash in between leaves files that the next opening removes, and a file that is missing without
//! having been trimmed is noticed.

use std::{io, sync::atomic::Ordering};

use crate::{
    Position, TrimError,
    error::IoFailure,
    ledger::Marks,
    shared::{Shared, locked},
};

/// What a trim did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrimReport {
    /// Segments deleted.
    pub segments: u64,
    /// Bytes that are free now.
    pub bytes: u64,
    /// Where the log begins now.
    pub oldest: Position,
}

pub(crate) fn trim(shared: &Shared, before: Position) -> Result<TrimReport, TrimError> {
    let mut ledger = locked(&shared.ledger);
    if shared.closed.load(Ordering::Acquire) {
        return Err(TrimError::Closed { dir: shared.dir.clone() });
    }
    let durable = shared.at(shared.durable());
    let (count, oldest) = {
        let table = locked(&shared.table);
        let count = table.whole_below(before, durable);
        (count, table.start_after(count))
    };
    if count == 0 {
        return Ok(TrimReport { segments: 0, bytes: 0, oldest });
    }
    ledger.write_synced(Marks { durable, oldest })?;
    let gone = locked(&shared.table).take(count);
    let mut bytes = 0;
    for entry in &gone {
        let path = entry.path(&shared.dir);
        match shared.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(IoFailure::new("delete", path, error).into());
            }
            _ => bytes += entry.file_bytes(),
        }
        shared.on_disk.fetch_sub(entry.file_bytes(), Ordering::Relaxed);
    }
    shared
        .files
        .sync_dir(&shared.dir)
        .map_err(|source| IoFailure::new("sync", &shared.dir, source))?;
    Ok(TrimReport { segments: count as u64, bytes, oldest })
}
