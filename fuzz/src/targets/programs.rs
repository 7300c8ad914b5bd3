//! What the two programs keep and are told.

use std::path::Path;

use deduplicator::simulated;
use spool::faulty::FaultyDisk;
use spool::{AnyDisk, CursorFile, Options};

/// A cursor file, and an intent in it.
pub fn cursor(bytes: &[u8]) {
    let disk = FaultyDisk::default();
    disk.put(Path::new("d/x.intent"), bytes);
    let any = AnyDisk::faulty(&disk);
    let file = CursorFile::open_at(&any, "d/x.intent".into()).expect("nothing is opened yet");
    let loaded = file.load();
    let intent = store::Intent::open_at(&any, Path::new("d"), "x").expect("nothing is opened yet");
    let begun = intent.begun_at(spool::Position::ZERO);
    assert!(loaded.is_ok() || begun.is_err(), "damage is an error for the intent too");
    // Under a good checksum: another version's.
    file.store(bytes).expect("a healthy disk");
    assert_eq!(file.load().expect("just stored").as_deref(), Some(bytes));
    drop(intent.begun_at(spool::Position::ZERO));
}

/// A checkpoint whose checksum is good and whose content is another version's.
pub fn checkpoint(bytes: &[u8]) {
    let disk = FaultyDisk::default();
    let site = simulated::Site {
        disk: AnyDisk::faulty(&disk),
        data_dir: "d".into(),
        options: Options::default(),
        merge: merge::Config::default(),
    };
    let path = site.checkpoints().join("0000000001");
    let file = CursorFile::open_at(&site.disk, path).expect("nothing is opened yet");
    file.store(bytes).expect("a healthy disk");
    drop(site.restart());
}

/// A record of the journal.
pub fn journal(bytes: &[u8]) {
    if let Ok(record) = simulated::decode(bytes) {
        let again = simulated::decode(&simulated::encode(&record)).expect("our own record");
        assert_eq!(again, record, "a record is read as it was written");
    }
}

/// Flags of both programs and lines of `.env`: one flag and its value a line.
pub fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.lines().flat_map(|line| line.splitn(2, ' ')).collect();
    let named = |name: &'static str| std::iter::once(name).chain(words.iter().copied());
    use clap::Parser as _;
    if let Ok(args) = gatherer::Args::try_parse_from(named("kalshi-gatherer"))
        && let Err(problems) = gatherer::Config::from_args(args)
    {
        assert!(!problems.is_empty() && problems.iter().all(|line| !line.is_empty()));
    }
    if let Ok(args) = deduplicator::Args::try_parse_from(named("kalshi-deduplicator"))
        && let Err(problems) = deduplicator::Config::from_args(args)
    {
        assert!(!problems.is_empty() && problems.iter().all(|line| !line.is_empty()));
    }
    for line in dotenvy::from_read_iter(bytes) {
        if line.is_err() {
            break;
        }
    }
}
