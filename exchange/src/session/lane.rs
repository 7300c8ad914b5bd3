//! One subscription: its sid and sequence, its markets, and the next command to send.
//!
//! What the exchange answers is in `answers`, what happens after a loss in `healing`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::backoff::Backoff;
use crate::command;
use crate::message::Channel;
use crate::moment::Moment;
use crate::session::{Desk, MarketState, Output, SessionConfig};

/// The limit of the first pause after an error.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// After this long without an error pauses start small again.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// One channel's subscription on one connection.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) channel: Channel,
    /// Whether it takes a list of markets; else it is of all.
    pub(super) filtered: bool,
    pub(super) life: Life,
    /// Sids this channel had before: the exchange may go on counting if it gives one again.
    pub(super) old_sids: BTreeSet<u32>,
    pub(super) markets: BTreeMap<String, MarketState>,
    pub(super) to_add: VecDeque<String>,
    pub(super) to_drop: BTreeSet<String>,
    pub(super) to_refresh: BTreeSet<String>,
    /// Markets acked at one time, and until when their snapshots may take.
    pub(super) awaited: VecDeque<(Moment, Vec<String>)>,
    /// What a loss left to be done.
    pub(super) healing: Option<Healing>,
    /// Unsubscribe, then subscribe again.
    pub(super) restart: bool,
    pub(super) in_flight: Option<InFlight>,
    pub(super) unanswered: u32,
    /// Markets a command may name, lowered for good by error 26.
    pub(super) batch: usize,
    /// The same for the next command only, while a bad market is searched.
    pub(super) next_batch: usize,
    /// The least time between commands, raised by error 27.
    pub(super) gap: Duration,
    pub(super) not_before: Moment,
    backoff: Backoff,
    last_trouble: Moment,
}

/// Whether the subscription stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// Not subscribed.
    Off,
    /// Subscribed; `next_seq` is unknown until the first message of a sid that was used before.
    Live { sid: u32, next_seq: Option<u64> },
    /// The exchange does not give us this channel.
    Refused,
}

/// What is to be done after a loss.
#[derive(Debug, Default)]
pub(super) struct Healing {
    /// Markets whose books are unsure.
    pub(super) unsure: BTreeSet<String>,
    /// Whether a new subscription was made already: then a market that still does not answer is
    /// unknown, and not a reason to make another.
    pub(super) resubscribed: bool,
}

/// A command that waits for its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) id: u64,
    pub(super) command: Command,
    pub(super) tickers: Vec<String>,
    /// When it was sent, or when a part of the answer came.
    pub(super) moved_at: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Subscribe,
    Unsubscribe,
    Add,
    Delete,
    GetSnapshot,
}

/// What a `seq` says.
pub(super) enum Sequence {
    Next,
    Repeat,
    Jump { expected: u64 },
}

impl Lane {
    pub(super) fn new(channel: Channel, config: &SessionConfig) -> Self {
        let filtered = match channel {
            Channel::OrderbookDelta => true,
            Channel::Trade | Channel::Ticker => !config.tape_of_all_markets,
            Channel::MarketLifecycle | Channel::MultivariateLifecycle => false,
        };
        let batch = config.subscribe_batch.max(1);
        let seed = config.seed ^ (channel as u64);
        let mut lane = Self {
            channel,
            filtered,
            life: Life::Off,
            old_sids: BTreeSet::new(),
            markets: BTreeMap::new(),
            to_add: VecDeque::new(),
            to_drop: BTreeSet::new(),
            to_refresh: BTreeSet::new(),
            awaited: VecDeque::new(),
            healing: None,
            restart: false,
            in_flight: None,
            unanswered: 0,
            batch,
            next_batch: batch,
            gap: Duration::ZERO,
            not_before: Moment::default(),
            backoff: Backoff::new(PAUSE_FIRST, config.pause_max, seed),
            last_trouble: Moment::default(),
        };
        lane.add(&config.market_tickers);
        lane
    }

