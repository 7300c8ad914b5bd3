//! What stands in the files of a log.

use std::path::Path;

use spool::faulty::FaultyDisk;
use spool::{AnyDisk, Options, Spool, Upto};

/// A small whole log: its disk and the path of each of its files.
fn log() -> (FaultyDisk, Vec<std::path::PathBuf>) {
    let disk = FaultyDisk::default();
    let options = Options { segment_bytes: 150, ..Options::default() };
    for run in 0..2_u8 {
        let opened = Spool::open_at(&AnyDisk::faulty(&disk), Path::new("d"), &options);
        let (mut writer, _, _) = opened.expect("a healthy disk");
        for record in 0..4_u8 {
            writer.append(&[run * 16 + record; 40]).expect("room");
        }
        writer.commit().expect("a healthy disk");
    }
    let paths = disk.paths();
    (disk, paths)
}

fn open_with(path_of: impl Fn(&Path) -> bool, bytes: &[u8]) {
    let (disk, paths) = log();
    let path = paths.iter().rfind(|path| path_of(path)).expect("a log has it");
    disk.put(path, bytes);
    let options = Options { record_bytes_max: 1 << 16, ..Options::default() };
    let Ok((mut writer, log, _)) =
        Spool::open_at(&AnyDisk::faulty(&disk), Path::new("d"), &options)
    else {
        return;
    };
    // What opens can be written and read.
    writer.append(b"more").expect("room");
    writer.commit().expect("a healthy disk");
    let Ok(mut reader) = log.read_from(log.oldest()) else { return };
    let mut at = spool::Position::ZERO;
    while let Ok(Some(record)) = reader.next(Upto::Durable) {
        assert!(record.at >= at && record.next > record.at, "positions rise");
        at = record.next;
    }
}

/// The newest segment of a log after who knows what.
pub fn segment(bytes: &[u8]) {
    open_with(|path| path.extension().is_some_and(|extension| extension == "log"), bytes);
}

/// The ledger of a log after who knows what.
pub fn ledger(bytes: &[u8]) {
    open_with(|path| path.ends_with("ledger"), bytes);
}
