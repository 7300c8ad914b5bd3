//! One WebSocket connection as a pure state machine: what to send, when to give up, what to tell.
//!
//! Drive it so: `handle` what came, `handle_timeout` no later than `next_timeout`, then `poll` until
//! it is empty. After `Output::Reconnect` the session is over: close the socket, make a new session.
//!
//! A connection has one subscription (sid) a channel; each is a [`Lane`](lane::Lane) with at most one
//! command in flight, so that "too many requests" stays an exception.

mod answers;
mod healing;
mod lane;
mod report;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::command::error_code::{self, Remedy};
use crate::message::{Channel, ErrorReply, Frame, Message};
use crate::moment::Moment;

use lane::{Lane, Sequence};

pub use report::{MarketState, Output, SessionEvent};

/// How many sids that we do not know are remembered, so that each is reported once.
const STRANGERS_MAX: usize = 64;

/// What one connection should carry, and its limits of patience.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionConfig {
    /// The markets at the start.
    pub market_tickers: Vec<String>,
    /// The channels, each subscribed once.
    pub channels: Vec<Channel>,
    /// Whether trades and tickers are taken of all markets rather than of `market_tickers`.
    pub tape_of_all_markets: bool,
    /// Markets a command names at most; the exchange may make it smaller (error 26).
    pub subscribe_batch: usize,
    /// The exchange pings every 10 s: after this long without a sign the connection is dead.
    pub silence_max: Duration,
    /// How long a command may stay unanswered.
    pub command_timeout: Duration,
    /// How often an unanswered command is sent again before the connection is given up.
    pub command_retries: u32,
    /// How long after the ack a market's snapshot may take before it is asked for, and again
    /// before the market is called unknown.
    pub snapshot_wait: Duration,
    /// The longest pause between commands after errors.
    pub pause_max: Duration,
    /// For the jitter of pauses.
    pub seed: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            market_tickers: Vec::new(),
            channels: vec![Channel::OrderbookDelta],
            tape_of_all_markets: false,
            subscribe_batch: 500,
            silence_max: Duration::from_secs(25),
            command_timeout: Duration::from_secs(10),
            command_retries: 1,
            snapshot_wait: Duration::from_secs(10),
            pause_max: Duration::from_secs(30),
            seed: 0,
        }
    }
}

/// What happened to the connection.
#[derive(Clone, PartialEq, Debug)]
pub enum Input<'a> {
    /// The handshake succeeded.
    Opened,
    /// A text message came and was decoded.
    Frame(&'a Frame<'a>),
    /// A text message came and could not be decoded: the next `seq` will tell where it is missing.
    BadFrame,
    /// A ping, a pong, anything else that shows life.
    Heard,
    /// These markets are wanted from now on.
    AddMarkets(Vec<String>),
    /// These are not.
    RemoveMarkets(Vec<String>),
    /// Somebody wants a fresh snapshot of these.
    Refresh(Vec<String>),
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    lanes: Vec<Lane>,
    desk: Desk,
    heard_at: Option<Moment>,
    strangers: BTreeSet<u32>,
}

/// What lanes share: the way out and the numbers of commands.
#[derive(Debug, Default)]
struct Desk {
    outputs: VecDeque<Output>,
    last_id: u64,
    over: bool,
}

impl Session {
    /// A session that has not been opened yet.
    pub fn new(config: SessionConfig) -> Self {
        let mut channels = config.channels.clone();
        let mut seen = BTreeSet::new();
        channels.retain(|channel| seen.insert(*channel));
        let lanes = channels.into_iter().map(|channel| Lane::new(channel, &config)).collect();
        let desk = Desk::default();
        Self { config, lanes, desk, heard_at: None, strangers: BTreeSet::new() }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Moment) {
        if self.desk.over {
            return;
        }
        match input {
            Input::Opened | Input::BadFrame | Input::Heard => self.heard_at = Some(now),
            Input::Frame(frame) => {
                self.heard_at = Some(now);
                self.frame(frame, now);
            }
            Input::AddMarkets(tickers) => {
                for lane in &mut self.lanes {
                    lane.add(&tickers);
                }
            }
            Input::RemoveMarkets(tickers) => {
                for lane in &mut self.lanes {
                    lane.remove(&tickers, &mut self.desk);
                }
            }
            Input::Refresh(tickers) => {
                for lane in self.lanes.iter_mut().filter(|lane| lane.has_books()) {
                    lane.refresh(&tickers);
                }
            }
        }
        self.pump(now);
    }

