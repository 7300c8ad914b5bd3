//! What the answer to a command, or its absence, does to a subscription.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::command::error_code::{self, Remedy};
use crate::message::{ErrorReply, Frame, OkReply};
use crate::moment::Moment;
use crate::session::lane::{Command, InFlight, Lane, Life};
use crate::session::{Desk, MarketState, SessionConfig, SessionEvent};

/// The pause between commands after the first "too many requests"; it doubles with each.
const GAP_FIRST: Duration = Duration::from_millis(100);

/// No published limit asks for fewer than one command in this time.
const GAP_MAX: Duration = Duration::from_secs(5);

impl Lane {
    /// The channel has a sid. Its id may be that of a command we had given up.
    pub(super) fn subscribed(
        &mut self,
        sid: u32,
        id: Option<u64>,
        config: &SessionConfig,
        desk: &mut Desk,
        now: Moment,
    ) {
        if !self.is_sid(sid) {
            self.go_live(sid, None, desk);
        }
        if self.is_waiting_for(id)
            && let Some(sent) = self.answered()
        {
            self.mark_subscribed(sent.tickers, None, config, desk, now);
        }
    }

    /// A command was carried out.
    pub(super) fn acked(
        &mut self,
        frame: &Frame<'_>,
        reply: &OkReply,
        config: &SessionConfig,
        desk: &mut Desk,
        now: Moment,
    ) {
        let Some(command) = self.in_flight.as_ref().map(|sent| sent.command) else {
            return;
        };
        match command {
            // The snapshots themselves are the answer; an `ok` beside them says nothing more.
            Command::GetSnapshot => {}
            Command::Unsubscribe => self.unsubscribed(desk, now),
            Command::Delete => {
                for ticker in self.answered().map(|sent| sent.tickers).unwrap_or_default() {
                    if self.markets.get(&ticker) == Some(&MarketState::Leaving) {
                        self.markets.remove(&ticker);
                    }
                }
            }
            Command::Subscribe | Command::Add => {
                if let (None, Some(sid)) = (self.sid(), frame.sid) {
                    self.go_live(sid, frame.seq.map(|seq| seq.saturating_add(1)), desk);
                }
                let tickers = self.answered().map(|sent| sent.tickers).unwrap_or_default();
                let list = reply.market_tickers.as_deref();
                self.mark_subscribed(tickers, list, config, desk, now);
            }
        }
    }

    fn go_live(&mut self, sid: u32, next_seq: Option<u64>, desk: &mut Desk) {
        let fresh = (!self.old_sids.contains(&sid)).then_some(1);
        self.life = Life::Live { sid, next_seq: next_seq.or(fresh) };
        self.old_sids.insert(sid);
        desk.tell(SessionEvent::Subscribed { channel: self.channel, sid });
    }

    /// The command in flight succeeded: what was made careful by failures is so no longer.
    pub(super) fn answered(&mut self) -> Option<InFlight> {
        self.unanswered = 0;
        self.next_batch = self.batch;
        self.in_flight.take()
    }

    fn mark_subscribed(
        &mut self,
        tickers: Vec<String>,
        list: Option<&[String]>,
        config: &SessionConfig,
        desk: &mut Desk,
        now: Moment,
    ) {
        let list: Option<BTreeSet<&str>> =
            list.map(|list| list.iter().map(String::as_str).collect());
        let mut awaited = Vec::new();
        for ticker in tickers {
            if self.markets.get(&ticker) != Some(&MarketState::Subscribing) {
                continue;
            }
            if list.as_ref().is_some_and(|list| !list.contains(ticker.as_str())) {
                self.unknown(ticker, desk);
            } else if self.has_books() {
                self.set(&ticker, MarketState::AwaitingSnapshot);
                awaited.push(ticker);
            } else {
                self.set(&ticker, MarketState::Live);
            }
        }
        if !awaited.is_empty() {
            self.awaited.push_back((now.plus(config.snapshot_wait), awaited));
        }
    }

