//! One connection as the exchange sees it: subscriptions, `seq`, the bytes that wait to be sent.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    book::Scale,
    channel::{CHANNELS, Channel},
    clock::Now,
    commands::Command,
    frames::Envelope,
    line::{Fate, Line},
    wire,
};

/// A frame held back for reordering goes anyway after this time.
const HELD_MAX: Duration = Duration::from_millis(500);
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);
/// A slow link sends this often.
const SLOW_EVERY: Duration = Duration::from_millis(50);

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) key_id: String,
    pub(crate) agent: String,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) sid: u32,
    pub(crate) seq: u64,
    pub(crate) scale: Scale,
    pub(crate) skip_ack: bool,
    /// Every market of the channel; `markets` is empty then.
    pub(crate) all: bool,
    pub(crate) markets: BTreeSet<usize>,
}

impl Subscription {
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

/// A market-data message for one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) channel: Channel,
    pub(crate) kind: &'a str,
    /// For reordering, which happens between markets only.
    pub(crate) market: usize,
    pub(crate) body: &'a [u8],
    pub(crate) id: Option<u64>,
}

/// What the connection's writer is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Write,
    Wait,
    Sleep(Duration),
    Finish,
}

/// What happened to this connection's frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) frames_sent: u64,
    pub(crate) dropped: u64,
    pub(crate) repeated: u64,
    pub(crate) corrupted: u64,
    pub(crate) reordered: u64,
    pub(crate) overflows: u64,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) index: u32,
    pub(crate) peer: Peer,
    pub(crate) subscriptions: [Option<Subscription>; CHANNELS],
    pub(crate) line: Line,
    pub(crate) counts: Counts,
    /// Commands that wait for their turn.
    pub(crate) pending: Vec<(Instant, Command)>,
    /// Subscriptions that ended by overflow, for the lists of listeners.
    pub(crate) overflowed: Vec<Channel>,
    pub(crate) closing: bool,
    pub(crate) wake: Arc<Notify>,
    pub(crate) cut: Arc<Notify>,
    pub(crate) tokens: (f64, Instant),
    next_sid: u32,
    next_ping: Instant,
    slow_next: Instant,
    buffer_bytes_max: usize,
    waiting: Vec<u8>,
    held: Option<(usize, Vec<u8>, Instant)>,
    scratch: Vec<u8>,
}

