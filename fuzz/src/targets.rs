//! Everything that reads bytes from outside, each as one function that must not panic and whose
//! answers must hold together.
//!
//! Called by `simulation/tests/fuzz.rs` (stable, seeded, in every test run) and by
//! `fuzz/fuzz_targets` (cargo-fuzz, guided by coverage).

use std::path::Path;

use deduplicator::simulated;
use prost::Message as _;
use proto::rpc::{WireReply, WireRequest};
use proto::{Capture, FollowReply, FollowRequest};
use spool::faulty::FaultyDisk;
use spool::{AnyDisk, CursorFile, Options, Spool, Upto};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("frame", frame),
    ("rest", rest),
    ("capture", capture),
    ("messages", messages),
    ("segment", segment),
    ("ledger", ledger),
    ("cursor", cursor),
    ("checkpoint", checkpoint),
    ("journal", journal),
    ("settings", settings),
];

/// A WebSocket message of the exchange.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(exchange::decode_bytes(bytes).is_err(), "a frame that is no text");
        return;
    };
    let decoded = exchange::decode(text);
    assert_eq!(exchange::decode_bytes(bytes), decoded, "the same bytes mean the same");
    if let Ok(frame) = decoded {
        let peeked = exchange::peek_envelope(text).map(|peeked| peeked.seq);
        assert_eq!(peeked, Some(frame.seq), "whoever looks at the envelope only sees the same");
    }
}

/// A body of the exchange's REST interface.
pub fn rest(bytes: &[u8]) {
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    drop(exchange::rest::exchange_status(body));
    drop(exchange::rest::markets_page(body));
    drop(exchange::rest::market(body));
    drop(exchange::rest::trades_page(body));
    drop(exchange::rest::orderbook(body).map(exchange::rest::RestBook::to_yes_leg));
    drop(exchange::rest::orderbooks(body));
    for status in [200, 400, 401, 404, 429, 500, 503] {
        drop(exchange::RestError::of(status, body).to_string());
    }
    drop(exchange::rest_error_text(body));
}

/// A capture record, and a list of them as a batch carries it.
pub fn capture(bytes: &[u8]) {
    if let Ok(capture) = Capture::decode(bytes) {
        let mut again = Vec::new();
        capture.encode(&mut again);
        assert_eq!(again, bytes, "a record has one form");
    }
    let mut read = 0;
    for record in proto::records(bytes) {
        let Ok(record) = record else { break };
        read += record.len() + proto::RECORD_LENGTH_BYTES;
        assert!(read <= bytes.len());
        drop(Capture::decode(record));
    }
}

/// What the two ends of a stream send each other.
pub fn messages(bytes: &[u8]) {
    if let Ok(wire) = WireReply::decode(bytes)
        && let Ok(reply) = FollowReply::try_from(wire)
    {
        let wire = WireReply::from(reply.clone());
        assert_eq!(FollowReply::try_from(wire), Ok(reply), "what is good stays so");
    }
    if let Ok(wire) = WireRequest::decode(bytes)
        && let Ok(request) = FollowRequest::try_from(wire)
    {
        let wire = WireRequest::from(request.clone());
        assert_eq!(FollowRequest::try_from(wire), Ok(request), "what is good stays so");
    }
}

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
