//! Broken on purpose: what is damage is reported with its place, and never ends the log silently.

use std::{path::Path, sync::Arc};

use super::Rng;
use crate::{
    Damage, Log, OpenError, Options, Position, ReadError, Recovered, Upto, Writer,
    faulty::{End, FaultyDisk},
    opening::open_on,
};

const DIR: &str = "d";

fn open(disk: &FaultyDisk) -> Result<(Writer, Log, Recovered), OpenError> {
    let options = Options { segment_bytes: 120, ..Options::default() };
    let (writer, shared, recovered) = open_on(Arc::new(disk.clone()), Path::new(DIR), &options)?;
    Ok((writer, Log::new(shared), recovered))
}

/// Everything in the log, or what stood in the way.
fn read_all(log: &Log) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut reader = log.read_from(Position::ZERO)?;
    let mut all = Vec::new();
    while let Some(record) = reader.next(Upto::Durable)? {
        all.push(record.payload.to_vec());
    }
    Ok(all)
}

fn reopened(disk: &FaultyDisk) -> Result<(Vec<Vec<u8>>, Recovered), String> {
    let (_writer, log, recovered) = open(disk).map_err(|error| error.to_string())?;
    Ok((read_all(&log).map_err(|error| error.to_string())?, recovered))
}

/// Two incarnations of several segments, nine records; the last `unsynced` were flushed only.
fn small_log(unsynced: usize) -> (FaultyDisk, Vec<Vec<u8>>) {
    let disk = FaultyDisk::default();
    let mut rng = Rng::new(5);
    let records: Vec<Vec<u8>> = (0..9).map(|n| rng.bytes(5 + n * 4)).collect();
    let (mut writer, _, _) = open(&disk).unwrap();
    for record in &records[..4] {
        writer.append(record).unwrap();
    }
    drop(writer);
    let (mut writer, _, _) = open(&disk).unwrap();
    for record in &records[4..9 - unsynced] {
        writer.append(record).unwrap();
    }
    writer.commit().unwrap();
    for record in &records[9 - unsynced..] {
        writer.append(record).unwrap();
    }
    writer.flush().unwrap();
    disk.crash(End::Killed, &mut rng);
    drop(writer);
    (disk, records)
}

#[test]
fn every_flipped_bit_in_a_durable_log_is_reported_or_harmless() {
    let (disk, records) = small_log(0);
    assert_eq!(reopened(&disk.copy()).unwrap().0, records);
    let mut reported = 0;
    for path in disk.paths() {
        let good = disk.contents(&path);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let broken = disk.copy();
            broken.put(&path, &bytes);
            match reopened(&broken) {
                // The other slot of the ledger, or a byte between the slots.
                Ok((read, recovered)) => {
                    assert!(path.ends_with("ledger"), "{} bit {bit}", path.display());
                    assert_eq!((read, recovered.cut), (records.clone(), None));
                }
                Err(message) => {
                    assert!(message.contains(path.to_str().unwrap()), "{message}");
                    reported += 1;
                }
            }
        }
    }
    let segments = disk.paths().into_iter().filter(|path| !path.ends_with("ledger"));
    assert_eq!(reported, segments.map(|path| disk.contents(&path).len() * 8).sum::<usize>());
}

#[test]
fn every_flipped_bit_beyond_the_last_fsync_costs_only_what_was_never_durable() {
    let (disk, records) = small_log(3);
    let mut cuts = 0;
    for path in disk.paths().into_iter().filter(|path| !path.ends_with("ledger")) {
        let good = disk.contents(&path);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let broken = disk.copy();
            broken.put(&path, &bytes);
            let Ok((read, recovered)) = reopened(&broken) else { continue };
            assert!(read.len() >= 6, "a durable record ended silently");
            assert_eq!(read, records[..read.len()]);
            let cut = recovered.cut.expect("what was cut is told");
            assert!(cut.bytes > 0);
            cuts += 1;
        }
    }
    assert!(cuts > 300, "{cuts}");
}

#[test]
fn every_cut_of_a_file_is_damage_below_the_mark_and_a_torn_tail_above() {
    for unsynced in [0, 3] {
        let (disk, records) = small_log(unsynced);
        for path in disk.paths() {
            let good = disk.contents(&path);
            for length in 0..good.len() {
                let broken = disk.copy();
                broken.put(&path, &good[..length]);
                match reopened(&broken) {
                    Ok((read, _)) => {
                        assert!(unsynced > 0 || path.ends_with("ledger"), "{}", path.display());
                        assert!(read.len() >= 9 - unsynced);
                        assert_eq!(read, records[..read.len()]);
                    }
                    Err(message) => assert!(message.contains(DIR), "{message}"),
                }
            }
        }
    }
}

#[test]
fn a_missing_file_is_damage() {
    let (disk, _) = small_log(0);
    let paths = disk.paths();
    assert_eq!(paths.len(), 5, "{paths:?}");
    for path in paths {
        let broken = disk.copy();
        broken.delete(&path);
        let error = reopened(&broken).expect_err("a file is missing");
        assert!(error.contains("is damaged"), "{}: {error}", path.display());
    }
}

#[test]
fn a_missing_file_behind_a_trimmed_start_is_damage_too() {
    let disk = FaultyDisk::default();
    let (mut writer, log, _) = open(&disk).unwrap();
    for _ in 0..9 {
        writer.append(&[7; 60]).unwrap();
    }
    let end = writer.commit().unwrap();
    assert!(log.trim(Position { offset: end.offset / 2, ..end }).unwrap().segments > 0);
    drop(writer);
    assert!(reopened(&disk.copy()).is_err(), "the start was trimmed and is told");
    let oldest = disk.paths().into_iter().find(|path| !path.ends_with("ledger")).unwrap();
    disk.delete(&oldest);
    assert!(matches!(open(&disk).map(|_| ()), Err(OpenError::Damaged(Damage { .. }))));
}

#[test]
fn damage_changes_nothing_on_disk() {
    let (disk, _) = small_log(0);
    let last = disk.paths().into_iter().rfind(|path| !path.ends_with("ledger")).unwrap();
    let mut bytes = disk.contents(&last);
    *bytes.last_mut().unwrap() ^= 1;
    disk.put(&last, &bytes);
    let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    let error = open(&disk).map(|_| ()).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged(ref damage) if damage.file == last), "{error}");
    let OpenError::Damaged(damage) = error else { unreachable!("asserted above") };
    assert_eq!(damage.why, "a record's checksum does not match");
    assert!(damage.offset >= 40 && damage.offset < bytes.len() as u64, "where the record begins");
    let after: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_flipped_byte_with_good_records_behind_it_names_file_and_offset() {
    let disk = FaultyDisk::default();
    let (mut writer, log, _) = open(&disk).unwrap();
    let span = writer.append(b"first").unwrap();
    writer.append(b"second").unwrap();
    writer.append(b"third").unwrap();
    writer.commit().unwrap();
    let path = disk.paths().into_iter().find(|path| !path.ends_with("ledger")).unwrap();
    let mut bytes = disk.contents(&path);
    bytes[40 + 13 + 8] ^= 0x10;
    disk.put(&path, &bytes);
    let mut reader = log.read_from(span.at).unwrap();
    assert_eq!(reader.next(Upto::Durable).unwrap().unwrap().payload, b"first");
    for _ in 0..2 {
        let error = reader.next(Upto::Durable).expect_err("damaged");
        let ReadError::Damaged(damage) = error else { panic!("{error}") };
        assert_eq!((damage.file, damage.offset), (path.clone(), 40 + 13));
    }
    assert_eq!(reader.position(), span.next);
}
