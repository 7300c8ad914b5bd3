//! Opening a log: lock, recover, begin a new incarnation, start the committer.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    Cut, Log, OpenError, Options, Position, Writer,
    committer::Committer,
    error::IoFailure,
    files::{Disk, Files},
    ledger::Marks,
    recovery,
    segment::{self, HEADER_BYTES, Header},
    shared::{Parts, Shared},
    table::{Entry, Table},
    tail::{self, Tail},
};

/// The way in.
pub struct Spool;

/// What an opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The incarnation that begins now.
    pub incarnation: u32,
    /// Whole records in the segments that were checked: from the one that holds the durable mark.
    pub records: u64,
    /// What was cut off because a crash came before its fsync.
    pub cut: Option<Cut>,
    /// Where the log ended; [`Position::ZERO`] if it is new.
    pub end: Position,
}

impl Spool {
    /// Opens the log in a folder, which is created if need be, and begins a new incarnation.
    ///
    /// Everything found is durable when this returns. Damage is an error, and then nothing was
    /// changed on disk.
    pub fn open(dir: &Path, options: Options) -> Result<(Writer, Log, Recovered), OpenError> {
        let every = options.commit_every.max(Duration::from_micros(100));
        let (mut writer, shared, recovered) = open_on(Arc::new(Disk), dir, &options)?;
        let committer = Committer::start(Arc::clone(&shared), every)
            .map_err(|source| IoFailure::new("start the committing thread for", dir, source))?;
        writer.commit_by(committer);
        Ok((writer, Log::new(shared), recovered))
    }
}

/// Opens without a committer: nothing becomes durable but by [`Writer::commit`].
pub(crate) fn open_on(
    files: Arc<dyn Files>,
    dir: &Path,
    options: &Options,
) -> Result<(Writer, Arc<Shared>, Recovered), OpenError> {
    files.create_dir_all(dir).map_err(|source| IoFailure::new("create", dir, source))?;
    let lock_path = dir.join("lock");
    let lock = files
        .lock(&lock_path)
        .map_err(|source| IoFailure::new("lock", lock_path, source))?
        .ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let mut whole = recovery::recover(&*files, dir)?;
    whole.incarnation = whole.incarnation.max(options.incarnation_min);
    let start = Position { incarnation: whole.incarnation, offset: 0 };
    let path = segment::path(dir, start);
    let failed = |source| IoFailure::new("begin the segment", &path, source);
    let header = Header { start, previous: whole.end };
    let file =
        tail::create(&*files, &path, header).map_err(|unfinished| failed(unfinished.source))?;
    file.sync_data().map_err(failed)?;
    files.sync_dir(dir).map_err(failed)?;
    let oldest = whole.ledger.marks().oldest;
    whole.ledger.write_synced(Marks { durable: start, oldest })?;
    whole.ledger.sync_every(options.commits_per_second());
    let on_disk = whole.entries.iter().map(Entry::file_bytes).sum::<u64>() + HEADER_BYTES as u64;
    whole.entries.push(Entry { start, previous: whole.end, end: None });
    let recovered = Recovered {
        incarnation: whole.incarnation,
        records: whole.records,
        cut: whole.cut,
        end: whole.end,
    };
    let shared = Arc::new(Shared::new(Parts {
        dir: dir.to_owned(),
        incarnation: whole.incarnation,
        tail: Tail::new(file, dir, start, options),
        table: Table::new(whole.entries),
        ledger: whole.ledger,
        on_disk,
        files,
    }));
    let writer = Writer::new(Arc::clone(&shared), lock, options.record_bytes_max);
    Ok((writer, shared, recovered))
}
