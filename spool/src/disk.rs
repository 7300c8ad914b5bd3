//! Which disk a log or a cursor lies on: the machine's, or in the simulation one that fails on
//! command.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    CursorError, CursorFile, Log, OpenError, Options, Recovered, Spool, Writer,
    faulty::FaultyDisk,
    files::{Disk, Files},
    opening::open_on,
};

/// A disk. Production code says [`AnyDisk::machine`] and nothing else.
#[derive(Clone)]
pub struct AnyDisk(Arc<dyn Files>);

impl AnyDisk {
    /// The machine's.
    pub fn machine() -> Self {
        Self(Arc::new(Disk))
    }

    /// One that fails on command.
    pub fn faulty(disk: &FaultyDisk) -> Self {
        Self(Arc::new(disk.clone()))
    }

    /// The files in a folder, which is created if need be.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.create_dir_all(dir)?;
        self.0.list(dir)
    }

    /// Deletes a file. Its name may come back after a power loss.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
}

impl Spool {
    /// Opens without a committing thread: nothing becomes durable but by [`Writer::commit`].
    ///
    /// # Errors
    /// As [`Spool::open`].
    #[doc(hidden)]
    pub fn open_at(
        disk: &AnyDisk,
        dir: &Path,
        options: &Options,
    ) -> Result<(Writer, Log, Recovered), OpenError> {
        let (writer, shared, recovered) = open_on(Arc::clone(&disk.0), dir, options)?;
        Ok((writer, Log::new(shared), recovered))
    }
}

impl CursorFile {
    /// As [`CursorFile::open`], on another disk.
    ///
    /// # Errors
    /// When the folder cannot be made.
    #[doc(hidden)]
    pub fn open_at(disk: &AnyDisk, path: PathBuf) -> Result<Self, CursorError> {
        Self::open_on(Arc::clone(&disk.0), path)
    }
}
