//! One connection for ever: dial, pump, wait, dial again, with a new session each time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use exchange::{Backoff, Channel, Session, SessionConfig};
use serde_json::json;
use service::clock::Clock;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Board, Connection},
    dial::{Dialer, Socket},
    intake::{Intake, What},
    keep::Spooling,
    meter::Meter,
    poll::with_causes,
    socket::{Orders, Pump},
    spread::{Carried, LIFECYCLE},
    telemetry,
    universe::News,
};

/// Limits of the waits between dials; a fleet that lost the same venue must not come back in step.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A session that held this long shows that the venue is well: the waits start small again.
const STABLE: Duration = Duration::from_secs(60);

/// Numbers sessions: unique over a gatherer's life, rising.
pub(crate) struct SessionNumbers {
    incarnation: u32,
    counter: AtomicU32,
}

impl SessionNumbers {
    pub(crate) fn new(incarnation: u32) -> Self {
        Self { incarnation, counter: AtomicU32::new(0) }
    }

    fn next(&self) -> u64 {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        u64::from(self.incarnation) << 32 | u64::from(counter)
    }
}

/// What every connection needs.
pub(crate) struct Wiring {
    pub(crate) gatherer_id: String,
    pub(crate) dialer: Dialer,
    pub(crate) intake: Intake,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Clock,
    pub(crate) numbers: SessionNumbers,
    pub(crate) spooling: watch::Receiver<Spooling>,
    /// What sessions hear that concerns which markets are carried where.
    pub(crate) said: mpsc::Sender<Said>,
    /// Woken when something may have been missed there, so that the exchange's list is asked for.
    pub(crate) missed: Arc<Notify>,
}

/// What a session heard that concerns which markets are carried where.
#[derive(Debug)]
pub(crate) enum Said {
    /// A market came, went, or will.
    News(News),
    /// The exchange does not let this connection have more markets than it has without these.
    Refused { index: usize, markets: Vec<String> },
}

/// These waiting to be acted upon. Full: shed and counted, and the exchange's list is asked for instead.
pub(crate) const SAID_MAX: usize = 4_096;

impl Wiring {
    /// Passes on what a session heard; it waits for nobody.
    pub(crate) fn say(&self, said: Said) {
        if self.said.try_send(said).is_err() {
            telemetry::markets::news_shed();
            self.missed.notify_one();
        }
    }
}

/// One connection.
pub(crate) struct Link {
    wiring: Arc<Wiring>,
    connection: Arc<Connection>,
    refreshes: mpsc::Receiver<Vec<String>>,
    spooling: watch::Receiver<Spooling>,
    wanted: watch::Receiver<Arc<Carried>>,
    meter: Arc<Meter>,
    backoff: Backoff,
    stop: CancellationToken,
    /// Whether there was a session before.
    is_again: bool,
}

impl Link {
    pub(crate) fn new(
        wiring: Arc<Wiring>,
        index: usize,
        (wanted, meter, stop): (watch::Receiver<Arc<Carried>>, Arc<Meter>, CancellationToken),
    ) -> Self {
        let (connection, refreshes) = wiring.board.add(index, wanted.borrow().len());
        let seed = wiring.clock.wall_ns().cast_unsigned() ^ (index as u64) << 48;
        Self {
            connection,
            refreshes,
            spooling: wiring.spooling.clone(),
            wanted,
            meter,
            backoff: Backoff::new(FIRST_WAIT, WAIT_MAX, seed),
            stop,
            is_again: false,
            wiring,
        }
    }

    /// Keeps the connection up until told to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        while let Some(socket) = stop.run_until_cancelled(self.connect()).await {
            self.session(socket).await;
            if stop.is_cancelled() {
                break;
            }
        }
        self.wiring.board.remove(&self.connection);
    }

    /// Dials until there is a connection. While the spool takes nothing, no dial is made.
    async fn connect(&mut self) -> Socket {
        loop {
            if self.spooling.wait_for(|state| *state == Spooling::Working).await.is_err() {
                // Nobody keeps any more: the program is ending.
                std::future::pending::<()>().await;
            }
            telemetry::connecting(self.connection.index, self.wiring.dialer.url());
            match self.wiring.dialer.dial().await {
                Ok(socket) => return socket,
                Err(error) => {
                    let wait = self.backoff.next_delay();
                    telemetry::dial_failed(self.connection.index, &with_causes(&error), wait);
                    sleep(wait).await;
                }
            }
        }
    }

    async fn session(&mut self, socket: Socket) {
        let wiring = Arc::clone(&self.wiring);
        let session = wiring.numbers.next();
        let markets = Arc::clone(&self.wanted.borrow_and_update());
        let ticket = wiring.intake.ticket();
        let opened_ns = ticket.stamp().mono_ns;
        let about = json!({
            "url": wiring.dialer.url().as_str(),
            "connection": self.connection.index,
            "gatherer": wiring.gatherer_id,
            "markets": markets.iter().map(|market| &**market).collect::<Vec<_>>(),
        });
        if !wiring.intake.keep(ticket, What::Opened { session, about: about.to_string() }).await {
            return;
        }
        self.connection.opened(session, markets.len());
        if self.connection.index == LIFECYCLE && std::mem::replace(&mut self.is_again, true) {
            // Nobody has heard of markets since the last session ended.
            wiring.missed.notify_one();
        }
        let machine = self.machine(&markets, session);
        let to = (&*wiring, &self.connection, &*self.meter);
        let pump = Pump::new(to, (session, socket), (machine, markets));
        let orders = Orders {
            refreshes: &mut self.refreshes,
            wanted: &mut self.wanted,
            spooling: self.spooling.clone(),
            stop: &self.stop,
        };
        let reason = pump.run(orders).await;
        let ticket = wiring.intake.ticket();
        self.meter.ended();
        self.connection.closed(&reason);
        let held = Duration::from_nanos(ticket.stamp().mono_ns.saturating_sub(opened_ns));
        wiring.intake.keep(ticket, What::Closed { session, reason }).await;
        if held >= STABLE {
            self.backoff.reset();
        }
        if !self.stop.is_cancelled() {
            let wait = self.backoff.next_delay();
            let _stopped = self.stop.run_until_cancelled(sleep(wait)).await;
        }
    }

    /// A session machine that knows what to subscribe to. Lifecycle messages come for all markets at once, so one
    /// connection takes them for all.
    fn machine(&self, markets: &Carried, session: u64) -> Session {
        let mut channels = vec![Channel::OrderbookDelta, Channel::Trade, Channel::Ticker];
        if self.connection.index == LIFECYCLE {
            channels.extend([Channel::MarketLifecycle, Channel::MultivariateLifecycle]);
        }
        Session::new(SessionConfig {
            market_tickers: markets.iter().map(ToString::to_string).collect(),
            channels,
            seed: session,
            ..SessionConfig::default()
        })
    }
}
