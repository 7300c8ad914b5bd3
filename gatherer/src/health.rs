//! How the gatherer is, in one JSON object and one word. What the word is, is `judge`'s.

mod judge;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use service::clock::Clock;
use spool::{Log, Position};
use store::Progress;
use tokio::sync::watch;

use crate::{acks::Acks, board::Board, keep::Spooling};

/// Everything that health looks at.
pub(crate) struct Vitals {
    pub(crate) gatherer_id: String,
    pub(crate) clock: Clock,
    pub(crate) board: Arc<Board>,
    pub(crate) log: Log,
    pub(crate) quota_bytes: u64,
    pub(crate) acks: Arc<Acks>,
    pub(crate) spooling: watch::Receiver<Spooling>,
    /// `None`: no local ClickHouse.
    pub(crate) sink: Option<watch::Receiver<Progress>>,
    pub(crate) flows: Mutex<Flows>,
}

/// What only shows over time; noted once a second.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flows {
    pub(crate) unacked_seconds: f64,
    pub(crate) unstored_seconds: f64,
    pub(crate) rows_last_5m: u64,
    pub(crate) frames_last_5m: u64,
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

impl Verdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

#[derive(Serialize, Clone)]
pub(crate) struct Health {
    pub(crate) status: Verdict,
    pub(crate) reasons: Vec<String>,
    gatherer: String,
    version: &'static str,
    pub(crate) uptime_seconds: u64,
    pub(crate) connections: Vec<ConnectionHealth>,
    pub(crate) markets: usize,
    pub(crate) frames_total: u64,
    pub(crate) frames_per_second: u64,
    pub(crate) frames_last_5m: u64,
    pub(crate) deltas_total: u64,
    pub(crate) spool: SpoolHealth,
    pub(crate) clickhouse: Option<StoreHealth>,
    /// Streams that stand.
    pub(crate) deduplicators: usize,
    deduplicators_absent: Vec<String>,
}

#[derive(Serialize, Clone)]
pub(crate) struct ConnectionHealth {
    index: usize,
    pub(crate) connected: bool,
    session: u64,
    markets: usize,
    frames: u64,
    last_frame_ms_ago: Option<u64>,
    breaks: u64,
}

#[derive(Serialize, Clone)]
pub(crate) struct SpoolHealth {
    /// Why it takes no frames, if it takes none.
    failing: Option<String>,
    written: String,
    durable: String,
    oldest: String,
    acked: Option<String>,
    pub(crate) bytes_on_disk: u64,
    quota_bytes: u64,
    pub(crate) unacked_bytes: u64,
    pub(crate) unacked_seconds: f64,
}

#[derive(Serialize, Clone)]
pub(crate) struct StoreHealth {
    reachable: bool,
    cursor: Option<String>,
    pub(crate) lag_bytes: u64,
    pub(crate) lag_seconds: f64,
    rows_total: u64,
    pub(crate) rows_ingested_last_5m: u64,
    pub(crate) retrying_seconds: f64,
    /// Unix time, 0 for never.
    pub(crate) last_insert_seconds: f64,
    last_error: Option<String>,
}

impl Health {
    /// Since the newest frame on any connection.
    pub(crate) fn last_frame_ms_ago(&self) -> Option<u64> {
        self.connections.iter().filter_map(|connection| connection.last_frame_ms_ago).min()
    }
}

impl Vitals {
    /// How it is now.
    pub(crate) fn look(&self) -> Health {
        let flows = *self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let (frames_total, deltas_total) = self.board.totals();
        let connections = self.connections();
        let mut health = Health {
            status: Verdict::Ok,
            reasons: Vec::new(),
            gatherer: self.gatherer_id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.mono_ns() / 1_000_000_000,
            markets: connections.iter().map(|connection| connection.markets).sum(),
            connections,
            frames_total,
            frames_per_second: self.board.frames_per_second(),
            frames_last_5m: flows.frames_last_5m,
            deltas_total,
            spool: self.spool(flows),
            clickhouse: self.store(flows),
            deduplicators: self.acks.streams(),
            deduplicators_absent: self.acks.absent(),
        };
        let reasons = judge::reasons(&health);
        health.status = reasons.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Ok);
        health.reasons = reasons.into_iter().map(|(_, reason)| reason).collect();
        health
    }

    /// Notes what only shows over time.
    pub(crate) fn note(&self, flows: Flows) {
        *self.flows.lock().unwrap_or_else(PoisonError::into_inner) = flows;
    }

    /// Whether it captures: every connection is up and the spool takes what comes.
    pub(crate) fn is_ready(&self) -> bool {
        let views = self.board.views();
        !views.is_empty()
            && views.iter().all(|view| view.connected)
            && *self.spooling.borrow() == Spooling::Working
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

    fn spool(&self, flows: Flows) -> SpoolHealth {
        SpoolHealth {
            failing: match &*self.spooling.borrow() {
                Spooling::Failing(reason) => Some(reason.to_string()),
                Spooling::Working => None,
            },
            written: self.log.written().to_string(),
            durable: self.log.durable().to_string(),
            oldest: self.log.oldest().to_string(),
            acked: self.acks.lowest().map(|below| below.to_string()),
            bytes_on_disk: self.log.bytes_on_disk(),
            quota_bytes: self.quota_bytes,
            unacked_bytes: self.behind(self.acks.lowest().unwrap_or(Position::ZERO)),
            unacked_seconds: flows.unacked_seconds,
        }
    }

    fn store(&self, flows: Flows) -> Option<StoreHealth> {
        let progress = self.sink.as_ref()?.borrow().clone();
        let now = self.clock.wall_ns();
        let retrying_ns =
            progress.retrying_since_wall_ns.map_or(0, |since| now.saturating_sub(since).max(0));
        Some(StoreHealth {
            reachable: judge::is_reachable(progress.cursor.is_some(), retrying_ns),
            cursor: progress.cursor.map(|cursor| cursor.to_string()),
            lag_bytes: self.behind(progress.cursor.unwrap_or(Position::ZERO)),
            lag_seconds: flows.unstored_seconds,
            rows_total: progress.rows_total,
            rows_ingested_last_5m: flows.rows_last_5m,
            retrying_seconds: retrying_ns as f64 / 1e9,
            last_insert_seconds: progress.stored_wall_ns as f64 / 1e9,
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
