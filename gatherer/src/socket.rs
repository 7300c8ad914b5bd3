//! One session on one socket: stamps what comes, before anything else, decodes it for the session machine, hands it to
//! the spool, and does what the machine says.
//!
//! It waits for the spool and for nothing else. What cannot be decoded is kept all the same.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use exchange::{
    Input, Message as Meaning, Moment, Output, Session, SessionEvent,
    command::error_code::MARKET_LIMIT_EXCEEDED,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::CancellationToken;

use crate::{
    board::Connection,
    dial::Socket,
    intake::{Ticket, What},
    keep::Spooling,
    link::{Said, Wiring},
    meter::Meter,
    poll::with_causes,
    spread::Carried,
    telemetry,
    universe::{News, Word},
};

/// A peer that does not take our few bytes for this long is gone.
const SEND_MAX: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Markets that the exchange did not give us are asked for again after this, and less often each time: an unopened one is
/// there when it opens.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(600);

const SPOOL_FAILS: &str = "the spool takes no frames";

/// A session while it lasts.
pub(crate) struct Pump<'a> {
    wiring: &'a Wiring,
    connection: &'a Arc<Connection>,
    meter: &'a Meter,
    session: u64,
    socket: Socket,
    machine: Session,
    carried: Arc<Carried>,
    /// Markets that we should have and do not, and when to ask for them again.
    missing: BTreeSet<String>,
    again_at: Moment,
    again_after: Duration,
}

/// What may be wanted of a session while it runs.
pub(crate) struct Orders<'a> {
    /// Markets that somebody wants fresh snapshots of.
    pub(crate) refreshes: &'a mut mpsc::Receiver<Vec<String>>,
    /// The markets that it should carry.
    pub(crate) wanted: &'a mut watch::Receiver<Arc<Carried>>,
    /// Whether the spool takes frames.
    pub(crate) spooling: watch::Receiver<Spooling>,
    /// Whether it should end.
    pub(crate) stop: &'a CancellationToken,
}

