//! The merge as its caller sees it: inputs in, outputs out, time as an argument.

use exchange::{Frame, Message, Moment, Price, Side};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    config::Config,
    input::{GathererIndex, Input, Source},
    lane::{Session, Step},
    levels::{Book, Change},
    market::Market,
    minutes::{Fate, LaneMinute},
    output::Output,
    record::{HoleCause, Provenance, Record},
    seen::{QuickMap, fingerprint},
    segment::{LaneKey, Shown},
    share::Share,
    shared::{Gatherer, Shared},
    streams::{Streams, Told},
};

/// Error codes after which a subscription is dead: channel error, buffer overflow.
const TERMINAL: [u32; 2] = [10, 25];

/// Outputs whose room is kept when all are taken: what one batch of a gatherer leads to.
const OUTPUTS_KEPT: usize = 4_096;

/// The merge of all lanes of all gatherers. Its serialised form is a checkpoint: take it when
/// `poll` has nothing more.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Merge {
    pub(crate) shared: Shared,
    pub(crate) markets: Vec<Market>,
    pub(crate) streams: Streams,
    /// By the ticker's fingerprint: a look-up per frame must not wander to the text.
    tickers: QuickMap<u128, u32>,
}

impl Merge {
    /// An empty merge.
    pub fn new(config: Config) -> Self {
        Self {
            shared: Shared::new(config),
            markets: Vec::new(),
            streams: Streams::default(),
            tickers: QuickMap::default(),
        }
    }

    /// Replaces the waits and bounds, after a checkpoint was read.
    pub fn set_config(&mut self, config: Config) {
        self.shared.config = config;
    }

    /// The markets that are kept.
    pub fn share(&self) -> Share {
        self.shared.config.share
    }

    /// Takes the memory for all trades and messages that will be remembered, now: a machine too
    /// small for it is seen at the start, and what the program takes does not grow for hours.
    pub fn reserve(&mut self) {
        self.streams.reserve(&self.shared.config);
    }

    /// The number of a gatherer. A new name emits `Record::Gatherer`; every name given here is
    /// waited for in decisions about starts and holes.
    pub fn gatherer(&mut self, name: &str) -> GathererIndex {
        let before = self.shared.gatherers.len();
        let index = self.intern_gatherer(name);
        if self.shared.gatherers.len() > before {
            self.shared.emit(Record::Gatherer { index, name: name.to_owned() });
        }
        index
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: Input<'_>, now: Moment) {
        match input {
            Input::Frame { source, wall_ns, frame } => self.frame(source, wall_ns, frame, now),
            Input::BadFrame { source, wall_ns } => {
                self.heard(source.gatherer, Some(wall_ns), now);
                self.session(source, now);
                self.shared.gatherer_mut(source.gatherer).frames += 1;
                self.shared.account(source.gatherer, wall_ns, Fate::Undecodable);
            }
            Input::SessionOpened { source, wall_ns } => {
                self.heard(source.gatherer, Some(wall_ns), now);
                self.session(source, now);
            }
            Input::SessionClosed { source, wall_ns } => {
                self.heard(source.gatherer, Some(wall_ns), now);
                self.close(source.gatherer, |session| session == source.session, now);
            }
            Input::Status { gatherer, wall_ns, trading_active } => {
                self.heard(gatherer, Some(wall_ns), now);
                if self.shared.halted && trading_active {
                    self.shared.trading_since = now;
                }
                self.shared.halted = !trading_active;
                if !trading_active {
                    self.shared.stopped(gatherer, wall_ns);
                }
            }
            Input::Progress { gatherer, wall_ns } => self.heard(gatherer, Some(wall_ns), now),
            Input::Connected { gatherer } => {
                self.heard(gatherer, None, now);
                self.shared.gatherer_mut(gatherer).connected = true;
            }
            Input::Disconnected { gatherer } => {
                self.shared.gatherer_mut(gatherer).connected = false;
            }
        }
    }