    pub(super) fn add(&mut self, tickers: &[String]) {
        if !self.filtered {
            return;
        }
        for ticker in tickers {
            if self.to_drop.remove(ticker) {
                // It never left; only its book is not sure to be whole.
                self.markets.insert(ticker.clone(), MarketState::AwaitingSnapshot);
                if self.has_books() {
                    self.to_refresh.insert(ticker.clone());
                } else {
                    self.markets.insert(ticker.clone(), MarketState::Live);
                }
                continue;
            }
            match self.markets.get(ticker).copied() {
                None | Some(MarketState::Unknown | MarketState::Refused | MarketState::Leaving) => {
                    self.markets.insert(ticker.clone(), MarketState::Wanted);
                    self.to_add.push_back(ticker.clone());
                }
                Some(_) => {}
            }
        }
        if self.life == Life::Refused && !self.to_add.is_empty() {
            self.life = Life::Off;
        }
    }

    pub(super) fn remove(&mut self, tickers: &[String], desk: &mut Desk) {
        for ticker in tickers {
            self.to_refresh.remove(ticker);
            self.no_longer_unsure(ticker, desk);
            match self.markets.get_mut(ticker) {
                None | Some(MarketState::Leaving) => {}
                Some(MarketState::Wanted | MarketState::Refused) => {
                    self.markets.remove(ticker);
                    self.to_add.retain(|other| other != ticker);
                }
                Some(state) => {
                    *state = MarketState::Leaving;
                    self.to_drop.insert(ticker.clone());
                }
            }
        }
    }

    pub(super) fn refresh(&mut self, tickers: &[String]) {
        self.to_refresh.extend(tickers.iter().cloned());
    }

    /// Sends the next command, if one is due and none is in flight.
    pub(super) fn pump(&mut self, config: &SessionConfig, desk: &mut Desk, now: Moment) {
        if self.in_flight.is_some() || now < self.not_before {
            return;
        }
        let Some((command, tickers)) = self.next_command() else {
            return;
        };
        if command != Command::Unsubscribe && self.last_trouble.plus(STABLE_AFTER) <= now {
            self.backoff.reset();
        }
        let id = desk.next_id();
        let sid = self.sid().unwrap_or_default();
        let text = match command {
            Command::Subscribe => command::subscribe(id, self.channel, &tickers),
            Command::Unsubscribe => command::unsubscribe(id, &[sid]),
            Command::Add => command::add_markets(id, sid, &tickers),
            Command::Delete => command::delete_markets(id, sid, &tickers),
            Command::GetSnapshot => command::get_snapshot(id, sid, &tickers),
        };
        debug_assert!(tickers.len() <= config.subscribe_batch.max(1));
        desk.outputs.push_back(Output::Send(text));
        self.in_flight = Some(InFlight { id, command, tickers, moved_at: now });
        self.not_before = now.plus(self.gap);
    }

    fn next_command(&mut self) -> Option<(Command, Vec<String>)> {
        match self.life {
            Life::Refused => None,
            Life::Off if !self.filtered => Some((Command::Subscribe, Vec::new())),
            Life::Off => Some((Command::Subscribe, self.take_to_add()?)),
            Life::Live { .. } if self.restart => Some((Command::Unsubscribe, Vec::new())),
            Life::Live { .. } => {
                let batch = self.next_batch;
                if let Some(tickers) = take(&mut self.to_drop, batch) {
                    return Some((Command::Delete, tickers));
                }
                if let Some(tickers) = take(&mut self.to_refresh, batch) {
                    return Some((Command::GetSnapshot, tickers));
                }
                Some((Command::Add, self.take_to_add()?))
            }
        }
    }

    fn take_to_add(&mut self) -> Option<Vec<String>> {
        let batch = self.next_batch.min(self.to_add.len());
        let tickers: Vec<String> = self.to_add.drain(..batch).collect();
        for ticker in &tickers {
            self.set(ticker, MarketState::Subscribing);
        }
        (!tickers.is_empty()).then_some(tickers)
    }

