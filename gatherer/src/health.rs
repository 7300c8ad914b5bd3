//! How the gatherer is, in one JSON object and one word.

use std::sync::Arc;

use serde::Serialize;
use service::clock::Clock;
use spool::{Log, Position};
use store::Progress;
use tokio::sync::watch;

use crate::{acks::Acks, board::Board, keep::Spooling};

/// While a batch is retried for less than this, the store is still called reachable: one retry is everyday life.
const RETRYING_NS_MAX: i64 = 5_000_000_000;

/// Everything that health looks at.
pub(crate) struct Vitals {
    pub(crate) gatherer_id: String,
    pub(crate) clock: Clock,
    pub(crate) board: Arc<Board>,
    pub(crate) log: Log,
    pub(crate) acks: Arc<Acks>,
    pub(crate) spooling: watch::Receiver<Spooling>,
    /// `None`: no local ClickHouse.
    pub(crate) sink: Option<watch::Receiver<Progress>>,
}

/// The word.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Captures, but something needs a look.
    Degraded,
    /// Captures nothing.
    Down,
}

#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) status: Verdict,
    reasons: Vec<String>,
    gatherer: String,
    version: &'static str,
    uptime_seconds: u64,
    connections: Vec<ConnectionHealth>,
    frames_total: u64,
    frames_per_second: u64,
    deltas_total: u64,
    spool: SpoolHealth,
    clickhouse: Option<StoreHealth>,
    deduplicators: usize,
}

#[derive(Serialize)]
struct ConnectionHealth {
    index: usize,
    connected: bool,
    session: u64,
    markets: usize,
    frames: u64,
    last_frame_ms_ago: Option<u64>,
    breaks: u64,
}

#[derive(Serialize)]
struct SpoolHealth {
    written: String,
    durable: String,
    oldest: String,
    acked: Option<String>,
    bytes_on_disk: u64,
    unacked_bytes: u64,
}

#[derive(Serialize)]
struct StoreHealth {
    reachable: bool,
    cursor: Option<String>,
    lag_bytes: u64,
    rows_total: u64,
    last_error: Option<String>,
}

impl Vitals {
    /// How it is now.
    pub(crate) fn look(&self) -> Health {
        let mut reasons = Vec::new();
        let connections = self.connections();
        let clickhouse = self.store();
        self.judge_capture(&connections, &mut reasons);
        if let Some(store) = clickhouse.as_ref().filter(|store| !store.reachable) {
            let error = store.last_error.as_deref().unwrap_or("it never answered");
            reasons.push((Verdict::Degraded, format!("the local ClickHouse: {error}")));
        }
        for name in self.acks.absent() {
            reasons.push((Verdict::Degraded, format!("deduplicator {name} does not follow")));
        }
        let (frames_total, deltas_total) = self.board.totals();
        Health {
            status: reasons.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Ok),
            reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
            gatherer: self.gatherer_id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.mono_ns() / 1_000_000_000,
            connections,
            frames_total,
            frames_per_second: self.board.frames_per_second(),
            deltas_total,
            spool: self.spool(),
            clickhouse,
            deduplicators: self.acks.streams(),
        }
    }

    /// Whether it captures: every connection is up and the spool takes what comes.
    pub(crate) fn is_ready(&self) -> bool {
        let views = self.board.views();
        !views.is_empty()
            && views.iter().all(|view| view.connected)
            && *self.spooling.borrow() == Spooling::Working
    }

    /// Bytes written and not acked by every known deduplicator.
    pub(crate) fn unacked_bytes(&self) -> u64 {
        self.behind(self.acks.lowest().unwrap_or(Position::ZERO))
    }

    fn judge_capture(
        &self,
        connections: &[ConnectionHealth],
        reasons: &mut Vec<(Verdict, String)>,
    ) {
        if let Spooling::Failing(reason) = &*self.spooling.borrow() {
            reasons.push((Verdict::Down, format!("the spool takes no frames: {reason}")));
        }
        let down = connections.iter().filter(|connection| !connection.connected).count();
        if connections.is_empty() {
            reasons.push((Verdict::Down, "no markets are known yet".to_owned()));
        } else if down == connections.len() {
            reasons.push((Verdict::Down, "no connection to the exchange".to_owned()));
        } else if down > 0 {
            let all = connections.len();
            reasons.push((Verdict::Degraded, format!("{down} of {all} connections are down")));
        }
    }

    fn connections(&self) -> Vec<ConnectionHealth> {
        let now = self.clock.mono_ns();
        let health = |view: crate::board::View| ConnectionHealth {
            index: view.index,
            connected: view.connected,
            session: view.session,
            markets: view.markets,
            frames: view.frames,
            last_frame_ms_ago: view
                .last_frame_mono_ns
                .map(|last| now.saturating_sub(last) / 1_000_000),
            breaks: view.breaks,
        };
        self.board.views().into_iter().map(health).collect()
    }

    fn spool(&self) -> SpoolHealth {
        SpoolHealth {
            written: self.log.written().to_string(),
            durable: self.log.durable().to_string(),
            oldest: self.log.oldest().to_string(),
            acked: self.acks.lowest().map(|below| below.to_string()),
            bytes_on_disk: self.log.bytes_on_disk(),
            unacked_bytes: self.unacked_bytes(),
        }
    }

    fn store(&self) -> Option<StoreHealth> {
        let progress = self.sink.as_ref()?.borrow().clone();
        let now = self.clock.wall_ns();
        let retrying = progress.retrying_since_wall_ns.is_some_and(|since| {
            now.saturating_sub(since) > RETRYING_NS_MAX || progress.cursor.is_none()
        });
        Some(StoreHealth {
            reachable: progress.cursor.is_some() && !retrying,
            cursor: progress.cursor.map(|cursor| cursor.to_string()),
            lag_bytes: self.behind(progress.cursor.unwrap_or(Position::ZERO)),
            rows_total: progress.rows_total,
            last_error: progress.last_error,
        })
    }

    /// Bytes between a position and the end; over incarnations it is a ceiling.
    fn behind(&self, position: Position) -> u64 {
        let written = self.log.written();
        let on_disk = self.log.bytes_on_disk();
        if position.incarnation == written.incarnation {
            written.offset.saturating_sub(position.offset).min(on_disk)
        } else {
            on_disk
        }
    }
}
