//! Brings the engine's library to this machine, once, by npm's own client.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    error::StartError,
    unpack::{self, Pinned},
};

/// Pinned exactly: npm's `latest` is older, and earlier engines cannot start their HTTP server.
const PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";
const FOLDER: &str = "chdb-26.7.3-stable.1";
const LIBRARY_BYTES: u64 = 566_330_096;
const ARCHIVE: Pinned = Pinned {
    file: "package archive",
    sha256: "c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad",
};
const LIBRARY: Pinned = Pinned {
    file: "libchdb.so",
    sha256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
};
/// Fetches in progress are folders with this prefix; one without a running fetch is rubbish.
const UNFINISHED: &str = ".fetching-";

/// The library's path, fetched first if it is not there yet.
pub(crate) fn library(cache: Option<&Path>) -> Result<PathBuf, StartError> {
    let cache = cache.map_or_else(default_cache, |path| Ok(path.to_owned()))?;
    let library = cache.join(FOLDER).join(LIBRARY.file);
    if is_whole(&library) {
        return Ok(library);
    }
    fs::create_dir_all(&cache).map_err(StartError::files("create", &cache))?;
    let lock = cache.join(format!("{FOLDER}.lock"));
    let lock_file = File::create(&lock).map_err(StartError::files("create", &lock))?;
    // Several tests start at once: one fetches, the others wait here and find it done.
    lock_file.lock().map_err(StartError::files("lock", &lock))?;
    if !is_whole(&library) {
        remove_unfinished(&cache)?;
        fetch(&cache)?;
    }
    Ok(library)
}

/// It was checked before it got its name; the size tells a disk that was full from one that was not.
fn is_whole(library: &Path) -> bool {
    fs::metadata(library).is_ok_and(|found| found.len() == LIBRARY_BYTES)
}

/// By the XDG convention. The one place that looks at the environment.
fn default_cache() -> Result<PathBuf, StartError> {
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .map(|cache| cache.join("kalshi-capture"))
        .ok_or(StartError::NoCache)
}

/// What a fetch that was killed left behind; the lock says that none is running.
fn remove_unfinished(cache: &Path) -> Result<(), StartError> {
    for entry in fs::read_dir(cache).map_err(StartError::files("list", cache))?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            fs::remove_dir_all(entry.path()).map_err(StartError::files("remove", entry.path()))?;
        }
    }
    Ok(())
}

fn fetch(cache: &Path) -> Result<(), StartError> {
    say(&format!("fetching ClickHouse engine (178 MB, once) into {}...", cache.display()));
    // Removed on every way out but success, when it has been renamed.
    let unfinished = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(cache)
        .map_err(StartError::files("create a folder in", cache))?;
    let archive = pack(unfinished.path())?;
    unpack::check(&archive, &ARCHIVE)?;
    let ready = unfinished.path().join("ready");
    fs::create_dir(&ready).map_err(StartError::files("create", &ready))?;
    unpack::unpack(&archive, &LIBRARY, &ready.join(LIBRARY.file))?;
    let target = cache.join(FOLDER);
    if target.exists() {
        fs::remove_dir_all(&target).map_err(StartError::files("remove", &target))?;
    }
    fs::rename(&ready, &target).map_err(StartError::files("rename to", &target))?;
    say("fetched ClickHouse engine");
    Ok(())
}

/// Asks npm for the package archive; returns where it lies.
fn pack(folder: &Path) -> Result<PathBuf, StartError> {
    let output = Command::new("npm")
        .args(["pack", PACKAGE, "--silent", "--pack-destination"])
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StartError::NoNpm,
            _ => StartError::Npm { package: PACKAGE, said: error.to_string() },
        })?;
    let archive = fs::read_dir(folder)
        .map_err(StartError::files("list", folder))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("tgz")));
    match archive {
        Some(archive) if output.status.success() => Ok(archive),
        _ => Err(StartError::Npm { package: PACKAGE, said: last_words(&output.stderr) }),
    }
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("npm warn"))
        .collect();
    let from = lines.len().saturating_sub(3);
    if lines.is_empty() { "it said nothing".to_owned() } else { lines[from..].join("; ") }
}

/// The one long wait of a first start: tell the person at the terminal. A closed stderr is no reason to fail.
fn say(line: &str) {
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_fetch_left_is_removed_and_nothing_else() {
        let cache = tempfile::tempdir().expect("folder");
        for name in [".fetching-abc", FOLDER] {
            fs::create_dir(cache.path().join(name)).expect("create");
            fs::write(cache.path().join(name).join("half"), "x").expect("write");
        }
        remove_unfinished(cache.path()).expect("remove");
        assert!(!cache.path().join(".fetching-abc").exists());
        assert!(cache.path().join(FOLDER).join("half").exists());
    }

    #[test]
    fn a_library_of_another_size_is_not_taken() {
        let cache = tempfile::tempdir().expect("folder");
        let path = cache.path().join(LIBRARY.file);
        fs::write(&path, "short").expect("write");
        assert!(!is_whole(&path));
        File::create(&path).expect("create").set_len(LIBRARY_BYTES).expect("size");
        assert!(is_whole(&path));
    }

    #[test]
    fn npm_s_last_words_leave_its_warnings_out() {
        let said = b"npm warn Unknown config\nnpm error code E404\n\nnpm error 404 Not Found\n";
        assert_eq!(last_words(said), "npm error code E404; npm error 404 Not Found");
        assert_eq!(last_words(b""), "it said nothing");
    }
}