impl Session {
    pub(crate) fn new(
        index: u32,
        peer: Peer,
        line: Line,
        limits: (usize, f64),
        now: Instant,
    ) -> Self {
        let (buffer_bytes_max, tokens) = limits;
        Self {
            index,
            peer,
            subscriptions: [const { None }; CHANNELS],
            line,
            counts: Counts::default(),
            pending: Vec::new(),
            overflowed: Vec::new(),
            closing: false,
            wake: Arc::default(),
            cut: Arc::default(),
            tokens: (tokens, now),
            next_sid: 1,
            next_ping: now + PING_EVERY,
            slow_next: now,
            buffer_bytes_max,
            waiting: Vec::new(),
            held: None,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn sid_for_next(&mut self) -> u32 {
        let sid = self.next_sid;
        self.next_sid += 1;
        sid
    }

    pub(crate) fn channel_of(&self, sid: u32) -> Option<Channel> {
        Channel::all().find(|channel| {
            let slot = &self.subscriptions[channel.index()];
            slot.as_ref().is_some_and(|subscription| subscription.sid == sid)
        })
    }

    pub(crate) fn on(&mut self, channel: Channel) -> Option<&mut Subscription> {
        self.subscriptions[channel.index()].as_mut()
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.waiting.len()
    }

    /// Sends a market-data message, if its channel is subscribed and the line lets it pass.
    pub(crate) fn deliver(&mut self, message: &Message<'_>, now: Now) {
        let Some(subscription) = self.subscriptions[message.channel.index()].as_mut() else {
            return;
        };
        let seq = (message.channel != Channel::TICKER).then(|| subscription.next_seq());
        let envelope = Envelope {
            kind: message.kind,
            sid: subscription.sid,
            seq,
            id: message.id,
            sending_ts_ms: now.wall_ms,
        };
        self.scratch.clear();
        envelope.push(&mut self.scratch, message.body);
        if self.waiting.len() + self.scratch.len() > self.buffer_bytes_max {
            return self.overflow(message.channel, now);
        }
        let fate = self.line.fate();
        let mut payload = std::mem::take(&mut self.scratch);
        match fate {
            Fate::Drop => self.counts.dropped += 1,
            Fate::Hold if self.held.is_none() => {
                self.counts.reordered += 1;
                self.held = Some((message.market, payload.clone(), now.at));
            }
            Fate::Pass | Fate::Hold => self.pass(message.market, &payload),
            Fate::Repeat => {
                self.counts.repeated += 1;
                self.pass(message.market, &payload);
                self.pass(message.market, &payload);
            }
            Fate::Corrupt => {
                self.counts.corrupted += 1;
                self.line.damage(&mut payload);
                self.pass(message.market, &payload);
            }
        }
        self.scratch = payload;
    }

    /// Sends an answer to a command: never dropped, never reordered.
    pub(crate) fn answer(&mut self, payload: &str) {
        self.release_held();
        self.push(payload.as_bytes());
    }

    /// Ends a subscription with a terminal error.
    pub(crate) fn terminate(&mut self, channel: Channel, code: u16, now: Now) {
        let Some(mut subscription) = self.subscriptions[channel.index()].take() else { return };
        let (sid, seq) = (subscription.sid, subscription.next_seq());
        let text = crate::commands::error_text(code);
        let frame = format!(
            "{{\"type\":\"error\",\"sid\":{sid},\"seq\":{seq},\"msg\":{{\"code\":{code},\
             \"msg\":\"{text}\"}},\"sending_ts_ms\":{}}}\n",
            now.wall_ms
        );
        self.overflowed.push(channel);
        self.answer(&frame);
    }

    /// Time has passed: pings, held frames, faults that begin or end. True if a stall began.
    pub(crate) fn pass_time(&mut self, now: Now) -> bool {
        if self.held.as_ref().is_some_and(|(_, _, since)| now.at >= *since + HELD_MAX) {
            self.release_held();
        }
        if now.at >= self.next_ping {
            self.next_ping = now.at + PING_EVERY;
            wire::push_ping(&mut self.waiting, b"heartbeat");
        }
        self.line.pass_time(now.at)
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        wire::push_pong(&mut self.waiting, payload);
    }

    /// Says goodbye and ends once everything before it is sent.
    pub(crate) fn close(&mut self, code: u16) {
        if !self.closing {
            self.release_held();
            wire::push_close(&mut self.waiting, code);
            self.closing = true;
        }
    }

    /// Forgets what was not sent yet.
    pub(crate) fn forget_queue(&mut self) {
        self.waiting.clear();
        self.held = None;
    }

    /// Gives the writer its next bytes; `bytes` is empty before.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>, now: Instant) -> Take {
        if let Some(until) = self.line.stalled_until.filter(|until| *until > now) {
            return Take::Sleep(until - now);
        }
        if self.waiting.is_empty() {
            return if self.closing { Take::Finish } else { Take::Wait };
        }
        let Some((bytes_per_sec, _)) = self.line.slow else {
            std::mem::swap(bytes, &mut self.waiting);
            return Take::Write;
        };
        if now < self.slow_next {
            return Take::Sleep(self.slow_next - now);
        }
        self.slow_next = now + SLOW_EVERY;
        let portion = usize::try_from(bytes_per_sec / 20).unwrap_or(usize::MAX).max(1);
        bytes.extend(self.waiting.drain(..portion.min(self.waiting.len())));
        Take::Write
    }

    /// Tells the writer that there is something to do.
    pub(crate) fn wake_writer(&self) {
        if !self.waiting.is_empty() || self.closing {
            self.wake.notify_one();
        }
    }

    fn overflow(&mut self, channel: Channel, now: Now) {
        self.counts.overflows += 1;
        self.terminate(channel, 25, now);
    }

    fn pass(&mut self, market: usize, payload: &[u8]) {
        let held = self.held.take();
        match held {
            Some((other, earlier, _)) if other != market => {
                self.push(payload);
                self.push(&earlier);
            }
            Some((_, earlier, _)) => {
                self.push(&earlier);
                self.push(payload);
            }
            None => self.push(payload),
        }
    }

    fn release_held(&mut self) {
        if let Some((_, payload, _)) = self.held.take() {
            self.push(&payload);
        }
    }

    fn push(&mut self, payload: &[u8]) {
        self.counts.frames_sent += 1;
        wire::push_text(&mut self.waiting, payload);
    }
}