    /// The command in flight was refused.
    pub(super) fn refused(
        &mut self,
        reply: &ErrorReply,
        config: &SessionConfig,
        desk: &mut Desk,
        now: Moment,
    ) {
        let Some(sent) = self.in_flight.take() else {
            return;
        };
        desk.tell(SessionEvent::CommandFailed {
            command: sent.command.name(),
            code: reply.code,
            msg: reply.msg.clone(),
            market_tickers: sent.tickers.clone(),
        });
        match error_code::remedy(reply.code) {
            Remedy::Resubscribe if sent.command == Command::Unsubscribe => self.go_off(),
            Remedy::Resubscribe | Remedy::Reconnect => {
                self.requeue(sent);
                self.lost(reply.code, desk, now);
            }
            Remedy::Slower => {
                self.gap = (self.gap * 2).clamp(GAP_FIRST, GAP_MAX);
                self.pause(now);
                self.requeue(sent);
            }
            Remedy::Retry => {
                self.pause(now);
                self.try_again(sent, config, desk);
            }
            Remedy::Smaller if sent.tickers.len() > 1 => {
                self.batch = sent.tickers.len() / 2;
                self.next_batch = self.batch;
                self.requeue(sent);
            }
            Remedy::FewerMarkets if sent.tickers.len() > 1 && sent.command.subscribes() => {
                self.search(sent, reply, desk);
            }
            Remedy::Smaller | Remedy::FewerMarkets | Remedy::GiveUp => {
                self.give_up(sent, reply.code, desk);
            }
        }
    }

    /// Leaves out the markets that the error names, or halves the command to find the bad one.
    fn search(&mut self, mut sent: InFlight, reply: &ErrorReply, desk: &mut Desk) {
        let is_bad = |ticker: &String| reply.market_tickers.contains(ticker);
        let (bad, good): (Vec<_>, Vec<_>) = sent.tickers.drain(..).partition(is_bad);
        if bad.is_empty() || good.is_empty() {
            self.next_batch = (bad.len() + good.len()) / 2;
        }
        let blamed = if good.is_empty() { Vec::new() } else { bad.clone() };
        sent.tickers = if good.is_empty() { bad } else { good };
        self.refuse_markets(blamed, reply.code, desk);
        self.requeue(sent);
    }

    /// The same command would fail for ever.
    fn give_up(&mut self, sent: InFlight, code: u32, desk: &mut Desk) {
        match sent.command {
            Command::Unsubscribe => desk.reconnect("an unsubscribe was refused"),
            Command::GetSnapshot => self.refresh_failed(sent.tickers, desk),
            Command::Delete => {
                for ticker in sent.tickers {
                    self.markets.remove(&ticker);
                }
            }
            Command::Subscribe | Command::Add => {
                let full = code == error_code::MARKET_LIMIT_EXCEEDED;
                let one_bad = error_code::remedy(code) == Remedy::FewerMarkets && self.filtered;
                let mut refused = sent.tickers;
                if full || !one_bad {
                    refused.extend(self.to_add.drain(..));
                }
                if sent.command == Command::Subscribe && !one_bad {
                    self.life = Life::Refused;
                }
                self.next_batch = self.batch;
                self.refuse_markets(refused, code, desk);
            }
        }
    }

    fn refuse_markets(&mut self, market_tickers: Vec<String>, code: u32, desk: &mut Desk) {
        for ticker in &market_tickers {
            self.set(ticker, MarketState::Refused);
            self.no_longer_unsure(ticker, desk);
        }
        if !market_tickers.is_empty() || self.life == Life::Refused {
            desk.tell(SessionEvent::MarketsRefused { code, market_tickers });
        }
    }

    /// The command in flight was not answered in time.
    pub(super) fn unanswered(&mut self, config: &SessionConfig, desk: &mut Desk) {
        let Some(sent) = self.in_flight.take() else {
            return;
        };
        desk.tell(SessionEvent::CommandUnanswered { command: sent.command.name() });
        match sent.command {
            Command::GetSnapshot => self.refresh_failed(sent.tickers, desk),
            _ => self.try_again(sent, config, desk),
        }
    }

    fn try_again(&mut self, sent: InFlight, config: &SessionConfig, desk: &mut Desk) {
        self.unanswered += 1;
        if self.unanswered > config.command_retries {
            desk.reconnect("a command stayed without answer");
            return;
        }
        self.requeue(sent);
    }

    /// Puts what the command was about back where it will be taken from next.
    fn requeue(&mut self, sent: InFlight) {
        match sent.command {
            Command::Unsubscribe => {}
            Command::Delete => self.to_drop.extend(sent.tickers),
            Command::GetSnapshot => self.to_refresh.extend(sent.tickers),
            Command::Subscribe | Command::Add => {
                for ticker in sent.tickers.into_iter().rev() {
                    if self.markets.get(&ticker) == Some(&MarketState::Subscribing) {
                        self.set(&ticker, MarketState::Wanted);
                        self.to_add.push_front(ticker);
                    }
                }
            }
        }
    }
}
