//! The box: a scripted venue that answers the session's commands over a wire that tests can cut,
//! hold and damage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Channel, Input, MarketState, Moment, Output, Session, SessionConfig, SessionEvent, decode,
};

const ID: &str = "0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001";

/// A session, a venue, and what passed between them.
pub(super) struct Pair {
    pub(super) session: Session,
    pub(super) venue: Venue,
    pub(super) now: Moment,
    pub(super) events: Vec<SessionEvent>,
    pub(super) reconnect: Option<&'static str>,
    pub(super) commands: Vec<Value>,
    next_ping: Moment,
}

/// The exchange's side of one connection.
#[derive(Default)]
pub(super) struct Venue {
    /// Per channel: sid, last seq, markets.
    pub(super) subscriptions: BTreeMap<String, (u32, u64, BTreeSet<String>)>,
    pub(super) last_sid: u32,
    /// Frames on their way to the session.
    pub(super) wire: VecDeque<String>,
    /// Errors for the next commands, before anything is done: `(code, times)`.
    pub(super) errors: VecDeque<u32>,
    /// Markets that have no book.
    pub(super) unknown: BTreeSet<String>,
    /// Commands left without any answer.
    pub(super) deaf_to: BTreeSet<&'static str>,
    /// More markets in one subscription are answered by 26.
    pub(super) markets_max: Option<usize>,
    pub(super) lists_unknown: bool,
}

impl Venue {
    fn sequenced(&mut self, channel: &str) -> Option<(u32, u64)> {
        let (sid, seq, _) = self.subscriptions.get_mut(channel)?;
        *seq += 1;
        Some((*sid, *seq))
    }

    pub(super) fn delta(&mut self, ticker: &str) {
        let (sid, seq) = self.sequenced("orderbook_delta").unwrap();
        self.wire.push_back(
            json!({"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": {
                "market_ticker": ticker, "market_id": ID, "price_dollars": "0.4300",
                "delta_fp": "1.00", "side": "yes", "ts_ms": 5}})
            .to_string(),
        );
    }

    pub(super) fn trade(&mut self, ticker: &str) {
        let (sid, seq) = self.sequenced("trade").unwrap();
        self.wire.push_back(
            json!({"type": "trade", "sid": sid, "seq": seq, "msg": {
                "trade_id": ID, "market_ticker": ticker, "yes_price_dollars": "0.4300",
                "no_price_dollars": "0.5700", "count_fp": "1.00", "taker_side": "yes",
                "ts_ms": 5}})
            .to_string(),
        );
    }

    /// One frame of the order book that the session will never see.
    pub(super) fn lose_one(&mut self, ticker: &str) {
        self.delta(ticker);
        self.wire.pop_back();
    }

    fn snapshot(&mut self, ticker: &str, id: Option<u64>) {
        if self.unknown.contains(ticker) {
            return;
        }
        let Some((sid, seq)) = self.sequenced("orderbook_delta") else { return };
        let mut frame = json!({"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": {
            "market_ticker": ticker, "market_id": ID, "yes_dollars_fp": [["0.4000", "5.00"]]}});
        if let Some(id) = id {
            frame["id"] = json!(id);
        }
        self.wire.push_back(frame.to_string());
    }

    /// The exchange ends a subscription.
    pub(super) fn kill(&mut self, channel: &str, code: u32) {
        let (sid, seq) = self.sequenced(channel).unwrap();
        self.subscriptions.remove(channel);
        let msg = json!({"code": code, "msg": "dead"});
        let frame = json!({"type": "error", "sid": sid, "seq": seq, "msg": msg});
        self.wire.push_back(frame.to_string());
    }

    fn carry_out(&mut self, command: &Value) {
        let id = command["id"].as_u64().unwrap();
        let params = &command["params"];
        let what = match command["cmd"].as_str().unwrap() {
            "update_subscription" => params["action"].as_str().unwrap(),
            other => other,
        };
        if self.deaf_to.iter().any(|deaf| *deaf == what) {
            return;
        }
        let tickers: Vec<String> = params["market_tickers"]
            .as_array()
            .map(|list| list.iter().map(|t| t.as_str().unwrap().to_owned()).collect())
            .unwrap_or_default();
        let channel = self.channel_of(params);
        if let Some(code) = self.refusal(what, &channel, &tickers) {
            let msg = json!({"code": code, "msg": "no"});
            self.wire.push_back(json!({"id": id, "type": "error", "msg": msg}).to_string());
            return;
        }
        match what {
            "subscribe" => {
                if channel == "orderbook_delta" {
                    assert_eq!(params["use_yes_price"], json!(true), "{command}");
                    assert!(!tickers.is_empty(), "{command}");
                }
                self.subscribe(id, &channel, tickers);
            }
            "unsubscribe" => {
                let (sid, seq) = self.sequenced(&channel).unwrap();
                self.subscriptions.remove(&channel);
                let frame = json!({"id": id, "sid": sid, "seq": seq, "type": "unsubscribed"});
                self.wire.push_back(frame.to_string());
            }
            "add_markets" => self.add(id, &channel, tickers),
            "delete_markets" => {
                let markets = &mut self.subscriptions.get_mut(&channel).unwrap().2;
                markets.retain(|market| !tickers.contains(market));
                self.ok(id, &channel);
            }
            "get_snapshot" => tickers.iter().for_each(|ticker| self.snapshot(ticker, Some(id))),
            other => panic!("{other}"),
        }
    }

