//! Tells other programs where this one listens: a small JSON file, written whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Writes `ports` as JSON to `path` by rename, so that a reader never sees half of it.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(path: &Path, ports: &serde_json::Value) -> anyhow::Result<()> {
    let beside = path.with_extension("tmp");
    fs::write(&beside, format!("{ports}\n"))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write {} (--port-file)", path.display()))
}
