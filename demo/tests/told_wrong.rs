//! What the demo is told wrongly is said in one line, with exit code 64, before anything is started.

use std::process::Command;

fn refused(flags: &[&str], named: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).args(flags).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{flags:?}: {said}");
    assert!(said.contains(named), "{flags:?}: {said}");
}

#[test]
fn a_recording_that_is_not_there_is_named() {
    refused(&["--replay", "/nonexistent/frames.ndjson"], "/nonexistent/frames.ndjson");
}

#[test]
fn a_number_that_is_none_is_named() {
    refused(&["--seconds", "soon"], "soon");
}
