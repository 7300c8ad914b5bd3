//! Gives a log folder an identity, so that positions of a log that was lost and begun again are
//! never taken for positions of the old one.

use std::fs;
use std::io;
use std::path::Path;

use spool::CursorFile;
use uuid::Uuid;

/// The folder's identity; made at the first call.
pub(crate) fn of(dir: &Path) -> anyhow::Result<Uuid> {
    fs::create_dir_all(dir).map_err(|error| cannot(dir, &error))?;
    let file = CursorFile::open(dir.join("identity"))?;
    if let Some(bytes) = file.load()? {
        return Ok(Uuid::from_slice(&bytes)?);
    }
    let identity = Uuid::new_v4();
    file.store(identity.as_bytes())?;
    Ok(identity)
}

fn cannot(dir: &Path, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot create {}: {error}", dir.display())
}
