//! The log with its committing thread, on a real disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use spool::{OpenError, Options, Position, Spool, TrimError, Upto};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn records_become_durable_by_themselves_and_watchers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, log, recovered) = Spool::open(dir.path(), Options::default()).unwrap();
    assert_eq!((recovered.incarnation, recovered.end), (1, Position { incarnation: 0, offset: 0 }));
    let told = Arc::new(AtomicU64::new(0));
    let teller = Arc::clone(&told);
    log.on_advance(Box::new(move |durable| teller.store(durable.offset, Ordering::SeqCst)));
    let span = writer.append(b"a record").unwrap();
    assert!(log.wait_durable(span.next, LONG));
    assert!(log.durable() >= span.next);
    assert!(!log.wait_durable(Position { offset: 1_000, ..span.next }, Duration::from_millis(30)));
    drop(writer);
    assert_eq!(told.load(Ordering::SeqCst), span.next.offset);
    assert!(!log.wait_durable(Position { offset: 1_000, ..span.next }, LONG), "it is closed");
    assert!(matches!(log.trim(span.next), Err(TrimError::Closed { .. })));
}

#[test]
fn a_log_begun_anew_never_repeats_positions_of_the_one_that_was_lost() {
    let at = |seconds| Options { incarnation_min: seconds, ..Options::default() };
    let lost = tempfile::tempdir().unwrap();
    for (seconds, incarnation) in [(1_000, 1_000), (1_000, 1_001), (2_000, 2_000), (5, 2_001)] {
        let (mut writer, log, recovered) = Spool::open(lost.path(), at(seconds)).unwrap();
        assert_eq!(recovered.incarnation, incarnation);
        writer.append(b"a record").unwrap();
        writer.commit().unwrap();
        let mut reader = log.read_from(Position { incarnation: 1_000, offset: 0 }).unwrap();
        assert_eq!(reader.next(Upto::Durable).unwrap().unwrap().payload, b"a record");
    }
    let anew = tempfile::tempdir().unwrap();
    let (mut writer, log, _) = Spool::open(anew.path(), at(3_000)).unwrap();
    let first = writer.append(b"another").unwrap();
    writer.commit().unwrap();
    let mut reader = log.read_from(Position { incarnation: 1_000, offset: 16 }).unwrap();
    assert_eq!(reader.next(Upto::Durable).unwrap().unwrap().at, first.at);
}

#[test]
fn a_reader_follows_a_live_writer_over_many_segments() {
    const RECORDS: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 100_000,
        commit_every: Duration::from_millis(1),
        ..Options::default()
    };
    let (mut writer, log, _) = Spool::open(dir.path(), options).unwrap();
    let readers = [Upto::Written, Upto::Durable].map(|upto| {
        let log = log.clone();
        thread::spawn(move || {
            let mut reader = log.read_from(log.oldest()).unwrap();
            let mut number = 0_u64;
            while number < RECORDS {
                let Some(record) = reader.next(upto).unwrap() else {
                    thread::yield_now();
                    continue;
                };
                assert_eq!(record.payload[..8], number.to_le_bytes());
                assert_eq!(record.payload.len() as u64, 8 + number % 50);
                assert!(upto == Upto::Written || record.next <= log.durable());
                number += 1;
            }
        })
    });
    for number in 0..RECORDS {
        let rest = vec![7; (number % 50) as usize];
        writer.append_parts(&[&number.to_le_bytes(), &rest]).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(log.wait_durable(writer.next(), LONG));
}

#[test]
fn one_opener_at_a_time_and_the_error_names_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, log, _) = Spool::open(dir.path(), Options::default()).unwrap();
    let error = Spool::open(dir.path(), Options::default()).map(|_| ()).expect_err("locked");
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    drop(writer);
    let (_writer, _, recovered) = Spool::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.incarnation, 2);
    drop(log);
}

#[test]
fn a_folder_that_cannot_be_made_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "in the way").unwrap();
    let path = dir.path().join("file/log");
    let error = Spool::open(&path, Options::default()).map(|_| ()).expect_err("not a folder");
    assert!(error.to_string().starts_with("cannot create /"), "{error}");
}

/// Written by the first release; never changed, read for ever.
const FIXTURE: &str = "tests/fixtures/v1";

fn fixture_records() -> Vec<Vec<u8>> {
    (0..12_u8).map(|n| vec![b'a' + n; usize::from(n) * 7]).collect()
}

fn fixture_options() -> Options {
    Options { segment_bytes: 200, commit_every: LONG, ..Options::default() }
}

#[test]
fn version_1_is_read_for_ever() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let (mut writer, log, recovered) = Spool::open(dir.path(), fixture_options()).unwrap();
    assert_eq!((recovered.incarnation, recovered.cut), (3, None));
    writer.append(b"written by this version").unwrap();
    writer.commit().unwrap();
    let mut reader = log.read_from(Position { incarnation: 0, offset: 0 }).unwrap();
    for expected in fixture_records() {
        assert_eq!(reader.next(Upto::Durable).unwrap().unwrap().payload, expected);
    }
    let last = reader.next(Upto::Durable).unwrap().unwrap();
    assert_eq!(last.payload, b"written by this version");
    let cursor = spool::CursorFile::open(dir.path().join("cursor")).unwrap();
    assert_eq!(cursor.load().unwrap().as_deref(), Some(&b"2:154"[..]));
}

#[test]
fn this_version_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_fixture(dir.path());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
    let mut names = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let name = entry.unwrap().file_name();
        // The lock is empty; the ledger's sequence counts commits, which a timer makes.
        if name == "lock" || name == "ledger" {
            continue;
        }
        let written = std::fs::read(dir.path().join(&name)).unwrap();
        let kept = std::fs::read(fixture.join(&name)).unwrap();
        assert_eq!(written, kept, "{name:?}");
        names += 1;
    }
    assert_eq!(names, std::fs::read_dir(&fixture).unwrap().count() - 1, "all but the ledger");
}

fn write_fixture(dir: &Path) {
    let records = fixture_records();
    for half in records.chunks(6) {
        let (mut writer, _, _) = Spool::open(dir, fixture_options()).unwrap();
        for record in half {
            writer.append(record).unwrap();
        }
        writer.commit().unwrap();
    }
    spool::CursorFile::open(dir.join("cursor")).unwrap().store(b"2:154").unwrap();
}

/// Run once for each new format version: `SPOOL_FIXTURE=DIR cargo test -- --ignored make_fixture`.
#[test]
#[ignore = "makes the fixture of a new format version"]
fn make_fixture() {
    let dir = std::env::var_os("SPOOL_FIXTURE").expect("SPOOL_FIXTURE=DIR");
    write_fixture(Path::new(&dir));
    std::fs::remove_file(Path::new(&dir).join("lock")).unwrap();
}
