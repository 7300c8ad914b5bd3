//! One deduplicator's stream: what it is told, when, and when it ends.
//!
//! A batch leaves as soon as there is something and the last one is 5 ms old; where there is nothing, a heartbeat leaves
//! every 250 ms. Frames leave before their fsync: a position never means two things.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use proto::{
    Batch, FollowReply, FollowRequest, Heartbeat, Hello, Start, limits, push_record,
    rpc::WireRequest,
};
use spool::{Position, ReadError, Reader, Upto};
use tokio::time::{sleep, timeout};
use tonic::{Status, Streaming};

use crate::{
    telemetry,
    uplink::{Place, Shared},
};

/// A stream, from its opening to its end.
pub(crate) struct Following {
    place: Place,
    requests: Streaming<WireRequest>,
    running: Option<Running>,
}

/// A stream that has begun.
struct Running {
    shared: Arc<Shared>,
    deduplicator: String,
    reader: Reader,
    written: tokio::sync::watch::Receiver<Position>,
    /// Something may have been written that is not sent.
    behind: bool,
    ended: &'static str,
    began_ns: u64,
    heard_ns: u64,
    sent_ns: u64,
    /// Not before this may the next batch leave.
    batch_from_ns: u64,
}

impl Following {
    pub(crate) fn new(place: Place, requests: Streaming<WireRequest>) -> Self {
        Self { place, requests, running: None }
    }

    /// The next reply; `None` ends the stream in good order.
    pub(crate) async fn next(&mut self) -> Result<Option<FollowReply>, Status> {
        match &mut self.running {
            Some(running) => running.next(&mut self.requests).await,
            None => {
                let start = first(&mut self.requests).await?;
                let (running, hello) = Running::begin(Arc::clone(self.place.shared()), start)?;
                self.running = Some(running);
                Ok(Some(FollowReply::Hello(hello)))
            }
        }
    }
}

async fn first(requests: &mut Streaming<WireRequest>) -> Result<Start, Status> {
    let late =
        || Status::deadline_exceeded(format!("no start within {:?}", limits::FIRST_ITEM_MAX));
    let wire = timeout(limits::FIRST_ITEM_MAX, requests.message()).await.map_err(|_| late())??;
    let wire = wire.ok_or_else(|| Status::invalid_argument("the stream ended before its start"))?;
    match checked(wire)? {
        FollowRequest::Start(start) => Ok(start),
        other => Err(Status::invalid_argument(format!("start must come first, not {other:?}"))),
    }
}

fn checked(wire: WireRequest) -> Result<FollowRequest, Status> {
    wire.try_into().map_err(|bad: proto::BadMessage| Status::invalid_argument(bad.to_string()))
}

impl Running {
    fn begin(shared: Arc<Shared>, start: Start) -> Result<(Self, Hello), Status> {
        let Start { deduplicator, from } = start;
        let reader = open(&shared, from.map(to_spool)).map_err(|error| unreadable(&error))?;
        let from = reader.position();
        let wall_ns = shared.flow.settled_wall_ns();
        let hello = Hello {
            gatherer_id: shared.gatherer_id.clone(),
            oldest: to_wire(shared.log.oldest()),
            written: to_wire(shared.log.written()),
            wall_ns,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            from: to_wire(from),
        };
        shared.acks.joined(&deduplicator);
        telemetry::stream_opened(&deduplicator, from);
        let now = shared.clock.mono_ns();
        let running = Self {
            deduplicator,
            reader,
            written: shared.written.clone(),
            behind: true,
            ended: "the deduplicator hung up",
            began_ns: now,
            heard_ns: now,
            sent_ns: now,
            batch_from_ns: now,
            shared,
        };
        Ok((running, hello))
    }

    async fn next(
        &mut self,
        requests: &mut Streaming<WireRequest>,
    ) -> Result<Option<FollowReply>, Status> {
        // While there is enough to send, nothing waits for requests: they are heard between replies.
        while let Some(request) = requests.message().now_or_never() {
            self.heard(request?)?;
        }
        loop {
            let now = self.shared.clock.mono_ns();
            if let Some(over) = self.over(now) {
                self.ended = over;
                return Ok(None);
            }
            if self.behind
                && now >= self.batch_from_ns
                && let Some(batch) = self.batch(now)?
            {
                return Ok(Some(FollowReply::Batch(batch)));
            }
            if self.all_sent_and_finished() {
                self.ended = "the gatherer stops";
                return Ok(None);
            }
            if now >= self.sent_ns + nanos(limits::HEARTBEAT_EVERY) {
                return Ok(Some(self.heartbeat(now)));
            }
            self.wait(requests, now).await?;
        }
    }