/// What the pump woke up for.
enum Woken {
    Message(Option<Result<Message, tungstenite::Error>>),
    Refresh(Vec<String>),
    Wanted,
    Timeout,
    End(&'static str),
}

impl<'a> Pump<'a> {
    /// A session for `markets` on a socket that was just opened.
    pub(crate) fn new(
        (wiring, connection, meter): (&'a Wiring, &'a Arc<Connection>, &'a Meter),
        (session, socket): (u64, Socket),
        (machine, carried): (Session, Arc<Carried>),
    ) -> Self {
        Self {
            wiring,
            connection,
            meter,
            session,
            socket,
            machine,
            carried,
            missing: BTreeSet::new(),
            again_at: Moment::default(),
            again_after: AGAIN_AFTER,
        }
    }

    /// Runs until the session is over; returns why.
    pub(crate) async fn run(mut self, mut orders: Orders<'_>) -> String {
        self.machine.handle(Input::Opened, self.now());
        let reason = loop {
            if let Err(reason) = self.carry_out().await {
                break reason;
            }
            let done = match self.wake(&mut orders).await {
                Woken::Message(message) => self.received(message, &mut orders.spooling).await,
                Woken::Refresh(tickers) => {
                    self.machine.handle(Input::Refresh(tickers), self.now());
                    Ok(())
                }
                Woken::Wanted => {
                    self.carry(Arc::clone(&orders.wanted.borrow_and_update()));
                    Ok(())
                }
                // The next round does what is due.
                Woken::Timeout => Ok(()),
                Woken::End(reason) => Err(reason.to_owned()),
            };
            if let Err(reason) = done {
                break reason;
            }
        };
        // A goodbye is courtesy; the session is over whether it arrives or not.
        let _said = timeout(CLOSE_MAX, self.socket.close(None)).await;
        reason
    }

    async fn wake(&mut self, orders: &mut Orders<'_>) -> Woken {
        let again = (!self.missing.is_empty()).then_some(self.again_at);
        let due = self.machine.next_timeout().into_iter().chain(again).min();
        let left = due.map(|due| due.since(self.now()));
        tokio::select! {
            biased;
            () = orders.stop.cancelled() => Woken::End("stopped as asked"),
            _ = orders.spooling.wait_for(|state| *state != Spooling::Working) => Woken::End(SPOOL_FAILS),
            message = self.socket.next() => Woken::Message(message),
            Some(tickers) = orders.refreshes.recv() => Woken::Refresh(tickers),
            Ok(()) = orders.wanted.changed() => Woken::Wanted,
            () = sleep(left.unwrap_or_default()), if left.is_some() => Woken::Timeout,
        }
    }

    fn carry(&mut self, wanted: Arc<Carried>) {
        let names = |markets: &mut dyn Iterator<Item = &Arc<str>>| -> Vec<String> {
            markets.map(ToString::to_string).collect()
        };
        let new = names(&mut wanted.difference(&self.carried));
        let gone = names(&mut self.carried.difference(&wanted));
        self.missing.retain(|market| wanted.contains(market.as_str()));
        for (input, markets) in
            [(Input::AddMarkets as fn(_) -> _, new), (Input::RemoveMarkets, gone)]
        {
            if !markets.is_empty() {
                self.machine.handle(input(markets), self.now());
            }
        }
        self.connection.carries(wanted.len());
        self.carried = wanted;
        self.meter.came_further(|market| self.machine.carries(market));
    }

    /// Asks again for what the exchange did not give us, when it is time.
    fn ask_again(&mut self, now: Moment) {
        if !self.missing.is_empty() && self.again_at <= now {
            let missing = std::mem::take(&mut self.missing).into_iter().collect();
            self.machine.handle(Input::AddMarkets(missing), now);
        }
    }

    fn misses(&mut self, markets: impl IntoIterator<Item = String>) {
        if self.missing.is_empty() {
            self.again_at = self.now().plus(self.again_after);
            self.again_after = (self.again_after * 2).min(AGAIN_AFTER_MAX);
        }
        self.missing.extend(markets);
    }

    async fn received(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
        spooling: &mut watch::Receiver<Spooling>,
    ) -> Result<(), String> {
        // Before anything else: the stamp.
        let ticket = self.wiring.intake.ticket();
        match message {
            Some(Ok(Message::Text(text))) => {
                self.understand(&ticket, text.as_str());
                self.keep(ticket, text.into(), spooling).await
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.not_understood(&ticket, "a binary message");
                self.keep(ticket, bytes, spooling).await
            }
            // The library has put a pong behind it; it leaves now.
            Some(Ok(Message::Ping(_))) => {
                self.machine.handle(Input::Heard, moment(&ticket));
                self.flush().await
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {
                self.machine.handle(Input::Heard, moment(&ticket));
                Ok(())
            }
            Some(Ok(Message::Close(frame))) => Err(match frame {
                Some(frame) => format!("closed by the exchange: {} {}", frame.code, frame.reason),
                None => "closed by the exchange".to_owned(),
            }),
            Some(Err(error)) => Err(with_causes(&error)),
            None => Err("the connection ended".to_owned()),
        }
    }

    /// Tells the session machine what a frame means.
    fn understand(&mut self, ticket: &Ticket, text: &str) {
        let is_sample = self.wiring.board.frame(self.connection, ticket.stamp().mono_ns);
        match exchange::decode(text) {
            Ok(frame) => {
                telemetry::frame_received(kind(&frame.message));
                if is_sample {
                    telemetry::frame_sampled(self.session, kind(&frame.message), text);
                }
                if frame.unknown_fields > 0 {
                    telemetry::unknown_fields(frame.unknown_fields);
                }
                if let Meaning::Delta(delta) = &frame.message {
                    self.wiring.board.delta(ticket.stamp().wall_ns, delta.ts_ms);
                }
                if let Some(market) = about(&frame.message) {
                    self.meter.count(market);
                }
                self.pass_on(&frame.message);
                self.machine.handle(Input::Frame(&frame), moment(ticket));
                if self.meter.is_expecting() && brings_markets(&frame.message) {
                    self.meter.came_further(|market| self.machine.carries(market));
                }
            }
            Err(bad) => self.not_understood(ticket, &bad.to_string()),
        }
    }

    /// What a lifecycle message says about a market concerns all connections.
    fn pass_on(&self, message: &Meaning<'_>) {
        if let Meaning::Lifecycle(lifecycle) = message
            && let (Some(ticker), Some(what)) = (lifecycle.market_ticker, Word::of(lifecycle))
        {
            self.wiring.say(Said::News(News { ticker: ticker.into(), what }));
        }
    }

    fn not_understood(&mut self, ticket: &Ticket, why: &str) {
        telemetry::frame_received("undecodable");
        telemetry::frame_undecodable(self.session, why);
        self.machine.handle(Input::BadFrame, moment(ticket));
    }

    /// Waits while the queue to the spool is full, unless the spool has failed.
    async fn keep(
        &self,
        ticket: Ticket,
        bytes: Bytes,
        spooling: &mut watch::Receiver<Spooling>,
    ) -> Result<(), String> {
        let what = What::Frame { session: self.session, bytes };
        tokio::select! {
            biased;
            kept = self.wiring.intake.keep(ticket, what) => {
                if kept { Ok(()) } else { Err("the program ends".to_owned()) }
            }
            _ = spooling.wait_for(|state| *state != Spooling::Working) => {
                telemetry::frame_shed("spool");
                Err(SPOOL_FAILS.to_owned())
            }
        }
    }

    /// Does what the machine wants done.
    async fn carry_out(&mut self) -> Result<(), String> {
        // Here too: under a flood of messages the timer would not get its turn.
        let now = self.now();
        if self.machine.next_timeout().is_some_and(|due| due <= now) {
            self.machine.handle_timeout(now);
        }
        self.ask_again(now);
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send(text) => self.send(text).await?,
                Output::Reconnect { because } => return Err(because.to_owned()),
                Output::Event(event) => {
                    telemetry::session_event(self.session, &event);
                    self.heed(event);
                }
            }
        }
        Ok(())
    }

