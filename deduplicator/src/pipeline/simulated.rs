//! The deduplicator without sockets, threads and clocks: the same recovery, pipeline, journal and
//! checkpoints, moved by a scheduler that decides when anything happens and what a crash takes.
//!
//! For crate `simulation`; the program itself never comes here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use anyhow::Context as _;
use exchange::{Level, Moment, Side};
use merge::{GathererIndex, Record};
use proto::{Batch, Heartbeat, Position};
use service::clock::Clock;
use spool::{AnyDisk, Log, Options, Spool};
use tokio::sync::{mpsc, watch};

use super::{Ends, Pipeline, Question};
use crate::checkpoint::{self, Sealed};
use crate::ingest::{Event, Refresh};
use crate::journal::{Folders, Journal, codec};
use crate::latency::Latency;
use crate::recover;

/// What a gatherer's stream brings.
pub enum Heard {
    /// A stream stands.
    Connected {
        /// It begins here.
        from: Position,
        /// What the gatherer has written.
        written: Position,
    },
    /// The stream ended.
    Disconnected,
    /// Records.
    Batch(Batch),
    /// No records.
    Heartbeat(Heartbeat),
}

/// Where and how it runs.
#[derive(Clone)]
pub struct Site {
    /// The disk.
    pub disk: AnyDisk,
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// How the journal behaves.
    pub options: Options,
    /// The merge's waits and bounds.
    pub merge: merge::Config,
}

impl Site {
    fn folders(&self) -> Folders {
        Folders::below(&self.data_dir)
    }

    /// Folder of the sinks' intents.
    pub fn sinks(&self) -> PathBuf {
        self.folders().sinks
    }

    /// Folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folders().checkpoints
    }

    /// Up to where each gatherer's records would be in the state if the program started now.
    ///
    /// # Errors
    /// When it would not start.
    pub fn restart(&self) -> anyhow::Result<BTreeMap<String, Position>> {
        let folders = self.folders();
        let (_writer, log, _) = Spool::open_at(&self.disk, &folders.log, &self.options)?;
        let (dir, now) = (&folders.checkpoints, Moment::default());
        Ok(recover::recover_at(&self.disk, dir, &log, self.merge.clone(), now)?.positions)
    }
}

/// A running deduplicator.
pub struct Node {
    site: Site,
    pipeline: Pipeline,
    log: Log,
    gatherers: BTreeMap<String, GathererIndex>,
    acks: BTreeMap<String, watch::Receiver<Option<Position>>>,
    refreshes: BTreeMap<String, mpsc::Receiver<Refresh>>,
    restart_from: watch::Receiver<Option<spool::Position>>,
    sealed: Option<Sealed>,
    _others: (mpsc::Sender<Event>, mpsc::Sender<Question>),
}

impl Node {
    /// Recovers and stands ready; also says from where each gatherer is to be followed.
    ///
    /// # Errors
    /// When the disk fails or what it holds cannot be used.
    pub fn open(
        site: Site,
        gatherers: &[String],
        now: Moment,
    ) -> anyhow::Result<(Self, BTreeMap<String, Position>)> {
        let folders = site.folders();
        let (writer, log, _) = Spool::open_at(&site.disk, &folders.log, &site.options)?;
        let (dir, config) = (&folders.checkpoints, site.merge.clone());
        let mut recovered = recover::recover_at(&site.disk, dir, &log, config, now)?;
        let positions = recovered.positions.clone();
        let (events, received) = mpsc::channel(1);
        let (questions, asked) = mpsc::channel(1);
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        let (mut refreshes, mut refreshes_seen) = (BTreeMap::new(), BTreeMap::new());
        let mut indices = BTreeMap::new();
        for name in gatherers {
            indices.insert(name.clone(), recovered.merge.gatherer(name));
            let (ack, seen) = watch::channel(None);
            ours.insert(name.clone(), ack);
            theirs.insert(name.clone(), seen);
            let (refresh, seen) = mpsc::channel(crate::ingest::REFRESHES_MAX);
            refreshes.insert(name.clone(), refresh);
            refreshes_seen.insert(name.clone(), seen);
        }
        let (restart_from, restart_seen) = watch::channel(None);
        let ends = Ends {
            events: received,
            questions: asked,
            acks: ours,
            refreshes,
            view: watch::channel(crate::status::PipelineView::default()).0,
            restart_from,
            notes: crate::catalog_notes::Notes::nowhere(),
            audit: Arc::default(),
        };
        let clock = Clock::start();
        let owed = std::mem::take(&mut recovered.owed);
        let journal = Journal::new(writer, log.clone(), Arc::new(Latency::new(clock)));
        let checkpoints = folders.checkpoints.clone();
        let mut pipeline =
            Pipeline::new(recovered, journal, ends, checkpoints, Duration::MAX, clock);
        for record in &owed {
            at_once(pipeline.journal.append(record))?;
        }
        at_once(pipeline.carry_out())?;
        let node = Self {
            site,
            pipeline,
            log,
            gatherers: indices,
            acks: theirs,
            refreshes: refreshes_seen,
            restart_from: restart_seen,
            sealed: None,
            _others: (events, questions),
        };
        Ok((node, positions))
    }

