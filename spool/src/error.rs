//! What can go wrong: one type per operation, each variant saying what we were doing.

use std::{io, path::PathBuf};

use crate::Position;

/// Bytes that are not what was written and made durable: a person has to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {why}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// What is wrong there.
    pub why: &'static str,
}

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct IoFailure {
    /// A verb: what we were doing to the path.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl IoFailure {
    pub(crate) fn new(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { doing, path: path.into(), source }
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program, or another part of this one, has it open.
    #[error("the log in {} is open already, here or in another program", dir.display())]
    Locked {
        /// The folder of the log.
        dir: PathBuf,
    },
    /// Durable bytes are not what was written; nothing was changed on disk.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Written by a later version of this library.
    #[error(
        "{} was written by a newer version (format {found}, we read up to {newest})",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u16,
        /// The version we know.
        newest: u16,
    },
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why a record was not appended, or appended records not handed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// An earlier write or fsync failed: this log promises nothing any more until it is opened anew.
    #[error("the log is closed to writing because of an earlier failure: {cause}")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// The record would take the log over its quota; nothing was written. Trim, or drop and count.
    #[error("the log holds {on_disk} bytes and may hold {quota}: no room for a record")]
    QuotaExceeded {
        /// Bytes in all segments.
        on_disk: u64,
        /// What the options allow.
        quota: u64,
    },
    /// The disk is full. What was accepted before is kept and tried again; this record was not
    /// accepted. Works again once there is room.
    #[error("no room on disk to write {}", path.display())]
    DiskFull {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record is longer than the options allow.
    #[error("a record of {bytes} bytes is longer than the allowed {max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A new segment could not be begun; the record was not accepted and may be tried again.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl AppendError {
    /// Whether the same call may succeed later without opening the log anew.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Poisoned { .. } | Self::TooLong { .. })
    }
}

/// Why the log cannot be read on from a position.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The records there have been trimmed away.
    #[error("the log before {oldest} has been trimmed away")]
    Trimmed {
        /// The oldest position that is still there.
        oldest: Position,
    },
    /// Nothing has ever been written there.
    #[error("{position} is ahead of the log, which ends at {next}")]
    Ahead {
        /// What was asked for.
        position: Position,
        /// The end of the log.
        next: Position,
    },
    /// No record begins there.
    #[error("{position} lies inside a record")]
    NotARecord {
        /// What was asked for.
        position: Position,
    },
    /// The bytes are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why a prefix was not trimmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// The writer is gone, and with it our right to change the folder.
    #[error("the log in {} has been closed", dir.display())]
    Closed {
        /// The folder of the log.
        dir: PathBuf,
    },
    /// A file operation failed; what remains is trimmed by the next opening.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// Why a cursor file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The bytes are not what was stored.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Written by a later version of this library.
    #[error("{} was written by a newer version (format {found})", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u16,
    },
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoFailure),
}