    fn heed(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Broken { .. } => self.connection.broke(),
            SessionEvent::UnknownMarket { market_ticker } => self.misses([market_ticker]),
            SessionEvent::MarketsRefused { code: MARKET_LIMIT_EXCEEDED, market_tickers } => {
                let index = self.connection.index;
                self.misses(market_tickers.iter().cloned());
                self.wiring.say(Said::Refused { index, markets: market_tickers });
            }
            SessionEvent::MarketsRefused { market_tickers, .. } => self.misses(market_tickers),
            _ => {}
        }
    }

    async fn send(&mut self, text: String) -> Result<(), String> {
        match timeout(SEND_MAX, self.socket.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(|error| with_causes(&error)),
            Err(_) => Err("the exchange takes no commands".to_owned()),
        }
    }

    async fn flush(&mut self) -> Result<(), String> {
        match timeout(SEND_MAX, self.socket.flush()).await {
            Ok(flushed) => flushed.map_err(|error| with_causes(&error)),
            Err(_) => Err("the exchange takes no pongs".to_owned()),
        }
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(self.wiring.clock.mono_ns())
    }
}

fn moment(ticket: &Ticket) -> Moment {
    Moment::from_nanos(ticket.stamp().mono_ns)
}

/// The market whose traffic this is.
fn about<'a>(message: &Meaning<'a>) -> Option<&'a str> {
    match message {
        Meaning::Delta(delta) => Some(delta.market_ticker),
        Meaning::Snapshot(snapshot) => Some(snapshot.market_ticker),
        Meaning::Trade(trade) => Some(trade.market_ticker),
        Meaning::Ticker(ticker) => Some(ticker.market_ticker),
        _ => None,
    }
}

/// Whether a session may have markets whole after this that it had not before.
fn brings_markets(message: &Meaning<'_>) -> bool {
    matches!(message, Meaning::Snapshot(_) | Meaning::Ok(_) | Meaning::Subscribed { .. })
}

/// The label of a message in metrics.
fn kind(message: &Meaning<'_>) -> &'static str {
    match message {
        Meaning::Snapshot(_) => "orderbook_snapshot",
        Meaning::Delta(_) => "orderbook_delta",
        Meaning::Trade(_) => "trade",
        Meaning::Ticker(_) => "ticker",
        Meaning::Lifecycle(_) => "lifecycle",
        Meaning::Subscribed { .. } => "subscribed",
        Meaning::Unsubscribed => "unsubscribed",
        Meaning::Ok(_) => "ok",
        Meaning::Error(_) => "error",
        Meaning::Unknown { .. } => "unknown",
    }
}
