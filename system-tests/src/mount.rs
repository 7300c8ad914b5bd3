//! A disk of a few megabytes, to be filled or made read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `folder`, which is made. `None`, said loudly, where mounting is not permitted.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn at(folder: &Path, megabytes: u32) -> anyhow::Result<Option<Self>> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let size = format!("size={megabytes}m");
        match mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], folder) {
            Ok(()) => Ok(Some(Self { folder: folder.to_owned() })),
            Err(why) => {
                eprintln!(
                    "SKIPPED: no small disk can be mounted ({why:#}); run as root, or with `unshare -rm`"
                );
                Ok(None)
            }
        }
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Takes all the room there is on the disk of `folder`. Removing the file that is named gives it back.
///
/// # Errors
/// When the file cannot be made at all.
pub fn fill(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("ballast");
    let mut file =
        fs::File::options().create(true).append(true).open(&path).context("the ballast")?;
    for portion in [1 << 20, 4096, 1] {
        while std::io::Write::write(&mut file, &vec![0; portion]).is_ok_and(|taken| taken > 0) {}
    }
    Ok(path)
}

/// The disk mounted at `folder` refuses every write from now on, or takes them again.
///
/// # Errors
/// When the system refuses, as it does while a file is open for writing.
pub fn read_only(folder: &Path, yes: bool) -> anyhow::Result<()> {
    mount(&["-o", if yes { "remount,ro" } else { "remount,rw" }], folder)
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a program that is still ending may hold a file of it.
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        drop(unmounted);
    }
}

fn mount(args: &[&str], folder: &Path) -> anyhow::Result<()> {
    let output = Command::new("mount").args(args).arg(folder).output().context("mount")?;
    if !output.status.success() {
        bail!("mount: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
