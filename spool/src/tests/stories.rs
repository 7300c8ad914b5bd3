//! Single promises, told on the disk in memory.

use std::{path::Path, sync::Arc};

use super::Rng;
use crate::faulty::{End, FaultyDisk};
use crate::{AppendError, Log, Options, Position, ReadError, Upto, Writer, opening::open_on};

fn open(disk: &FaultyDisk, options: &Options) -> (Writer, Log) {
    let (writer, shared, _) = open_on(Arc::new(disk.clone()), Path::new("d"), options).unwrap();
    (writer, Log::new(shared))
}

fn read(log: &Log, from: Position) -> Vec<Vec<u8>> {
    let mut reader = log.read_from(from).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next(Upto::Written).unwrap() {
        all.push(record.payload.to_vec());
    }
    all
}

#[test]
fn a_failed_fsync_ends_the_log_and_its_bytes_are_not_trusted_until_written_again() {
    let disk = FaultyDisk::default();
    let mut rng = Rng::new(1);
    let (mut writer, log) = open(&disk, &Options::default());
    let first = writer.append(&[1; 500]).unwrap();
    writer.commit().unwrap();
    writer.append(&[2; 500]).unwrap();
    disk.fail_next_sync();
    assert!(matches!(writer.commit(), Err(AppendError::Poisoned { .. })));
    assert_eq!(log.durable(), first.next);
    let error = writer.append(b"more").expect_err("poisoned");
    assert!(error.to_string().contains("the disk did not take it"), "{error}");
    assert!(error.to_string().contains(".log"), "{error}");
    assert_eq!(log.poisoned().is_some(), !error.is_transient());

    // The record is in the system's cache but not on disk; the next opening makes it durable.
    disk.crash(End::Killed, &mut rng);
    drop((writer, log));
    let (writer, log) = open(&disk, &Options::default());
    assert_eq!(read(&log, Position::ZERO), [vec![1; 500], vec![2; 500]]);
    disk.crash(End::PowerLoss, &mut rng);
    drop((writer, log));
    let (_writer, log) = open(&disk, &Options::default());
    assert_eq!(read(&log, Position::ZERO), [vec![1; 500], vec![2; 500]]);
}

#[test]
fn a_full_disk_is_told_with_the_path_and_works_again_once_there_is_room() {
    let disk = FaultyDisk::default();
    let (mut writer, log) = open(&disk, &Options::default());
    writer.append(b"accepted before").unwrap();
    disk.room(Some(5));
    let error = writer.flush().expect_err("full");
    assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("0000000001-"), "{error}");
    assert!(writer.append(b"refused").is_err(), "the stall shows at the next append");
    assert_eq!(log.poisoned(), None);
    disk.room(None);
    writer.append(b"accepted after").unwrap();
    writer.commit().unwrap();
    assert_eq!(read(&log, Position::ZERO), [&b"accepted before"[..], b"accepted after"]);
}

#[test]
fn no_room_for_a_new_segment_leaves_no_trace() {
    let disk = FaultyDisk::default();
    let options = Options { segment_bytes: 100, ..Options::default() };
    let (mut writer, log) = open(&disk, &options);
    writer.append(&[1; 50]).unwrap();
    writer.commit().unwrap();
    disk.room(Some(20));
    assert!(matches!(writer.append(&[2; 50]), Err(AppendError::DiskFull { .. })));
    assert_eq!(disk.paths().len(), 2, "{:?}", disk.paths());
    disk.room(None);
    writer.append(&[3; 50]).unwrap();
    writer.commit().unwrap();
    assert_eq!(read(&log, Position::ZERO), [vec![1; 50], vec![3; 50]]);
}

#[test]
fn the_quota_refuses_whole_records_and_trimming_makes_room() {
    let disk = FaultyDisk::default();
    let options = Options { quota_bytes: Some(4000), ..Options::default() };
    let (mut writer, log) = open(&disk, &options);
    let mut spans = Vec::new();
    let error = loop {
        match writer.append(&[9; 92]) {
            Ok(span) => spans.push(span),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::QuotaExceeded { quota: 4000, .. }), "{error}");
    assert!(spans.len() > 30 && log.bytes_on_disk() <= 4000, "{}", log.bytes_on_disk());
    let end = writer.commit().unwrap();
    let report = log.trim(end).unwrap();
    assert!(report.bytes > 2000 && report.oldest == log.oldest());
    let on_disk: usize = disk
        .paths()
        .iter()
        .filter(|path| !path.ends_with("ledger"))
        .map(|path| disk.contents(path).len())
        .sum();
    assert_eq!(log.bytes_on_disk(), on_disk as u64);
    writer.append(&[9; 92]).unwrap();
    assert!(matches!(
        log.read_from(spans[0].at),
        Err(ReadError::Trimmed { oldest }) if oldest == report.oldest
    ));
}

#[test]
fn only_what_is_durable_is_trimmed_and_never_the_live_segment() {
    let disk = FaultyDisk::default();
    let options = Options { segment_bytes: 100, ..Options::default() };
    let (mut writer, log) = open(&disk, &options);
    for _ in 0..4 {
        writer.append(&[4; 80]).unwrap();
    }
    let end = writer.flush().unwrap();
    assert_eq!(log.trim(end).unwrap().segments, 0);
    writer.commit().unwrap();
    assert_eq!(log.trim(end).unwrap().segments, 3);
    assert_eq!(read(&log, log.oldest()), [vec![4; 80]]);
}

#[test]
fn a_position_inside_a_record_is_told_from_damage() {
    let disk = FaultyDisk::default();
    let (mut writer, log) = open(&disk, &Options::default());
    let first = writer.append(&[0xee; 100]).unwrap();
    let second = writer.append(b"second").unwrap();
    writer.commit().unwrap();
    for offset in first.at.offset + 1..second.at.offset {
        let position = Position { offset, ..first.at };
        let error = log.read_from(position).unwrap().next(Upto::Durable).expect_err("inside");
        assert!(matches!(error, ReadError::NotARecord { position: p } if p == position));
    }
    assert_eq!(read(&log, second.at), [b"second"]);
}

#[test]
fn a_reader_sees_what_is_buffered_only_once_it_is_handed_over() {
    let disk = FaultyDisk::default();
    let (mut writer, log) = open(&disk, &Options::default());
    let span = writer.append(b"record").unwrap();
    let mut early = log.read_from(writer.next()).unwrap();
    let mut reader = log.read_from(span.at).unwrap();
    assert_eq!(reader.next(Upto::Written).unwrap(), None);
    writer.flush().unwrap();
    assert_eq!(reader.next(Upto::Durable).unwrap(), None);
    assert_eq!(reader.next(Upto::Written).unwrap().unwrap().payload, b"record");
    assert_eq!(reader.next(Upto::Durable).unwrap(), None);
    assert_eq!(early.next(Upto::Written).unwrap(), None);
    writer.append(b"later").unwrap();
    writer.commit().unwrap();
    assert_eq!(early.next(Upto::Durable).unwrap().unwrap().payload, b"later");
    assert_eq!(reader.next(Upto::Durable).unwrap().unwrap().payload, b"later");
}