    fn channel_of(&self, params: &Value) -> String {
        if let Some(channel) = params["channels"][0].as_str() {
            return channel.to_owned();
        }
        let sid = params["sids"][0].as_u64().unwrap();
        let mut all = self.subscriptions.iter();
        all.find(|(_, (ours, ..))| u64::from(*ours) == sid)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    fn refusal(&mut self, what: &str, channel: &str, tickers: &[String]) -> Option<u32> {
        if let Some(code) = self.errors.pop_front() {
            return Some(code);
        }
        if what != "subscribe" && channel.is_empty() {
            return Some(7);
        }
        let held = self.subscriptions.get(channel).map_or(0, |(_, _, markets)| markets.len());
        let full = self.markets_max.is_some_and(|max| held + tickers.len() > max);
        (matches!(what, "subscribe" | "add_markets") && full).then_some(26)
    }

    fn subscribe(&mut self, id: u64, channel: &str, tickers: Vec<String>) {
        if self.subscriptions.contains_key(channel) {
            return self.add(id, channel, tickers);
        }
        self.last_sid += 1;
        let sid = self.last_sid;
        self.subscriptions.insert(channel.to_owned(), (sid, 0, BTreeSet::new()));
        let msg = json!({"channel": channel, "sid": sid});
        self.wire.push_back(json!({"type": "subscribed", "id": id, "msg": msg}).to_string());
        self.take_in(channel, tickers);
    }

    fn add(&mut self, id: u64, channel: &str, tickers: Vec<String>) {
        let (_, _, held) = &self.subscriptions[channel];
        let new = tickers.into_iter().filter(|ticker| !held.contains(ticker)).collect::<Vec<_>>();
        let markets = &mut self.subscriptions.get_mut(channel).unwrap().2;
        markets.extend(new.iter().cloned());
        self.ok(id, channel);
        self.take_in(channel, new);
    }

    fn take_in(&mut self, channel: &str, tickers: Vec<String>) {
        for ticker in tickers {
            self.subscriptions.get_mut(channel).unwrap().2.insert(ticker.clone());
            if channel == "orderbook_delta" {
                self.snapshot(&ticker, None);
            }
        }
    }

    fn ok(&mut self, id: u64, channel: &str) {
        let (sid, seq) = self.sequenced(channel).unwrap();
        let markets = &self.subscriptions[channel].2;
        let list: Vec<_> = markets
            .iter()
            .filter(|market| self.lists_unknown || !self.unknown.contains(*market))
            .collect();
        let frame = json!({"id": id, "sid": sid, "seq": seq, "type": "ok", "msg": {"market_tickers": list}});
        self.wire.push_back(frame.to_string());
    }
}

impl Pair {
    pub(super) fn new(config: SessionConfig) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        Self {
            session: Session::new(config),
            venue: Venue::default(),
            now,
            events: Vec::new(),
            reconnect: None,
            commands: Vec::new(),
            next_ping: now.plus(Duration::from_secs(10)),
        }
    }

    /// An order book of `count` markets, in batches of `batch`.
    pub(super) fn of_books(count: usize, batch: usize) -> Self {
        Self::new(SessionConfig {
            market_tickers: tickers(count),
            channels: vec![Channel::OrderbookDelta],
            subscribe_batch: batch,
            ..SessionConfig::default()
        })
    }

    pub(super) fn opened(mut self) -> Self {
        self.input(Input::Opened);
        self
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
        self.settle();
    }

    /// Lets frames and commands pass until both sides are at rest; no time goes by.
    pub(super) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the box does not come to rest: {:?}", self.commands.last());
            while let Some(output) = self.session.poll() {
                assert!(self.reconnect.is_none(), "{output:?} after the end");
                match output {
                    Output::Send(text) => {
                        let command: Value = serde_json::from_str(&text).unwrap();
                        self.commands.push(command.clone());
                        self.venue.carry_out(&command);
                    }
                    Output::Reconnect { because } => self.reconnect = Some(because),
                    Output::Event(event) => self.events.push(event),
                }
            }
            let Some(frame) = self.venue.wire.pop_front() else { return };
            let frame = decode(&frame).unwrap();
            self.session.handle(Input::Frame(&frame), self.now);
        }
    }

    /// Lets time go by, from one thing due to the next, with a ping every 10 s.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now.plus(duration);
        while self.now < end && self.reconnect.is_none() {
            let due = self.session.next_timeout().unwrap_or(end);
            assert!(due > self.now || self.would_move(), "a timeout that nothing answers");
            self.now = due.max(self.now).min(self.next_ping).min(end);
            if self.now == self.next_ping {
                self.next_ping = self.now.plus(Duration::from_secs(10));
                self.session.handle(Input::Heard, self.now);
            }
            self.session.handle_timeout(self.now);
            self.settle();
        }
    }

    fn would_move(&mut self) -> bool {
        let before = self.session.next_timeout();
        self.session.handle_timeout(self.now);
        self.settle();
        self.session.next_timeout() != before
    }

    pub(super) fn count(&self, state: MarketState) -> usize {
        self.session.markets().filter(|(_, found)| *found == state).count()
    }

    /// `subscribe A,B`, `get_snapshot C`, ...
    pub(super) fn sent(&self) -> Vec<String> {
        let named = self.commands.iter().map(|command| {
            let params = &command["params"];
            let what = params["action"].as_str().or(command["cmd"].as_str()).unwrap();
            let list = params["market_tickers"].as_array().cloned().unwrap_or_default();
            let list: Vec<_> = list.iter().map(|ticker| ticker.as_str().unwrap()).collect();
            format!("{what} {}", list.join(","))
        });
        named.collect()
    }

    pub(super) fn has(&self, wanted: impl Fn(&SessionEvent) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}

/// `M000`, `M001`, ...
pub(super) fn tickers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("M{number:03}")).collect()
}
