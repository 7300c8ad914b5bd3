//! One gatherer: a connection to the exchange, a spool, and the sending half of its stream.

use std::path::Path;

use proto::{Batch, Capture, Heartbeat, Stamp, push_record};
use spool::faulty::{End, FaultyDisk, Rng};
use spool::{AnyDisk, Log, Options, Position, ReadError, Reader, Spool, Upto, Writer};

use crate::plan::MS;
use crate::world::WALL;

const DIR: &str = "spool";

/// What a record is about, for the oracle only.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Tag {
    Event { market: usize, at: usize },
    State { market: usize, state: usize },
    Other,
}

/// One record that is, or was, in the spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    at: Position,
    pub(crate) session: u64,
    /// 0 for what is not sequenced.
    pub(crate) seq: u64,
    pub(crate) tag: Tag,
}

/// A connection to the exchange.
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) seq: u64,
    /// When the newest frame on the way arrives: frames do not overtake each other.
    pub(crate) received: i64,
}

/// A running program's spool.
struct Running {
    writer: Writer,
    log: Log,
    sessions: u64,
    reader: Option<Reader>,
}

pub(crate) struct Gatherer {
    pub(crate) name: String,
    disk: FaultyDisk,
    running: Option<Running>,
    pub(crate) session: Option<Session>,
    pub(crate) latency: i64,
    /// How far its clock is from ours.
    skew: i64,
    /// Every record that no crash took.
    pub(crate) kept: Vec<Kept>,
    acked: Option<Position>,
    /// Numbers streams: what is on the way for an earlier one arrives nowhere.
    pub(crate) epoch: u64,
    pub(crate) linked: bool,
    /// When the newest message on the way arrives.
    pub(crate) arrived: i64,
}

impl Gatherer {
    pub(crate) fn new(name: String, latency: i64, skew: i64) -> Self {
        Self {
            name,
            disk: FaultyDisk::default(),
            running: None,
            session: None,
            latency,
            skew,
            kept: Vec::new(),
            acked: None,
            epoch: 0,
            linked: false,
            arrived: 0,
        }
    }

    pub(crate) fn disk(&self) -> &FaultyDisk {
        &self.disk
    }

    pub(crate) fn runs(&self) -> bool {
        self.running.is_some()
    }

    fn options(now: i64) -> Options {
        Options {
            segment_bytes: 8_000,
            incarnation_min: u32::try_from((WALL + now) / (1_000 * MS)).unwrap_or(1),
            ..Options::default()
        }
    }

    /// Opens the spool; what a crash took is forgotten here too. `Err`: the disk is gone again.
    pub(crate) fn start(&mut self, now: i64) -> Result<(), String> {
        let disk = AnyDisk::faulty(&self.disk);
        let (writer, log, _) = Spool::open_at(&disk, Path::new(DIR), &Self::options(now))
            .map_err(|error| format!("{error:?}"))?;
        let oldest = log.oldest();
        let mut there = Vec::new();
        let mut reader = log.read_from(oldest).map_err(|error| format!("{error:?}"))?;
        while let Some(record) = reader.next(Upto::Durable).map_err(|error| format!("{error:?}"))? {
            there.push(record.at);
        }
        self.kept.retain(|kept| kept.at < oldest || there.binary_search(&kept.at).is_ok());
        let sessions = u64::from(log.written().incarnation) << 32;
        self.running = Some(Running { writer, log, sessions, reader: None });
        Ok(())
    }

    /// The program ends, well or badly.
    pub(crate) fn end(&mut self, end: End, rng: &mut Rng) {
        self.disk.crash(end, rng);
        (self.running, self.session, self.linked) = (None, None, false);
        self.epoch += 1;
    }

    /// A new connection; `None` if the program is down.
    pub(crate) fn open_session(&mut self, now: i64) -> Option<u64> {
        let running = self.running.as_mut()?;
        running.sessions += 1;
        let id = running.sessions;
        self.session = Some(Session { id, seq: 0, received: now });
        Some(id)
    }

