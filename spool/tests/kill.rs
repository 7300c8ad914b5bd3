//! kill -9 of a real process: nothing that was reported durable is lost, nothing is read twice.
//!
//! The test runs its own binary again as the process to be killed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use spool::{Options, Position, Spool, Upto};

const DIR: &str = "SPOOL_KILL_DIR";

fn options() -> Options {
    Options { segment_bytes: 200_000, commit_every: Duration::from_millis(1), ..Options::default() }
}

fn payload(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + (number % 300) as usize, number as u8);
    bytes
}

/// Appends numbered records for ever and prints each durable position, until it is killed.
#[test]
#[ignore = "the process that is killed by the test below"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (mut writer, log, recovered) = Spool::open(Path::new(&dir), options()).unwrap();
    let mut reader = log.read_from(log.oldest()).unwrap();
    let mut number = 0;
    while let Some(record) = reader.next(Upto::Durable).unwrap() {
        assert_eq!(record.payload, payload(number));
        number += 1;
    }
    writeln!(std::io::stdout(), "OPEN {} {number}", recovered.incarnation).unwrap();
    log.on_advance(Box::new(|durable: Position| {
        let told = writeln!(std::io::stdout(), "DURABLE {durable}");
        told.expect("the parent listens until it kills us");
    }));
    loop {
        let span = writer.append(&payload(number)).unwrap();
        number += 1;
        // Some unsynced records at any time, but no more than a slow disk takes at once.
        let behind = Position { offset: span.next.offset.saturating_sub(500_000), ..span.next };
        assert!(log.wait_durable(behind, Duration::from_secs(60)));
    }
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child live for some fsyncs; returns the last durable position it told.
fn kill_after(mut child: Child, fsyncs: usize) -> Position {
    let mut last = Position { incarnation: 0, offset: 0 };
    let mut told = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some(position) = line.strip_prefix("DURABLE ") {
            last = position.parse().unwrap();
            told += 1;
            if told == fsyncs {
                child.kill().unwrap();
                break;
            }
        }
    }
    assert_eq!(told, fsyncs, "the child ended by itself");
    // What it still printed before the signal came counts too; the last line may be cut.
    for line in lines.map_while(Result::ok) {
        if let Some(Ok(position)) = line.strip_prefix("DURABLE ").map(str::parse::<Position>)
            && position.incarnation == last.incarnation
            && line.len() >= format!("DURABLE {last}").len()
        {
            last = last.max(position);
        }
    }
    child.wait().unwrap();
    last
}

#[test]
fn kill_9_loses_nothing_that_was_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = 0;
    for round in 0..8 {
        let durable = kill_after(start(dir.path()), 1 + round * 5);
        let (writer, log, recovered) = Spool::open(dir.path(), options()).unwrap();
        assert_eq!(recovered.end.incarnation, durable.incarnation);
        assert!(recovered.end >= durable, "{durable} was durable, {} is left", recovered.end);
        let mut reader = log.read_from(log.oldest()).unwrap();
        let mut number = 0;
        while let Some(record) = reader.next(Upto::Durable).unwrap() {
            assert_eq!(record.payload, payload(number), "record {number}");
            number += 1;
        }
        assert!(number > kept, "each round appends");
        kept = number;
        drop(writer);
    }
}
