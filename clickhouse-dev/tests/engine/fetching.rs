//! What a person is told when the engine cannot be fetched, and that nothing half-made stays.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

/// Starts the program with an empty cache and, on the PATH, only this script as `npm`.
fn start_with_npm(npm: Option<&str>) -> (Output, Vec<String>) {
    let (path, cache) =
        (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    if let Some(script) = npm {
        let file = path.path().join("npm");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("write");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_clickhouse-dev"))
        .args(["--listen", "127.0.0.1:0", "--engine", "embedded", "--cache"])
        .arg(cache.path())
        .env("PATH", path.path())
        .output()
        .expect("runs");
    (output, left_in(cache.path()))
}

fn left_in(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache).expect("list").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".lock"))
        .collect()
}

fn check(npm: Option<&str>, says: &str) {
    let (output, left) = start_with_npm(npm);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(says), "{said}");
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn no_npm() {
    check(None, "install Node.js (npm)");
}

#[test]
fn npm_without_a_network() {
    check(Some("echo 'npm error code ENOTFOUND' >&2; exit 1"), "npm error code ENOTFOUND; check");
}

#[test]
fn a_package_that_is_not_the_pinned_one() {
    // $5 is the folder after --pack-destination.
    check(Some("echo something else > $5/chdb.tgz"), "package archive is not the pinned one");
}
