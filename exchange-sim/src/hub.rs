//! The exchange itself: markets, source of events, connections. One lock, short turns.
//!
//! Nothing here touches a socket. `publish` sends events out, `execute` answers commands,
//! `trouble` carries out faults.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rand::{Rng as _, seq::SliceRandom as _};
use serde::Serialize;

use crate::{
    audience::Audience,
    channel::{CHANNELS, Channel},
    clock::Now,
    commands::{self, Refusal},
    config::Limits,
    event::{Event, Trade},
    faults::{Change, Rates},
    line::Line,
    market::Markets,
    schedule::Schedule,
    session::{Peer, Session, Take},
    source::Source,
    truth::Truth,
};

/// Trades kept for REST: eight minutes at 5,000 deltas/s, 11 MB.
const TRADES_MAX: usize = 200_000;
/// Commands of one connection that may wait; a client with more is answered with error 27.
const PENDING_MAX: usize = 1024;

/// What the exchange is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Maintenance { until: Instant },
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) deltas: u64,
    pub(crate) trades: u64,
    pub(crate) tickers: u64,
    pub(crate) lifecycle: u64,
    pub(crate) emptied: u64,
    pub(crate) rest_requests: u64,
    /// Of these, answered with 429.
    pub(crate) rest_limited: u64,
}

#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) markets: Markets,
    pub(crate) source: Source,
    pub(crate) truth: Truth,
    pub(crate) limits: Limits,
    pub(crate) sessions: BTreeMap<u32, Session>,
    pub(crate) audiences: [Audience; CHANNELS],
    pub(crate) era: u32,
    pub(crate) phase: Phase,
    pub(crate) is_paused: bool,
    pub(crate) schedule: Schedule,
    /// REST answers 429 until then.
    pub(crate) limiting: Option<Instant>,
    pub(crate) forbidding: Option<Instant>,
    pub(crate) refusing: Option<(u16, Instant)>,
    pub(crate) schema: Option<(Change, Option<String>, Instant)>,
    pub(crate) totals: Totals,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Numbered from `trades_before`, oldest first.
    pub(crate) trades: VecDeque<Trade>,
    pub(crate) trades_before: u64,
    pub(crate) scratch: (Vec<u8>, Vec<u8>),
    /// Markets whose ticker changed.
    pub(crate) stirred: Vec<usize>,
    pub(crate) stopping: bool,
    rates: Rates,
    seed: u64,
    next_index: u32,
    events: Vec<Event>,
    ticked_at: Instant,
}

/// The hub as everyone shares it.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Hub>);

impl Shared {
    pub(crate) fn new(hub: Hub) -> Self {
        Self(Mutex::new(hub))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Hub> {
        self.0.lock().expect("a panic under this lock ends the exchange")
    }
}

impl Hub {
    pub(crate) fn new(
        config: &crate::config::Config,
        truth: Truth,
        (markets, source, births): (Markets, Source, Vec<Event>),
        now: Now,
    ) -> Self {
        let mut hub = Self {
            markets,
            source,
            truth,
            limits: config.limits,
            sessions: BTreeMap::new(),
            audiences: Default::default(),
            era: 0,
            phase: Phase::Open,
            is_paused: config.start_paused,
            schedule: Schedule::default(),
            limiting: None,
            forbidding: None,
            refusing: None,
            schema: None,
            totals: Totals::default(),
            faults: BTreeMap::new(),
            trades: room_for_trades(),
            trades_before: 0,
            scratch: Default::default(),
            stirred: Vec::new(),
            stopping: false,
            rates: config.faults,
            seed: config.seed,
            next_index: 1,
            events: births,
            ticked_at: now.at,
        };
        hub.publish_events(now);
        hub.truth.hand_over();
        hub
    }

    /// A few milliseconds of life. Called on a timer.
    pub(crate) fn tick(&mut self, now: Now) {
        let passed = now.at.saturating_duration_since(self.ticked_at);
        self.ticked_at = now.at;
        self.pass_maintenance(now);
        if self.phase == Phase::Open && !self.is_paused {
            let mut events = std::mem::take(&mut self.events);
            self.source.produce(&mut self.markets, passed, now, &mut events);
            self.events = events;
            self.publish_events(now);
            self.pass_schedule(now);
            self.publish_tickers(now);
        }
        self.truth.hand_over();
        self.run_commands(now);
        self.pass_time(now);
        for session in self.sessions.values() {
            session.wake_writer();
        }
    }

    /// A new connection; its number.
    pub(crate) fn attach(&mut self, peer: Peer, now: Now) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        let line = Line::new(self.rates, self.seed ^ (u64::from(index) << 32), now.at);
        let limits = (self.limits.connection_buffer_bytes, self.limits.commands_per_sec);
        self.sessions.insert(index, Session::new(index, peer, line, limits, now.at));
        index
    }