    /// Waits for a word of the deduplicator, for something to send, or for the next thing that is due.
    async fn wait(
        &mut self,
        requests: &mut Streaming<WireRequest>,
        now: u64,
    ) -> Result<(), Status> {
        let heartbeat = self.sent_ns + nanos(limits::HEARTBEAT_EVERY);
        let due = if self.behind { self.batch_from_ns.min(heartbeat) } else { heartbeat };
        let finished = self.shared.finished.clone();
        tokio::select! {
            biased;
            request = requests.message() => self.heard(request?)?,
            changed = self.written.changed(), if !self.behind => {
                self.behind = changed.is_ok();
            }
            () = sleep(Duration::from_nanos(due.saturating_sub(now))) => {}
            () = finished.cancelled(), if !finished.is_cancelled() => {}
        }
        Ok(())
    }

    fn heard(&mut self, request: Option<WireRequest>) -> Result<(), Status> {
        let ended = || Status::cancelled("the deduplicator ended its requests");
        let request = checked(request.ok_or_else(ended)?)?;
        self.heard_ns = self.shared.clock.mono_ns();
        match request {
            FollowRequest::Ack(below) => {
                // An ack of more than was sent speaks of another spool, one that was lost here.
                if to_spool(below) <= self.reader.position() {
                    self.shared.acks.record(&self.deduplicator, to_spool(below));
                }
                Ok(())
            }
            FollowRequest::Refresh(refresh) => {
                self.shared.board.refresh(refresh.session, refresh.market_tickers);
                Ok(())
            }
            FollowRequest::Start(_) => Err(Status::invalid_argument("a second start")),
        }
    }

    /// Everything that is there, up to the size of a batch.
    fn batch(&mut self, now: u64) -> Result<Option<Batch>, Status> {
        let wall_ns = self.shared.flow.settled_wall_ns();
        let written = *self.written.borrow_and_update();
        let mut batch = Batch {
            first: to_wire(self.reader.position()),
            next: to_wire(self.reader.position()),
            count: 0,
            records: bytes::Bytes::new(),
            written: to_wire(written),
            wall_ns,
        };
        let mut records = Vec::new();
        while records.len() < limits::BATCH_BYTES_AIM {
            match self.reader.next(Upto::Written) {
                Ok(Some(record)) => {
                    if batch.count == 0 {
                        batch.first = to_wire(record.at);
                        records.reserve(limits::BATCH_BYTES_AIM / 8);
                    }
                    push_record(&mut records, record.payload);
                    batch.next = to_wire(record.next);
                    batch.count += 1;
                }
                Ok(None) => break,
                Err(error) => return Err(unreadable(&error)),
            }
        }
        let full = records.len() >= limits::BATCH_BYTES_AIM;
        self.behind = full;
        if batch.count == 0 {
            return Ok(None);
        }
        self.sent_ns = now;
        self.batch_from_ns = if full { now } else { now + nanos(limits::BATCH_AGE_MAX) };
        let took = Duration::from_nanos(self.shared.clock.mono_ns().saturating_sub(now));
        telemetry::batch_sent(batch.count, records.len(), took);
        batch.records = records.into();
        Ok(Some(batch))
    }

    fn heartbeat(&mut self, now: u64) -> FollowReply {
        self.sent_ns = now;
        // In this order: what is received after the wall time may be missing below the position.
        let wall_ns = self.shared.flow.settled_wall_ns();
        let written = self.shared.log.written();
        let sent_below = self.sent_below(written);
        FollowReply::Heartbeat(Heartbeat {
            written: to_wire(written),
            wall_ns,
            sent_below: to_wire(sent_below),
        })
    }

    /// The reader stays at the end of an older incarnation until there is a record in the next: that is the same place.
    fn sent_below(&self, written: Position) -> Position {
        let at = self.reader.position();
        let nothing_since = at.incarnation < written.incarnation && written.offset == 0;
        if !self.behind && nothing_since { written } else { at }
    }

    fn all_sent_and_finished(&self) -> bool {
        let written = self.shared.log.written();
        let sent = !self.behind && self.sent_below(written) >= written;
        sent && self.shared.finished.is_cancelled()
    }

    fn over(&self, now: u64) -> Option<&'static str> {
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        if since(self.heard_ns) > limits::REQUEST_SILENCE_MAX {
            return Some("the deduplicator is silent");
        }
        (since(self.began_ns) > limits::LIFE_MAX).then_some("the stream is old; dial again")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.acks.left(&self.deduplicator);
        telemetry::stream_closed(&self.deduplicator, self.ended);
    }
}

/// A reader at `from`; at the oldest record where `from` is absent, trimmed away, or of another spool.
fn open(shared: &Shared, from: Option<Position>) -> Result<Reader, ReadError> {
    let Some(from) = from else { return shared.log.read_from(shared.log.oldest()) };
    match shared.log.read_from(from) {
        Err(ReadError::Trimmed { .. } | ReadError::Ahead { .. } | ReadError::NotARecord { .. }) => {
            shared.log.read_from(shared.log.oldest())
        }
        other => other,
    }
}

fn unreadable(error: &ReadError) -> Status {
    Status::data_loss(format!("the spool cannot be read: {error}"))
}

fn to_wire(position: Position) -> proto::Position {
    proto::Position { incarnation: position.incarnation, offset: position.offset }
}

fn to_spool(position: proto::Position) -> Position {
    Position { incarnation: position.incarnation, offset: position.offset }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