    /// Where `seq` stands in the sequence of `sid`, and counts it.
    pub(super) fn sequence(&mut self, sid: u32, seq: u64) -> Sequence {
        let Life::Live { sid: ours, next_seq } = &mut self.life else {
            return Sequence::Next;
        };
        let expected = next_seq.unwrap_or(seq);
        if *ours != sid {
            return Sequence::Next;
        }
        if seq < expected {
            return Sequence::Repeat;
        }
        *next_seq = Some(seq.saturating_add(1));
        if seq == expected { Sequence::Next } else { Sequence::Jump { expected } }
    }

    /// When the lane has something to do at the latest.
    pub(super) fn next_timeout(&self, config: &SessionConfig) -> Option<Moment> {
        let answer = self.in_flight.as_ref().map(|sent| sent.moved_at.plus(config.command_timeout));
        let may_send = self.has_work().then_some(self.not_before);
        let snapshot = self.awaited.front().map(|(until, _)| *until);
        [answer.or(may_send), snapshot].into_iter().flatten().min()
    }

    fn has_work(&self) -> bool {
        match self.life {
            Life::Refused => false,
            Life::Off => !self.filtered || !self.to_add.is_empty(),
            Life::Live { .. } => {
                self.restart
                    || !self.to_add.is_empty()
                    || !self.to_drop.is_empty()
                    || !self.to_refresh.is_empty()
            }
        }
    }

    /// Lets the next command wait, longer each time.
    pub(super) fn pause(&mut self, now: Moment) {
        self.last_trouble = now;
        let delay = self.backoff.next_delay().max(self.gap);
        self.not_before = self.not_before.max(now.plus(delay));
    }

    /// Changes the state of a market that is ours; one that is leaving stays so.
    pub(super) fn set(&mut self, ticker: &str, to: MarketState) {
        if let Some(state) = self.markets.get_mut(ticker)
            && *state != MarketState::Leaving
        {
            *state = to;
        }
    }

    pub(super) fn markets(&self) -> impl Iterator<Item = (&str, MarketState)> {
        self.markets.iter().map(|(ticker, state)| (ticker.as_str(), *state))
    }

    pub(super) fn state(&self, ticker: &str) -> Option<MarketState> {
        self.markets.get(ticker).copied()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.life == Life::Refused
    }

    pub(super) fn sid(&self) -> Option<u32> {
        match self.life {
            Life::Live { sid, .. } => Some(sid),
            Life::Off | Life::Refused => None,
        }
    }

    pub(super) fn is_sid(&self, sid: u32) -> bool {
        self.sid() == Some(sid)
    }

    pub(super) fn is_channel(&self, channel: Channel) -> bool {
        self.channel == channel
    }

    pub(super) fn is_waiting_for(&self, id: Option<u64>) -> bool {
        self.in_flight.as_ref().is_some_and(|sent| Some(sent.id) == id)
    }

    pub(super) fn has_books(&self) -> bool {
        self.channel == Channel::OrderbookDelta
    }

    pub(super) fn takes_markets(&self) -> bool {
        self.filtered
    }
}

impl Command {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Add => "add_markets",
            Self::Delete => "delete_markets",
            Self::GetSnapshot => "get_snapshot",
        }
    }

    /// Whether it asks for markets that we do not have yet.
    pub(super) const fn subscribes(self) -> bool {
        matches!(self, Self::Subscribe | Self::Add)
    }
}

/// Takes up to `batch` out of a set; `None` when it is empty.
fn take(from: &mut BTreeSet<String>, batch: usize) -> Option<Vec<String>> {
    let tickers: Vec<String> = (0..batch).map_while(|_| from.pop_first()).collect();
    (!tickers.is_empty()).then_some(tickers)
}