    /// Does what is due. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        let Some(heard_at) = self.heard_at else {
            return;
        };
        if self.desk.over {
            return;
        }
        if heard_at.plus(self.config.silence_max) <= now {
            self.desk.reconnect("the exchange fell silent");
            return;
        }
        for lane in &mut self.lanes {
            lane.timeouts(&self.config, &mut self.desk, now);
        }
        self.pump(now);
    }

    /// When [`Self::handle_timeout`] is due at the latest.
    pub fn next_timeout(&self) -> Option<Moment> {
        if self.desk.over {
            return None;
        }
        let silent = self.heard_at?.plus(self.config.silence_max);
        let lanes = self.lanes.iter().filter_map(|lane| lane.next_timeout(&self.config));
        Some(lanes.fold(silent, Moment::min))
    }

    /// What to do; call until there is nothing, after every call above.
    pub fn poll(&mut self) -> Option<Output> {
        self.desk.outputs.pop_front()
    }

    /// The markets of this connection and how far each has come: on the order book if that is
    /// subscribed, else on the first channel that takes markets.
    pub fn markets(&self) -> impl Iterator<Item = (&str, MarketState)> {
        let books = self.lanes.iter().find(|lane| lane.has_books());
        let lane = books.or_else(|| self.lanes.iter().find(|lane| lane.takes_markets()));
        lane.into_iter().flat_map(Lane::markets)
    }

    /// Whether a market is carried whole: subscribed on every channel that takes markets and is to be had, its book
    /// sure.
    pub fn carries(&self, ticker: &str) -> bool {
        let mut taking =
            self.lanes.iter().filter(|lane| lane.takes_markets() && !lane.is_refused());
        let is_live = |lane: &Lane| lane.state(ticker) == Some(MarketState::Live);
        // None at all carries nothing.
        taking.next().is_some_and(is_live) && taking.all(is_live)
    }

    fn pump(&mut self, now: Moment) {
        if self.heard_at.is_none() || self.desk.over {
            return;
        }
        for lane in &mut self.lanes {
            lane.pump(&self.config, &mut self.desk, now);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, now: Moment) {
        let known = frame.sid.and_then(|sid| self.lanes.iter().position(|lane| lane.is_sid(sid)));
        let lane = known.or_else(|| self.lane_of_command(frame.id));
        if let (Some(sid), Some(seq)) = (frame.sid, frame.seq) {
            let Some(lane) = lane else {
                self.stranger(sid);
                return;
            };
            let lane = &mut self.lanes[lane];
            match lane.sequence(sid, seq) {
                Sequence::Next => {}
                Sequence::Repeat => {
                    self.desk.tell(SessionEvent::Repeat { sid, seq });
                    return;
                }
                Sequence::Jump { expected } => lane.broken(expected, seq, &mut self.desk, now),
            }
        }
        match &frame.message {
            Message::Subscribed { channel, sid } => self.subscribed(channel, *sid, frame.id, now),
            Message::Error(reply) => self.error(lane, frame, reply, now),
            Message::Ok(reply) => {
                if let Some(lane) = self.lane_of_command(frame.id) {
                    self.lanes[lane].acked(frame, reply, &self.config, &mut self.desk, now);
                }
            }
            Message::Unsubscribed => {
                if let Some(lane) = lane {
                    self.lanes[lane].unsubscribed(&mut self.desk, now);
                }
            }
            Message::Snapshot(snapshot) => {
                if let Some(lane) = lane {
                    self.lanes[lane].snapshot(snapshot.market_ticker, &mut self.desk, now);
                }
            }
            _ => {}
        }
    }

    fn subscribed(&mut self, channel: &str, sid: u32, id: Option<u64>, now: Moment) {
        let ours = Channel::parse(channel)
            .and_then(|channel| self.lanes.iter().position(|lane| lane.is_channel(channel)));
        match ours {
            Some(lane) => {
                self.lanes[lane].subscribed(sid, id, &self.config, &mut self.desk, now);
                self.strangers.remove(&sid);
            }
            None => self.stranger(sid),
        }
    }

    fn error(&mut self, lane: Option<usize>, frame: &Frame<'_>, reply: &ErrorReply, now: Moment) {
        let remedy = error_code::remedy(reply.code);
        if remedy == Remedy::Reconnect {
            self.desk.reconnect("the connection is not authenticated");
            return;
        }
        let only = (self.lanes.len() == 1).then_some(0);
        let terminal = error_code::is_terminal(reply.code);
        match lane.or(if terminal { only } else { None }) {
            Some(lane) if terminal => self.lanes[lane].lost(reply.code, &mut self.desk, now),
            Some(lane) if self.lanes[lane].is_waiting_for(frame.id) => {
                self.lanes[lane].refused(reply, &self.config, &mut self.desk, now);
            }
            None if terminal => {
                self.desk.reconnect("a subscription died and the exchange did not say which");
            }
            _ => self.desk.tell(SessionEvent::CommandFailed {
                command: "unknown",
                code: reply.code,
                msg: reply.msg.clone(),
                market_tickers: reply.market_tickers.clone(),
            }),
        }
    }

    fn lane_of_command(&self, id: Option<u64>) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.is_waiting_for(id))
    }

    fn stranger(&mut self, sid: u32) {
        if self.strangers.len() < STRANGERS_MAX && self.strangers.insert(sid) {
            self.desk.tell(SessionEvent::UnknownSid { sid });
        }
    }
}

impl Desk {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn tell(&mut self, event: SessionEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The last word of a session.
    fn reconnect(&mut self, because: &'static str) {
        self.outputs.push_back(Output::Reconnect { because });
        self.over = true;
    }
}

#[cfg(test)]
mod tests;
