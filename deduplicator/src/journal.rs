//! The journal: the log of canonical records. Its one writer is the pipeline.

pub(crate) mod codec;
mod writer;

pub(crate) use writer::{Journal, receipt};

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use spool::{CursorFile, Log, Options, Recovered, Spool, Writer};
use uuid::Uuid;

/// Where things lie below `DATA_DIR`.
pub(crate) struct Folders {
    /// The log.
    pub(crate) log: PathBuf,
    /// Intents of sinks and the log's identity: lost together with it.
    pub(crate) sinks: PathBuf,
    /// Checkpoints.
    pub(crate) checkpoints: PathBuf,
}

impl Folders {
    pub(crate) fn below(data_dir: &Path) -> Self {
        let journal = data_dir.join("journal");
        Self {
            log: journal.join("log"),
            sinks: journal.join("sinks"),
            checkpoints: data_dir.join("checkpoints"),
        }
    }
}

/// Opens the journal and says what was found.
pub(crate) fn open(folders: &Folders) -> anyhow::Result<(Writer, Log, Recovered)> {
    let opened =
        Spool::open(&folders.log, Options::default()).context("cannot open the journal")?;
    if let Some(cut) = &opened.2.cut {
        tracing::warn!(
            component = "journal", event = "journal_tail_cut", file = %cut.file.display(), offset = cut.offset,
            bytes = cut.bytes, "the journal ended in records that were never made durable"
        );
    }
    Ok(opened)
}

/// Names this journal for ever, so that what was written about a lost one is never taken for it.
pub(crate) fn identity(folders: &Folders) -> anyhow::Result<Uuid> {
    let file = CursorFile::open(folders.sinks.join("archive-identity"))?;
    if let Some(bytes) = file.load()? {
        return Uuid::from_slice(&bytes).context("the journal's identity is no UUID");
    }
    let identity = Uuid::new_v4();
    file.store(identity.as_bytes())?;
    Ok(identity)
}