    /// Keeps a record. `false`: the spool failed, and with it the program.
    pub(crate) fn keep(&mut self, now: i64, capture: What<'_>, (seq, tag): (u64, Tag)) -> bool {
        let stamp = Stamp { wall_ns: WALL + now + self.skew, mono_ns: now.unsigned_abs() };
        let (session, capture) = match capture {
            What::Opened(session) => {
                (session, Capture::SessionOpened { session, stamp, about: "{}" })
            }
            What::Frame(session, bytes) => (session, Capture::Frame { session, stamp, bytes }),
            What::Closed(session) => {
                (session, Capture::SessionClosed { session, stamp, reason: "cut" })
            }
        };
        let Some(running) = &mut self.running else { return true };
        let mut bytes = Vec::new();
        capture.encode(&mut bytes);
        match running.writer.append(&bytes) {
            Ok(span) => self.kept.push(Kept { at: span.at, session, seq, tag }),
            Err(_) => return false,
        }
        true
    }

    /// `false`: as above.
    pub(crate) fn flush(&mut self) -> bool {
        self.running.as_mut().is_none_or(|running| running.writer.flush().is_ok())
    }

    /// `false`: as above.
    pub(crate) fn commit(&mut self) -> bool {
        self.running.as_mut().is_none_or(|running| running.writer.commit().is_ok())
    }

    /// A deduplicator dials; where its stream begins and how much is written.
    pub(crate) fn follow(
        &mut self,
        from: Option<proto::Position>,
    ) -> Option<(proto::Position, proto::Position)> {
        let running = self.running.as_mut()?;
        let log = &running.log;
        let reader = match from.map(|from| log.read_from(to_spool(from))) {
            Some(Ok(reader)) => reader,
            None
            | Some(Err(
                ReadError::Trimmed { .. } | ReadError::Ahead { .. } | ReadError::NotARecord { .. },
            )) => log.read_from(log.oldest()).ok()?,
            Some(Err(_)) => return None,
        };
        let told = (to_wire(reader.position()), to_wire(log.written()));
        running.reader = Some(reader);
        self.linked = true;
        Some(told)
    }

    /// What the stream sends next: up to `most` records, or a heartbeat.
    pub(crate) fn next_message(&mut self, now: i64, most: u32) -> Option<Message> {
        let wall_ns = WALL + now + self.skew;
        let running = self.running.as_mut()?;
        let reader = running.reader.as_mut()?;
        let written = running.log.written();
        let mut records = Vec::new();
        let (mut first, mut count) = (reader.position(), 0);
        while count < most {
            match reader.next(Upto::Written) {
                Ok(Some(record)) => {
                    if count == 0 {
                        first = record.at;
                    }
                    push_record(&mut records, record.payload);
                    count += 1;
                }
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        if count > 0 {
            let (first, next) = (to_wire(first), to_wire(reader.position()));
            let (records, written) = (records.into(), to_wire(written));
            return Some(Message::Batch(Batch { first, next, count, records, written, wall_ns }));
        }
        // What was received is not all written: how far we are is not to be said now.
        if running.writer.next() != written {
            return None;
        }
        let nothing_since =
            reader.position().incarnation < written.incarnation && written.offset == 0;
        let sent = if nothing_since { written } else { reader.position() };
        let (written, sent_below) = (to_wire(written), to_wire(sent));
        Some(Message::Heartbeat(Heartbeat { written, wall_ns, sent_below }))
    }

    /// Takes an ack, and deletes at once what it allows to.
    pub(crate) fn ack(&mut self, below: proto::Position) -> u64 {
        let below = to_spool(below);
        let Some(running) = &mut self.running else { return 0 };
        if running.reader.as_ref().is_some_and(|reader| below <= reader.position()) {
            self.acked = self.acked.max(Some(below));
        }
        let Some(acked) = self.acked else { return 0 };
        running.log.trim(acked).map_or(0, |report| report.segments)
    }

    pub(crate) fn hang_up(&mut self) {
        self.epoch += 1;
        self.linked = false;
        if let Some(running) = &mut self.running {
            running.reader = None;
        }
    }
}

/// What is to be kept.
pub(crate) enum What<'a> {
    Opened(u64),
    Frame(u64, &'a [u8]),
    Closed(u64),
}

/// What a stream carries.
#[derive(Clone)]
pub(crate) enum Message {
    Batch(Batch),
    Heartbeat(Heartbeat),
}

fn to_wire(position: Position) -> proto::Position {
    proto::Position { incarnation: position.incarnation, offset: position.offset }
}

fn to_spool(position: proto::Position) -> Position {
    Position { incarnation: position.incarnation, offset: position.offset }
}
