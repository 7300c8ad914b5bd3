//! The log against a vector: random actions, random faults, random crashes.
//!
//! `SPOOL_SEEDS=100000 cargo test -p spool model` runs more, `SPOOL_SEED=7` runs one.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::Rng;
use crate::{
    AppendError, Log, OpenError, Options, Position, ReadError, Reader, Upto, Writer,
    faulty::{End, FaultyDisk},
    opening::open_on,
};

struct Kept {
    at: Position,
    next: Position,
    payload: Vec<u8>,
}

struct World {
    disk: FaultyDisk,
    rng: Rng,
    options: Options,
    open: Option<(Writer, Log, Reader)>,
    /// Every record that is or may still be in the log.
    kept: Vec<Kept>,
    /// So many of them were reported durable.
    durable: usize,
    /// Whether a fault was injected since the last opening, after which errors are no surprise.
    faulted: bool,
    /// Everything from here on was never allowed to be trimmed.
    untrimmed: Position,
    /// Every position ever given out.
    given: BTreeMap<Position, Vec<u8>>,
    counts: Counts,
}

/// What the seeds have reached: a model that exercises nothing proves nothing.
#[derive(Default, Debug)]
struct Counts {
    lost: u64,
    cuts: u64,
    poisoned: u64,
    full: u64,
    trimmed: u64,
    quota: u64,
    failed_opens: u64,
}

#[test]
fn the_log_equals_a_vector_whatever_happens() {
    let number = |name| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    let seeds = match number("SPOOL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SPOOL_SEEDS").unwrap_or(1500),
    };
    let many = seeds.end - seeds.start >= 1000;
    let mut all = Counts::default();
    for seed in seeds {
        let told = SeedOnPanic(seed);
        let counts = World::new(seed).live(80);
        drop(told);
        all.add(&counts);
    }
    println!("{all:?}");
    if many {
        let Counts { lost, cuts, poisoned, full, trimmed, quota, failed_opens } = all;
        for count in [lost, cuts, poisoned, full, trimmed, quota, failed_opens] {
            assert!(count > 50, "some kind of fault is hardly ever reached: {all:?}");
        }
    }
}

struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with SPOOL_SEED={}", self.0);
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.cuts += other.cuts;
        self.poisoned += other.poisoned;
        self.full += other.full;
        self.trimmed += other.trimmed;
        self.quota += other.quota;
        self.failed_opens += other.failed_opens;
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let options = Options {
            segment_bytes: 200 + rng.below(600) as u64,
            quota_bytes: rng.chance(3).then(|| 3000 + rng.below(3000) as u64),
            record_bytes_max: 300,
            ..Options::default()
        };
        Self {
            disk: FaultyDisk::default(),
            rng,
            options,
            open: None,
            kept: Vec::new(),
            durable: 0,
            faulted: false,
            untrimmed: Position::ZERO,
            given: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn live(mut self, steps: usize) -> Counts {
        self.reopen();
        for _ in 0..steps {
            match self.rng.below(24) {
                0..=8 => self.append(),
                9..=10 => self.flush(),
                11..=13 => self.commit(),
                14..=16 => self.read_from_somewhere(),
                17 => self.follow(),
                18 => self.trim(),
                19 => self.inject(),
                20 => self.disk.room(None),
                21 => self.close(),
                22 => self.crash(End::Killed),
                _ => self.crash(End::PowerLoss),
            }
            if self.open.is_none() {
                self.reopen();
            }
        }
        self.crash(End::PowerLoss);
        self.reopen();
        self.counts
    }

    fn append(&mut self) {
        let (writer, _, _) = self.open.as_mut().expect("open");
        let length = self.rng.below(310);
        let payload = self.rng.bytes(length);
        let expected = writer.next();
        let (head, rest) = payload.split_at(length / 3);
        match writer.append_parts(&[head, rest]) {
            Ok(span) => {
                assert_eq!(span.at, expected);
                assert_eq!(span.next.offset, span.at.offset + 8 + length as u64);
                let before = self.given.insert(span.at, payload.clone());
                assert_eq!(before, None, "{} was given out before", span.at);
                self.kept.push(Kept { at: span.at, next: span.next, payload });
            }
            Err(AppendError::TooLong { bytes, max: 300 }) => assert!(bytes > 300),
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &AppendError) {
        match error {
            AppendError::QuotaExceeded { on_disk, quota } => {
                assert_eq!(Some(*quota), self.options.quota_bytes);
                assert!(on_disk + 400 > *quota);
                self.counts.quota += 1;
            }
            AppendError::DiskFull { .. } => {
                assert!(self.faulted, "{error}");
                self.counts.full += 1;
            }
            _ => {
                assert!(self.faulted, "{error}");
                self.counts.poisoned += 1;
            }
        }
    }

    fn flush(&mut self) {
        let (writer, log, _) = self.open.as_mut().expect("open");
        match writer.flush() {
            Ok(written) => {
                assert_eq!((written, written), (writer.next(), log.written()));
            }
            Err(error) => self.refused(&error),
        }
    }

    fn commit(&mut self) {
        let (writer, log, _) = self.open.as_mut().expect("open");
        match writer.commit() {
            Ok(durable) => {
                assert_eq!((durable, durable), (writer.next(), log.durable()));
            }
            Err(error) => self.refused(&error),
        }
        self.note_durable();
    }

    fn note_durable(&mut self) {
        let (_, log, _) = self.open.as_ref().expect("open");
        let durable = log.durable();
        let count = self.kept.partition_point(|kept| kept.next <= durable);
        assert!(count >= self.durable, "the durable position went back");
        self.durable = count;
    }

    fn inject(&mut self) {
        match self.rng.below(4) {
            0 => self.disk.fail_next_sync(),
            1 => self.disk.fail_next_write(),
            2 => self.disk.room(Some(self.rng.below(1500))),
            _ => self.disk.fuse(Some(self.rng.below(12))),
        }
        self.faulted = true;
    }

    /// Every position ever given out reads the records that followed it, all of them and no others.
    fn read_from_somewhere(&mut self) {
        let (_, log, _) = self.open.as_ref().expect("open");
        let pick = self.rng.below(self.given.len() + 1);
        let position = self.given.keys().nth(pick).copied().unwrap_or(Position::ZERO);
        let upto = if self.rng.chance(2) { Upto::Written } else { Upto::Durable };
        let limit = if upto == Upto::Written { log.written() } else { log.durable() };
        let mut expected =
            self.kept.iter().filter(|kept| kept.at >= position && kept.next <= limit);
        let read = log.read_from(position).and_then(|mut reader| {
            while let Some(record) = reader.next(upto)? {
                let kept = expected.next().expect("nothing is read that was not kept");
                assert_eq!((record.at, record.next), (kept.at, kept.next));
                assert_eq!(record.payload, kept.payload);
            }
            Ok(())
        });
        match read {
            Ok(()) => assert_eq!(expected.next().map(|kept| kept.at), None, "from {position}"),
            Err(ReadError::Trimmed { oldest }) => {
                assert_eq!(oldest, log.oldest());
                assert!(position < oldest && position < self.untrimmed, "{position} {oldest}");
            }
            Err(error) => assert!(self.faulted, "{error}"),
        }
        let beyond = Position { offset: log.written().offset + 100_000, ..log.written() };
        assert!(matches!(log.read_from(beyond), Err(ReadError::Ahead { .. })));
    }

    /// The reader that was there all the time sees each record once.
    fn follow(&mut self) {
        let (_, log, reader) = self.open.as_mut().expect("open");
        let upto = if self.rng.chance(2) { Upto::Written } else { Upto::Durable };
        let limit = if upto == Upto::Written { log.written() } else { log.durable() };
        for _ in 0..self.rng.below(20) {
            let position = reader.position();
            let next = self.kept.iter().find(|kept| kept.at >= position && kept.next <= limit);
            match reader.next(upto) {
                // Deleted meanwhile, and still open.
                Ok(Some(record)) if record.at < log.oldest() => {
                    assert_eq!(record.payload, self.given[&record.at]);
                }
                Ok(read) => {
                    assert_eq!(read.map(|record| record.at), next.map(|kept| kept.at));
                    assert_eq!(read.map(|r| r.payload), next.map(|kept| &kept.payload[..]));
                }
                Err(ReadError::Trimmed { oldest }) => match log.read_from(oldest) {
                    Ok(again) => *reader = again,
                    Err(error) => assert!(self.faulted, "{error}"),
                },
                Err(error) => {
                    assert!(self.faulted, "{error}");
                    break;
                }
            }
        }
    }

    fn trim(&mut self) {
        let (_, log, _) = self.open.as_ref().expect("open");
        let pick = self.rng.below(self.kept.len() + 1);
        let before = self.kept.get(pick).map_or(log.written(), |kept| kept.next);
        self.untrimmed = self.untrimmed.max(before);
        match log.trim(before) {
            Ok(report) => {
                assert_eq!(report.oldest, log.oldest());
                self.counts.trimmed += report.segments;
            }
            Err(error) => assert!(self.faulted, "{error}"),
        }
        let oldest = log.oldest();
        let gone = self.kept.partition_point(|kept| kept.at < oldest);
        let needed = self.kept[..gone].iter().all(|kept| kept.next <= before);
        assert!(needed || oldest <= self.untrimmed, "trimmed beyond what was asked");
        self.drop_trimmed(oldest);
    }

    fn drop_trimmed(&mut self, oldest: Position) {
        let gone = self.kept.partition_point(|kept| kept.at < oldest);
        assert!(gone <= self.durable, "only what is durable is trimmed");
        self.kept.drain(..gone);
        self.durable -= gone;
    }

    fn close(&mut self) {
        let (writer, log, _) = self.open.take().expect("open");
        let at_end = writer.next();
        drop(writer);
        if !self.faulted {
            assert_eq!(log.durable(), at_end, "closing makes everything durable");
        }
        assert!(log.trim(at_end).is_err(), "a closed log is not changed");
        self.durable = self.kept.partition_point(|kept| kept.next <= log.durable());
        self.disk.crash(End::Killed, &mut self.rng);
    }

    fn crash(&mut self, end: End) {
        self.note_durable();
        self.disk.crash(end, &mut self.rng);
        self.open = None;
    }

    fn reopen(&mut self) {
        loop {
            if self.rng.chance(4) {
                self.disk.fuse(Some(self.rng.below(60)));
            }
            match open_on(Arc::new(self.disk.clone()), Path::new("d"), &self.options) {
                Ok((writer, shared, recovered)) => {
                    self.counts.cuts += u64::from(recovered.cut.is_some());
                    self.disk.fuse(None);
                    self.faulted = false;
                    return self.check(writer, Log::new(shared), recovered.end);
                }
                Err(OpenError::Io(_)) => {
                    self.counts.failed_opens += 1;
                    let end = if self.rng.chance(2) { End::Killed } else { End::PowerLoss };
                    self.disk.crash(end, &mut self.rng);
                }
                Err(error) => panic!("no bit was flipped, and yet: {error}"),
            }
        }
    }

    /// What is read is a prefix of what was appended, and holds all that was durable.
    fn check(&mut self, writer: Writer, log: Log, end: Position) {
        let oldest = log.oldest();
        assert!(oldest <= self.untrimmed.max(writer.next()), "trimmed on its own");
        self.drop_trimmed(oldest);
        let mut reader = log.read_from(oldest).expect("the oldest is there");
        let mut count = 0;
        while let Some(record) = reader.next(Upto::Durable).expect("readable") {
            let kept = self.kept.get(count).expect("nothing is read that was not appended");
            assert_eq!((record.at, record.payload), (kept.at, &kept.payload[..]));
            count += 1;
        }
        assert!(count >= self.durable, "{} durable records, {count} found", self.durable);
        assert!(self.kept[..count].last().is_none_or(|last| last.next <= end));
        self.counts.lost += (self.kept.len() - count) as u64;
        self.kept.truncate(count);
        self.durable = count;
        assert_eq!(reader.position(), writer.next());
        assert_eq!(log.durable(), writer.next());
        self.open = Some((writer, log, reader));
    }
}
