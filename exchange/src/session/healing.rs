//! What happens to a subscription after a loss: `get_snapshot` for its markets first, a new
//! subscription if that does not help; and how a market is found to be unknown.

use std::collections::BTreeSet;

use crate::moment::Moment;
use crate::session::lane::{Command, Healing, Lane, Life};
use crate::session::{Desk, MarketState, SessionConfig, SessionEvent};

impl Lane {
    /// `seq` jumped. On the order book every market is unsure until its next snapshot; trades and
    /// lifecycle messages cannot be had again on the socket, so there it is only told.
    pub(super) fn broken(&mut self, expected: u64, got: u64, desk: &mut Desk, now: Moment) {
        let Some(sid) = self.sid() else {
            return;
        };
        let unsure = if self.has_books() { self.covered_markets() } else { BTreeSet::new() };
        desk.tell(SessionEvent::Broken { sid, expected, got, markets: unsure.len() });
        if !self.has_books() || self.restart {
            return;
        }
        if self.in_flight.as_ref().is_some_and(|sent| sent.command == Command::GetSnapshot) {
            self.in_flight = None;
        }
        if self.healing.is_some() {
            self.pause(now);
        }
        for ticker in &unsure {
            self.set(ticker, MarketState::AwaitingSnapshot);
        }
        self.to_refresh.extend(unsure.iter().cloned());
        self.healing = Some(Healing { unsure, resubscribed: false });
        self.check_healed(desk);
    }

    /// A whole book came, asked for or not.
    pub(super) fn snapshot(&mut self, ticker: &str, desk: &mut Desk, now: Moment) {
        let Some(sid) = self.sid() else {
            return;
        };
        let market_ticker = ticker.to_owned();
        desk.tell(SessionEvent::SnapshotSeen { sid, market_ticker });
        self.set(ticker, MarketState::Live);
        self.to_refresh.remove(ticker);
        if let Some(sent) = &mut self.in_flight
            && sent.command == Command::GetSnapshot
        {
            sent.tickers.retain(|waiting| waiting != ticker);
            sent.moved_at = now;
            if sent.tickers.is_empty() {
                self.answered();
            }
        }
        self.no_longer_unsure(ticker, desk);
    }

    /// The exchange said that a subscription ended.
    pub(super) fn unsubscribed(&mut self, desk: &mut Desk, now: Moment) {
        let ours = self.in_flight.as_ref().is_some_and(|sent| sent.command == Command::Unsubscribe);
        if !ours && !self.restart {
            self.lost(0, desk, now);
            return;
        }
        self.answered();
        self.go_off();
    }

    /// The subscription died on the exchange's side: everything is subscribed again.
    pub(super) fn lost(&mut self, code: u32, desk: &mut Desk, now: Moment) {
        desk.tell(SessionEvent::SubscriptionLost { sid: self.sid().unwrap_or(0), code });
        if self.has_books() && self.sid().is_some() {
            let unsure = self.covered_markets();
            let healing = self.healing.get_or_insert_default();
            healing.unsure.extend(unsure);
            healing.resubscribed = true;
        }
        self.go_off();
        self.pause(now);
    }

    /// There is no subscription now; every market that was wanted is wanted again.
    pub(super) fn go_off(&mut self) {
        self.life = Life::Off;
        self.restart = false;
        self.in_flight = None;
        self.to_drop.clear();
        self.to_refresh.clear();
        self.awaited.clear();
        self.to_add.clear();
        self.markets.retain(|_, state| *state != MarketState::Leaving);
        for (ticker, state) in &mut self.markets {
            if *state != MarketState::Refused {
                *state = MarketState::Wanted;
                self.to_add.push_back(ticker.clone());
            }
        }
    }

    /// What time alone does: unanswered commands, snapshots that did not come.
    pub(super) fn timeouts(&mut self, config: &SessionConfig, desk: &mut Desk, now: Moment) {
        let due = |sent_at: Moment| sent_at.plus(config.command_timeout) <= now;
        if self.in_flight.as_ref().is_some_and(|sent| due(sent.moved_at)) {
            self.unanswered(config, desk);
        }
        while let Some((_, tickers)) = self.awaited.pop_front_if(|(until, _)| *until <= now) {
            let late: Vec<String> = tickers
                .into_iter()
                .filter(|ticker| self.markets.get(ticker) == Some(&MarketState::AwaitingSnapshot))
                .collect();
            self.to_refresh.extend(late);
        }
    }

    /// A `get_snapshot` was refused or not answered. After a loss that calls for a new subscription,
    /// once; else a market without a book is called unknown, and for the others the asker is told.
    pub(super) fn refresh_failed(&mut self, tickers: Vec<String>, desk: &mut Desk) {
        if let Some(healing) = &mut self.healing
            && !healing.resubscribed
        {
            healing.resubscribed = true;
            self.restart = true;
            return;
        }
        let (unknown, others): (Vec<_>, Vec<_>) = tickers
            .into_iter()
            .partition(|ticker| self.markets.get(ticker) == Some(&MarketState::AwaitingSnapshot));
        for ticker in unknown {
            self.unknown(ticker, desk);
        }
        if !others.is_empty() {
            desk.tell(SessionEvent::RefreshUnanswered { market_tickers: others });
        }
    }

    pub(super) fn unknown(&mut self, market_ticker: String, desk: &mut Desk) {
        self.set(&market_ticker, MarketState::Unknown);
        self.no_longer_unsure(&market_ticker, desk);
        desk.tell(SessionEvent::UnknownMarket { market_ticker });
    }

    pub(super) fn no_longer_unsure(&mut self, ticker: &str, desk: &mut Desk) {
        if let Some(healing) = &mut self.healing
            && healing.unsure.remove(ticker)
        {
            self.check_healed(desk);
        }
    }

    fn check_healed(&mut self, desk: &mut Desk) {
        if self.healing.as_ref().is_some_and(|healing| healing.unsure.is_empty()) {
            self.healing = None;
            desk.tell(SessionEvent::Healed { sid: self.sid().unwrap_or(0) });
        }
    }

    /// The markets of which messages may be missing: subscribed, and not found unknown.
    fn covered_markets(&self) -> BTreeSet<String> {
        let covered = self.markets.iter().filter(|(_, state)| {
            matches!(state, MarketState::Live | MarketState::AwaitingSnapshot)
        });
        covered.map(|(ticker, _)| ticker.clone()).collect()
    }
}