    pub(crate) fn detach(&mut self, index: u32) {
        self.sessions.remove(&index);
        for audience in &mut self.audiences {
            audience.leave_all(index);
        }
    }

    /// A text frame of a client: answered on one of the next ticks, not always in order.
    pub(crate) fn hear(&mut self, index: u32, text: &str, now: Now) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let mut command = commands::parse(text);
        let allowed = spend(&mut session.tokens, self.limits.commands_per_sec, now.at);
        if !allowed || session.pending.len() >= PENDING_MAX {
            command.what = Err(Refusal::code(27));
        }
        let delayed = session.line.rng.random_bool(0.2);
        let wait_ms = if delayed { session.line.rng.random_range(1..15) } else { 0 };
        session.pending.push((now.at + Duration::from_millis(wait_ms), command));
    }

    /// The writer of a connection asks what to do.
    pub(crate) fn take(&mut self, index: u32, bytes: &mut Vec<u8>, now: Instant) -> Take {
        bytes.clear();
        self.sessions.get_mut(&index).map_or(Take::Finish, |session| session.take(bytes, now))
    }

    /// All connections are told goodbye; nothing is accepted any more.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.is_paused = true;
        for session in self.sessions.values_mut() {
            session.close(1001);
            session.wake_writer();
        }
    }

    pub(crate) fn count_fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    pub(crate) fn keep_trade(&mut self, trade: Trade) {
        if self.trades.len() == TRADES_MAX {
            self.trades.pop_front();
            self.trades_before += 1;
        }
        self.trades.push_back(trade);
    }

    /// Lists of listeners follow subscriptions that ended by themselves.
    pub(crate) fn forget_overflowed(&mut self) {
        for session in self.sessions.values_mut() {
            for channel in std::mem::take(&mut session.overflowed) {
                if session.on(channel).is_none() {
                    self.audiences[channel.index()].leave_all(session.index);
                }
            }
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Publishes what a command made happen.
    pub(crate) fn announce(&mut self, events: Vec<Event>, now: Now) {
        self.events.extend(events);
        self.publish_events(now);
    }

    fn publish_events(&mut self, now: Now) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.totals.events += 1;
            self.publish(event, now);
        }
        self.events = events;
        self.forget_overflowed();
    }

    fn run_commands(&mut self, now: Now) {
        let mut due = Vec::new();
        for session in self.sessions.values_mut().filter(|session| !session.pending.is_empty()) {
            let mut mine: Vec<_> =
                session.pending.extract_if(.., |(at, _)| *at <= now.at).collect();
            mine.shuffle(&mut session.line.rng);
            due.extend(mine.into_iter().map(|(_, command)| (session.index, command)));
        }
        for (index, command) in due {
            self.execute(index, command, now);
        }
        self.forget_overflowed();
    }

    fn pass_time(&mut self, now: Now) {
        let (mut stalls, mut cuts) = (0, 0);
        for session in self.sessions.values_mut() {
            stalls += u64::from(session.pass_time(now));
            if session.line.cut_is_due(now.at) {
                session.cut.notify_one();
                cuts += u64::from(!session.closing);
                session.closing = true;
            }
        }
        for (name, count) in [("stall", stalls), ("cut", cuts)] {
            if count > 0 {
                *self.faults.entry(name).or_default() += count;
            }
        }
        self.limiting = self.limiting.filter(|until| *until > now.at);
        self.forbidding = self.forbidding.filter(|until| *until > now.at);
        self.refusing = self.refusing.filter(|(_, until)| *until > now.at);
        if self.schema.as_ref().is_some_and(|(_, _, until)| *until <= now.at) {
            self.schema = None;
        }
    }
}

/// Takes one token of a bucket that holds two seconds' worth.
fn spend((left, since): &mut (f64, Instant), per_sec: f64, now: Instant) -> bool {
    let refill = now.saturating_duration_since(*since).as_secs_f64() * per_sec;
    *left = (*left + refill).min(2.0 * per_sec);
    *since = now;
    let allowed = *left >= 1.0;
    if allowed {
        *left -= 1.0;
    }
    allowed
}

/// The channel on which a lifecycle message goes out.
pub(crate) fn lifecycle_channel(audience: crate::event::Audience) -> Channel {
    match audience {
        crate::event::Audience::Ordinary => Channel::LIFECYCLE,
        crate::event::Audience::Multivariate => Channel::MULTIVARIATE,
    }
}

/// Its memory is touched now, so that what the program takes does not grow while it is watched.
fn room_for_trades() -> VecDeque<Trade> {
    let (market, id, taker) = (usize::MAX, uuid::Uuid::max(), crate::book::Side::Yes);
    let some = Trade { market, id, yes_price: 0, count: 0, taker, ts_ms: 0 };
    let mut room = VecDeque::from(vec![some; TRADES_MAX]);
    room.clear();
    room
}
