//! The program itself: exit codes, what it says, what it leaves behind.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use crate::world::{LIMIT, ed25519_pem};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exchange-sim"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn key(folder: &Path) -> String {
    let path = folder.join("public.pem");
    std::fs::write(&path, ed25519_pem(&[7; 32])).unwrap();
    path.to_str().unwrap().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn everything_that_makes_no_sense_is_said_at_once() {
    let wrong =
        ["--listen", "nowhere", "--public-key", "/no/such", "--faults", "tea=1", "--markets", "0"];
    let output = program().args(wrong).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(said(&output).lines().count(), 4, "{}", said(&output));
    let output = program().arg("--listen-to-me").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(program().arg("--help").output().unwrap().status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private.pem");
    std::fs::write(&private, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let output = program().arg("--public-key").arg(&private).output().unwrap();
    assert!(said(&output).contains("this is a private key"), "{}", said(&output));
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (key, truth) = (key(folder.path()), folder.path().join("truth"));
    let args = ["--listen", &address, "--public-key", &key, "--truth", truth.to_str().unwrap()];
    let output = program().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with(&format!("exchange-sim: cannot listen on {address}: ")));
    assert_eq!(said(&output).lines().count(), 1);
    assert!(!truth.exists(), "nothing half-made is left behind");
}

#[test]
fn it_tells_its_port_and_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (key, port) = (key(folder.path()), folder.path().join("port"));
    let args =
        ["--listen", "127.0.0.1:0", "--public-key", &key, "--port-file", port.to_str().unwrap()];
    let mut child = Ended(program().args(args).spawn().unwrap());
    let waited = (0..LIMIT.as_millis() / 20).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        port.exists()
    });
    assert!(waited, "the port file appears");
    let address = std::fs::read_to_string(&port).unwrap();
    std::net::TcpStream::connect(address).unwrap();
    let id = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

/// A child that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