    /// Decides what waited until `now`.
    pub fn handle_timeout(&mut self, now: Moment) {
        while let Some((at, market)) = self.shared.due(now) {
            if let Some(market) = self.markets.get_mut(market as usize) {
                market.woken(&mut self.shared, at, now);
            }
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.shared.next_wake()
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.shared.outputs.pop_front();
        if output.is_none() && self.shared.outputs.capacity() > OUTPUTS_KEPT {
            self.shared.outputs = std::collections::VecDeque::new();
        }
        output
    }

    /// Repeats a market's book as a snapshot, once no clock's deltas are cut in two by it, for a store
    /// that lost its way: `gone` are places where it holds what the book may not.
    pub fn repeat_book(&mut self, sid: u32, gone: Vec<(Side, Price)>, wall_ns: i64) {
        let at = (sid as usize).checked_sub(1);
        if let Some(market) = at.and_then(|at| self.markets.get_mut(at)) {
            market.repeat_soon(&mut self.shared, gone, wall_ns);
        }
    }

    /// The accounts of all minutes before `before_minute` (Unix minutes), forgotten here.
    pub fn close_minutes(&mut self, before_minute: i64) -> Vec<LaneMinute> {
        self.shared.flush_own(before_minute);
        for market in &mut self.markets {
            self.shared.flush(&mut market.cells, before_minute);
        }
        self.shared.minutes.close(before_minute)
    }

    pub(crate) fn intern_gatherer(&mut self, name: &str) -> GathererIndex {
        let gatherers = &mut self.shared.gatherers;
        let at = gatherers.iter().position(|known| known.name == name).unwrap_or_else(|| {
            gatherers.push(Gatherer::new(name));
            gatherers.len() - 1
        });
        GathererIndex(u8::try_from(at).expect("a deduplicator follows at most 256 gatherers"))
    }

    pub(crate) fn intern_market(&mut self, ticker: &str, market_id: Uuid) -> (usize, bool) {
        let key = fingerprint(ticker);
        if let Some(&at) = self.tickers.get(&key) {
            return (at as usize, false);
        }
        let at = self.markets.len();
        let sid = u32::try_from(at + 1).expect("fewer than four billion markets");
        self.markets.push(Market::new(sid, market_id, ticker));
        self.tickers.insert(key, sid - 1);
        (at, true)
    }

    /// Whether every known ticker leads to one of so many markets.
    pub(crate) fn tickers_are_of(&self, markets: usize) -> bool {
        self.tickers.values().all(|at| (*at as usize) < markets)
    }

    fn market_of(&mut self, ticker: &str, market_id: Uuid) -> usize {
        let (at, new) = self.intern_market(ticker, market_id);
        if new {
            let sid = self.markets[at].sid;
            self.shared.canonical.markets += 1;
            self.shared.emit(Record::Market { sid, market_id, ticker: ticker.to_owned() });
        }
        at
    }

    fn heard(&mut self, gatherer: GathererIndex, wall_ns: Option<i64>, now: Moment) {
        let gatherer = self.shared.gatherer_mut(gatherer);
        gatherer.heard = gatherer.heard.max(now);
        gatherer.progress = gatherer.progress.max(wall_ns.unwrap_or(i64::MIN));
    }

    fn frame(&mut self, source: Source, wall_ns: i64, frame: &Frame<'_>, now: Moment) {
        self.heard(source.gatherer, Some(wall_ns), now);
        let session = self.session(source, now);
        let gatherer = self.shared.gatherer_mut(source.gatherer);
        gatherer.frames += 1;
        gatherer.unknown_fields += u64::from(frame.unknown_fields);
        let (sid, seq) = (frame.sid.unwrap_or(0), frame.seq.unwrap_or(0));
        let from =
            Provenance { gatherer: source.gatherer, session: source.session, sid, seq, wall_ns };
        let lane = LaneKey { gatherer: source.gatherer, session: source.session, sid };
        if frame.sid.is_some() && frame.seq.is_some() {
            let sequence = gatherer.sessions[session].lane(sid);
            let step = sequence.step(seq);
            if mends(&frame.message) {
                sequence.broken = false;
            }
            if let (Message::Delta(delta), Step::Next | Step::Break) = (&frame.message, step)
                && let Some(ts_ms) = delta.ts_ms
            {
                let behind_ns = sequence.delta_came(ts_ms, wall_ns);
                gatherer.delta_came(behind_ns);
            }
            match step {
                Step::Next => {}
                Step::Repeat => {
                    return self.shared.account(source.gatherer, wall_ns, Fate::Repeat);
                }
                Step::Break => {
                    self.shared.broke(source.gatherer, wall_ns);
                    self.end_lanes(|key| key == lane, HoleCause::AllLanesBroken, now);
                }
            }
        }
        if !self.shared.config.share.keeps_message(&frame.message) {
            // Another deduplicator's market: its place in the lane counts, and nothing else.
            return self.shared.account(source.gatherer, wall_ns, Fate::Control);
        }
        self.message(lane, from, frame, now);
    }

    fn message(&mut self, lane: LaneKey, from: Provenance, frame: &Frame<'_>, now: Moment) {
        match &frame.message {
            Message::Delta(delta) => {
                let change = Change {
                    no: delta.side == exchange::Side::No,
                    price: delta.price.units(),
                    delta: delta.delta.units(),
                    ts_ms: delta.ts_ms.unwrap_or(0),
                };
                self.count_clock(lane, delta.clock);
                let at = self.market_of(delta.market_ticker, delta.market_id);
                let market = &mut self.markets[at];
                if market.delta(&mut self.shared, lane, (delta.clock, change), from, now) {
                    market.settle(&mut self.shared, now);
                }
            }
            Message::Snapshot(snapshot) => {
                self.count_clock(lane, snapshot.clock);
                let book = Book::from_levels(&snapshot.yes, &snapshot.no);
                let asked = frame.id.is_some_and(|id| id != 0);
                let shown = Shown { clock: snapshot.clock, book, asked };
                let at = self.market_of(snapshot.market_ticker, snapshot.market_id);
                let market = &mut self.markets[at];
                market.snapshot(&mut self.shared, lane, shown, from, now);
                market.settle(&mut self.shared, now);
            }
            Message::Trade(trade) => {
                let told = self.streams.trade(&self.shared.config, trade, from);
                self.told(Some(trade.market_ticker), from, told);
            }
            Message::Ticker(ticker) => {
                let told = self.streams.ticker(&self.shared.config, ticker, from);
                self.told(Some(ticker.market_ticker), from, told);
            }
            Message::Lifecycle(message) => {
                self.note_end(message);
                let told = self.streams.lifecycle(&self.shared.config, message, from);
                self.told(message.market_ticker, from, told);
            }
            control => self.control(lane, control, from, now),
        }
    }

    fn control(&mut self, lane: LaneKey, message: &Message<'_>, from: Provenance, now: Moment) {
        let of_sid = lane.sid != 0;
        match message {
            Message::Subscribed { sid, .. } => {
                let lane = LaneKey { sid: *sid, ..lane };
                let sessions = &mut self.shared.gatherer_mut(lane.gatherer).sessions;
                let session = sessions.iter_mut().find(|held| held.session == lane.session);
                if session.is_some_and(|session| session.lane(*sid).restart()) {
                    self.markets.iter_mut().for_each(|m| m.forget_unlisted(|key| key == lane));
                    self.end_lanes(|key| key == lane, HoleCause::AllLanesBroken, now);
                }
            }
            Message::Ok(reply) if of_sid => {
                if let Some(tickers) = &reply.market_tickers {
                    self.list(lane, tickers, now);
                }
            }
            Message::Unsubscribed if of_sid => {
                self.end_lanes(|key| key == lane, HoleCause::AllSessionsClosed, now);
            }
            Message::Error(error) if of_sid && TERMINAL.contains(&error.code) => {
                // What the exchange could not send leaves no gap in the sequence: the next subscription counts from 1.
                self.shared.broke(from.gatherer, from.wall_ns);
                self.end_lanes(|key| key == lane, HoleCause::AllLanesBroken, now);
            }
            _ => {}
        }
        self.shared.account(from.gatherer, from.wall_ns, Fate::Control);
    }

    fn told(&mut self, ticker: Option<&str>, from: Provenance, told: Told) {
        let at =
            ticker.and_then(|ticker| self.tickers.get(&fingerprint(ticker))).map(|&at| at as usize);
        let what = |sid| (from.gatherer, sid, from.wall_ns);
        match at.map(|at| &mut self.markets[at]) {
            Some(market) => {
                let sid = market.sid;
                self.shared.account_in(&mut market.cells, what(sid), told.fate, told.skew_us);
            }
            None => self.shared.account(from.gatherer, from.wall_ns, told.fate),
        }
        let Some(record) = told.record else { return };
        match &record {
            Record::Trade(_) => self.shared.canonical.trades += 1,
            Record::Ticker(_) => self.shared.canonical.tickers += 1,
            _ => self.shared.canonical.lifecycle += 1,
        }
        self.shared.emit(record);
    }

    fn note_end(&mut self, message: &exchange::Lifecycle<'_>) {
        if matches!(message.event_type, Some("determined" | "settled"))
            && let Some(at) =
                message.market_ticker.and_then(|ticker| self.tickers.get(&fingerprint(ticker)))
        {
            self.markets[*at as usize].end_heard();
        }
    }

    fn count_clock(&mut self, lane: LaneKey, clock: Option<u64>) {
        self.shared.gatherer_mut(lane.gatherer).without_clock += u64::from(clock.is_none());
    }

    /// The place of a session; a new one of a later incarnation ends all of the earlier ones, whose
    /// end nobody was left to write down.
    fn session(&mut self, source: Source, now: Moment) -> usize {
        let find = |gatherer: &Gatherer| {
            gatherer.sessions.iter().position(|held| held.session == source.session)
        };
        if let Some(at) = find(self.shared.gatherer(source.gatherer)) {
            return at;
        }
        let incarnation = source.session >> 32;
        self.close(source.gatherer, |session| session >> 32 < incarnation, now);
        let sessions = &mut self.shared.gatherer_mut(source.gatherer).sessions;
        sessions.push(Session::new(source.session));
        sessions.len() - 1
    }

    fn close(&mut self, gatherer: GathererIndex, is_of: impl Fn(u64) -> bool, now: Moment) {
        let sessions = &mut self.shared.gatherer_mut(gatherer).sessions;
        let before = sessions.len();
        sessions.retain(|session| !is_of(session.session));
        if sessions.len() < before {
            let is_of = |key: LaneKey| key.gatherer == gatherer && is_of(key.session);
            self.end_lanes(is_of, HoleCause::AllSessionsClosed, now);
        }
    }

    /// Lanes end in every market.
    fn end_lanes(&mut self, is_of: impl Fn(LaneKey) -> bool, cause: HoleCause, now: Moment) {
        for market in &mut self.markets {
            if cause == HoleCause::AllSessionsClosed {
                market.forget_out(&is_of);
                market.forget_unlisted(&is_of);
            }
            if market.end_lane(&is_of, cause) {
                market.settle(&mut self.shared, now);
            }
        }
    }
}

/// Whether a lane that lost frames is whole again with this: a book by its snapshot; trades and
/// lifecycle at once, since nothing on the socket can bring back what is missing of them.
fn mends(message: &Message<'_>) -> bool {
    matches!(message, Message::Snapshot(_) | Message::Trade(_) | Message::Lifecycle(_))
}