    /// Takes in what a gatherer's stream brought.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn hear(&mut self, gatherer: &str, heard: Heard, now: Moment) -> anyhow::Result<()> {
        let gatherer = *self.gatherers.get(gatherer).context("a gatherer that is configured")?;
        let event = match heard {
            Heard::Connected { from, written } => Event::Connected { gatherer, from, written },
            Heard::Disconnected => Event::Disconnected { gatherer },
            Heard::Batch(batch) => Event::Batch { gatherer, batch },
            Heard::Heartbeat(heartbeat) => Event::Heartbeat { gatherer, heartbeat },
        };
        self.pipeline.take(&event, now);
        self.time_passed(now)
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn time_passed(&mut self, now: Moment) -> anyhow::Result<()> {
        self.pipeline.time_passed(now);
        at_once(self.pipeline.carry_out())
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.pipeline.merge.next_timeout()
    }

    /// Makes the journal durable, as its thread does.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn commit(&mut self) -> anyhow::Result<()> {
        self.pipeline.journal.commit().map(drop)
    }

    /// Seals a checkpoint, unless one waits to be written.
    pub fn begin_checkpoint(&mut self, before_minute: i64) {
        if self.sealed.is_none() {
            self.sealed = Some(self.pipeline.seal_checkpoint(before_minute));
        }
    }

    /// Writes the sealed checkpoint down, if the journal below it is durable, and lets go of what it
    /// releases. Says whether it did.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn store_checkpoint(&mut self) -> anyhow::Result<bool> {
        let Some(sealed) = self.sealed.take() else { return Ok(false) };
        if self.log.durable() < sealed.journal() {
            self.sealed = Some(sealed);
            return Ok(false);
        }
        let dir = self.site.checkpoints();
        let durable = checkpoint::store_at(&self.site.disk, &dir, &sealed, &self.log)?;
        at_once(self.pipeline.saved(durable))?;
        Ok(true)
    }

    /// Acks that are new.
    pub fn acks(&mut self) -> Vec<(String, Position)> {
        let mut new = Vec::new();
        for (name, acks) in &mut self.acks {
            if acks.has_changed().unwrap_or(false) {
                new.extend(acks.borrow_and_update().map(|position| (name.clone(), position)));
            }
        }
        new
    }

    /// Markets whose books are to be asked for again: gatherer, session, market.
    pub fn refreshes(&mut self) -> Vec<(String, u64, String)> {
        let mut all = Vec::new();
        for (name, refreshes) in &mut self.refreshes {
            while let Ok((session, market)) = refreshes.try_recv() {
                all.push((name.clone(), session, market.into()));
            }
        }
        all
    }

    /// Below this, no restart needs the journal.
    pub fn restart_from(&self) -> Option<spool::Position> {
        *self.restart_from.borrow()
    }

    /// The journal.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The book of a market: bids and asks.
    pub fn book(&self, ticker: &str) -> Option<(Vec<Level>, Vec<Level>)> {
        let market = self.pipeline.merge.markets().find(|market| market.ticker == ticker)?;
        Some((market.levels(Side::Yes), market.levels(Side::No)))
    }
}

/// What a record of the journal says.
///
/// # Errors
/// When it is none.
pub fn decode(payload: &[u8]) -> anyhow::Result<Record> {
    Ok(codec::decode(payload)?)
}

/// A record as the journal holds it.
pub fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(record, &mut bytes);
    bytes
}

/// The pipeline waits only for room on a full disk; a simulated disk that is full is a failed one.
fn at_once<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => anyhow::bail!("the disk is full"),
    }
}

/// Whether a path is a checkpoint's.
pub fn is_checkpoint(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("checkpoints"))
        && path.extension().is_none_or(|extension| extension != "tmp")
}
