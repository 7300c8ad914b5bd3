//! Sends an event out: first to the truth, then to every connection that listens.

use std::time::Duration;

use crate::{
    book::{Book, Scale, Side},
    channel::Channel,
    clock::Now,
    event::{Delta, Event, Lifecycle, Trade},
    faults::{How, rewrite},
    frames::{self, Figures},
    hub::{Hub, lifecycle_channel},
    session::Message,
};

/// A market's ticker goes out at most this often.
const TICKER_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    pub(crate) fn publish(&mut self, event: Event, now: Now) {
        match event {
            Event::Born { market } => {
                let market = self.markets.at(market);
                self.truth.market(market);
                self.truth.book(market, self.era, (market.wire_clock(), &market.book));
            }
            Event::Delta(delta) => self.publish_delta(&delta, now),
            Event::Trade(trade) => self.publish_trade(trade, now),
            Event::Replaced { market, clock, levels } => {
                let mut book = Book::default();
                for (side, price, size) in levels {
                    book.apply(side, price, size);
                }
                self.truth.book(self.markets.at(market), self.era, (clock, &book));
                self.publish_snapshot(market, clock, &book, now);
            }
            Event::Emptied { market, clock, ts_ms } => {
                self.totals.emptied += 1;
                self.truth.emptied(self.markets.at(market), self.era, clock, ts_ms);
                // The exchange sends it twice, with consecutive seq; it is one event.
                self.publish_snapshot(market, clock, &Book::default(), now);
                self.publish_snapshot(market, clock, &Book::default(), now);
            }
            Event::Ticker { market, ts_ms, figures, body } => {
                self.markets.at_mut(market).ticker.body = body;
                self.truth.ticker(self.markets.at(market), &figures, ts_ms);
                self.publish_ticker(market, now);
            }
            Event::Lifecycle(message) => self.publish_lifecycle(&message, now),
        }
    }

    /// Tickers that changed and have been silent for a second.
    pub(crate) fn publish_tickers(&mut self, now: Now) {
        if !self.source.makes_tickers() {
            return;
        }
        let stirred = std::mem::take(&mut self.stirred);
        for index in stirred {
            let market = self.markets.at_mut(index);
            if market.ticker.sent_at.is_some_and(|sent| now.at < sent + TICKER_EVERY) {
                self.stirred.push(index);
                continue;
            }
            market.ticker.is_due = false;
            market.ticker.sent_at = Some(now.at);
            let figures = Figures::of(market);
            market.ticker.body = frames::ticker_body(market, &figures, market.updated_ms);
            let ts_ms = market.updated_ms;
            self.truth.ticker(self.markets.at(index), &figures, ts_ms);
            self.publish_ticker(index, now);
        }
        self.forget_overflowed();
    }

    fn publish_delta(&mut self, delta: &Delta, now: Now) {
        self.totals.deltas += 1;
        let market = self.markets.at(delta.market);
        self.truth.delta(market, self.era, delta);
        self.stir(delta.market);
        let audience = &self.audiences[Channel::BOOK.index()];
        if !audience.is_heard(delta.market) {
            return;
        }
        let market = self.markets.at(delta.market);
        let schema = self.schema.as_ref();
        let (yes_leg, no_leg) = (&mut self.scratch.0, &mut self.scratch.1);
        yes_leg.clear();
        no_leg.clear();
        let write = |out: &mut Vec<u8>, delta: &Delta, scale: Scale| {
            frames::delta_body(out, market, delta, scale);
            if let Some((change, field, _)) = schema {
                rewrite(out, *change, field.as_deref());
            }
        };
        write(yes_leg, delta, Scale::YesLeg);
        for index in audience.of(delta.market) {
            let Some(session) = self.sessions.get_mut(&index) else { continue };
            let Some(scale) = session.on(Channel::BOOK).map(|book| book.scale) else { continue };
            let body = match session.line.lie {
                Some((How::Stale, _)) => continue,
                Some((how, _)) => {
                    no_leg.clear();
                    write(no_leg, &lied(delta, how), scale);
                    &*no_leg
                }
                None if scale == Scale::NoLeg && delta.side == Side::No => {
                    no_leg.clear();
                    write(no_leg, delta, scale);
                    &*no_leg
                }
                None => &*yes_leg,
            };
            let message = Message {
                channel: Channel::BOOK,
                kind: "orderbook_delta",
                market: delta.market,
                body,
                id: None,
            };
            session.deliver(&message, now);
        }
    }

    fn publish_snapshot(&mut self, market: usize, clock: Option<u64>, book: &Book, now: Now) {
        let listeners: Vec<u32> = self.audiences[Channel::BOOK.index()].of(market).collect();
        for index in listeners {
            self.send_snapshot(index, market, (clock, book), None, now);
        }
    }

    /// A snapshot for one connection.
    pub(crate) fn send_snapshot(
        &mut self,
        connection: u32,
        market: usize,
        at: (Option<u64>, &Book),
        id: Option<u64>,
        now: Now,
    ) {
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        let Some(scale) = session.on(Channel::BOOK).map(|book| book.scale) else { return };
        let body = &mut self.scratch.0;
        body.clear();
        frames::snapshot_body(body, self.markets.at(market), at, scale);
        let kind = "orderbook_snapshot";
        session.deliver(&Message { channel: Channel::BOOK, kind, market, body, id }, now);
    }

    fn publish_trade(&mut self, trade: Trade, now: Now) {
        self.totals.trades += 1;
        self.keep_trade(trade);
        self.stir(trade.market);
        let market = self.markets.at(trade.market);
        self.truth.trade(market, &trade);
        let mut body = std::mem::take(&mut self.scratch.0);
        body.clear();
        frames::trade_body(&mut body, market, &trade);
        self.send(Channel::TRADE, "trade", trade.market, &mut body, now);
        self.scratch.0 = body;
    }

    fn publish_ticker(&mut self, market: usize, now: Now) {
        self.totals.tickers += 1;
        let mut body = self.markets.at(market).ticker.body.clone();
        self.send(Channel::TICKER, "ticker", market, &mut body, now);
    }

    fn publish_lifecycle(&mut self, message: &Lifecycle, now: Now) {
        self.totals.lifecycle += 1;
        self.truth.lifecycle(message);
        let channel = lifecycle_channel(message.audience);
        for index in self.audiences[channel.index()].everything() {
            let Some(session) = self.sessions.get_mut(&index) else { continue };
            let (kind, body) = (message.kind, message.body.as_slice());
            session.deliver(&Message { channel, kind, market: usize::MAX, body, id: None }, now);
        }
    }

    fn send(&mut self, channel: Channel, kind: &str, market: usize, body: &mut Vec<u8>, now: Now) {
        if let Some((change, field, _)) = &self.schema {
            rewrite(body, *change, field.as_deref());
        }
        for index in self.audiences[channel.index()].of(market) {
            if let Some(session) = self.sessions.get_mut(&index) {
                session.deliver(&Message { channel, kind, market, body, id: None }, now);
            }
        }
    }

    /// Remembers that a market's ticker is due, once.
    fn stir(&mut self, index: usize) {
        if !self.source.makes_tickers() {
            return;
        }
        let ticker = &mut self.markets.at_mut(index).ticker;
        if !ticker.is_due {
            ticker.is_due = true;
            self.stirred.push(index);
        }
    }
}

/// What a lying connection says instead.
fn lied(delta: &Delta, how: How) -> Delta {
    match how {
        How::Price if delta.price > 5000 => Delta { price: delta.price - 100, ..*delta },
        How::Price => Delta { price: delta.price + 100, ..*delta },
        _ => Delta { delta: delta.delta + 100, ..*delta },
    }
}
