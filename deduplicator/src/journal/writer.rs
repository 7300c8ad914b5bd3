//! Appends canonical records, waits where the disk has no room, and tells the latency gauge what
//! became durable.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use merge::Record;
use spool::{AppendError, Log, Position, Writer};

use super::codec;
use crate::latency::Latency;

/// A full disk is asked again after this long; meanwhile the gatherers are not read.
const FULL_DISK_PAUSE: Duration = Duration::from_millis(500);

/// The writing end of the journal.
pub(crate) struct Journal {
    writer: Writer,
    log: Log,
    latency: Arc<Latency>,
    buffer: Vec<u8>,
    receipts: Vec<(Position, i64)>,
}

impl Journal {
    pub(crate) fn new(writer: Writer, log: Log, latency: Arc<Latency>) -> Self {
        let watched = Arc::clone(&latency);
        log.on_advance(Box::new(move |durable| watched.durable(durable)));
        Self { writer, log, latency, buffer: Vec::new(), receipts: Vec::new() }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Behind everything appended.
    pub(crate) fn next(&self) -> Position {
        self.writer.next()
    }

    /// Appends; waits as long as the disk is full (policy: wait, back to the gatherers' spools).
    pub(crate) async fn append(&mut self, record: &Record) -> anyhow::Result<()> {
        codec::encode(record, &mut self.buffer);
        let mut told = false;
        let span = loop {
            match self.writer.append(&self.buffer) {
                Ok(span) => break span,
                Err(error @ AppendError::DiskFull { .. }) => {
                    if !std::mem::replace(&mut told, true) {
                        let error = format!("{:#}", anyhow::Error::from(error));
                        tracing::error!(
                            component = "journal",
                            event = "journal_full",
                            error,
                            "the journal waits for room"
                        );
                    }
                    tokio::time::sleep(FULL_DISK_PAUSE).await;
                }
                Err(error) => return Err(error).context("cannot append to the journal"),
            }
        };
        if let Some(wall_ns) = receipt(record) {
            self.receipts.push((span.next, wall_ns));
        }
        Ok(())
    }

    /// Ends a burst of appends: what it held is timed from now on.
    pub(crate) fn appended(&mut self) {
        self.latency.appended(&mut self.receipts);
    }

    /// Makes everything durable now.
    pub(crate) fn commit(&mut self) -> anyhow::Result<Position> {
        self.writer.commit().context("cannot make the journal durable")
    }
}

/// When the frame behind a record was received; `None` for records that repeat or account.
pub(crate) fn receipt(record: &Record) -> Option<i64> {
    match record {
        Record::Delta(delta) => Some(delta.from.wall_ns),
        Record::Snapshot(snapshot) if snapshot.origin != merge::Origin::Checkpoint => {
            Some(snapshot.from.wall_ns)
        }
        Record::Trade(trade) => Some(trade.from.wall_ns),
        Record::Ticker(ticker) => Some(ticker.from.wall_ns),
        Record::Lifecycle(lifecycle) => Some(lifecycle.from.wall_ns),
        _ => None,
    }
}
