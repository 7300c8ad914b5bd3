//! What is known about the connections at this moment, for health, metrics and the way of a refresh to its session.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;

use crate::telemetry;

/// Requests for fresh snapshots that wait for one connection. Full: shed and counted; the deduplicator asks again.
const REFRESHES_MAX: usize = 64;

/// Frames per second are averaged over this many samples of a second.
const RATE_SAMPLES: usize = 5;

/// One frame in so many is logged at DEBUG.
const FRAMES_PER_SAMPLE: u64 = 1_000;

/// The least skew is that of the half minute before and what has come since, in samples of a second.
const SKEW_SAMPLES: u32 = 30;

/// All connections.
#[derive(Default)]
pub(crate) struct Board {
    connections: Mutex<BTreeMap<usize, Arc<Connection>>>,
    frames: AtomicU64,
    deltas: AtomicU64,
    samples: Mutex<VecDeque<(u64, u64)>>,
    skew: Skew,
}

/// The least difference between receipt and exchange time; `i64::MAX`: nothing came.
struct Skew {
    now_ns: AtomicI64,
    before_ns: AtomicI64,
    samples: AtomicU32,
}

impl Default for Skew {
    fn default() -> Self {
        let none = || AtomicI64::new(i64::MAX);
        Self { now_ns: none(), before_ns: none(), samples: AtomicU32::new(0) }
    }
}

impl Skew {
    fn turn(&self) {
        if self.samples.fetch_add(1, Ordering::Relaxed) % SKEW_SAMPLES == SKEW_SAMPLES - 1 {
            let now = self.now_ns.swap(i64::MAX, Ordering::Relaxed);
            self.before_ns.store(now, Ordering::Relaxed);
        }
    }
}

/// One connection, over all its sessions.
pub(crate) struct Connection {
    pub(crate) index: usize,
    markets: AtomicUsize,
    connected: AtomicBool,
    session: AtomicU64,
    frames: AtomicU64,
    breaks: AtomicU64,
    last_frame_mono_ns: AtomicU64,
    refresh: mpsc::Sender<Vec<String>>,
}

/// What a connection looks like from outside.
pub(crate) struct View {
    pub(crate) index: usize,
    pub(crate) markets: usize,
    pub(crate) connected: bool,
    pub(crate) session: u64,
    pub(crate) frames: u64,
    pub(crate) breaks: u64,
    /// `None` before the first frame.
    pub(crate) last_frame_mono_ns: Option<u64>,
}

impl Board {
    /// A connection that is about to be opened, and the refreshes that will come for it.
    pub(crate) fn add(
        &self,
        index: usize,
        markets: usize,
    ) -> (Arc<Connection>, mpsc::Receiver<Vec<String>>) {
        let (refresh, refreshes) = mpsc::channel(REFRESHES_MAX);
        let connection = Arc::new(Connection {
            index,
            markets: AtomicUsize::new(markets),
            connected: AtomicBool::new(false),
            session: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            breaks: AtomicU64::new(0),
            last_frame_mono_ns: AtomicU64::new(0),
            refresh,
        });
        locked(&self.connections).insert(index, Arc::clone(&connection));
        (connection, refreshes)
    }

    /// A connection that was given up, unless another has its number by now.
    pub(crate) fn remove(&self, connection: &Arc<Connection>) {
        let mut connections = locked(&self.connections);
        if connections.get(&connection.index).is_some_and(|now| Arc::ptr_eq(now, connection)) {
            connections.remove(&connection.index);
        }
    }

    /// A frame came on `connection`; `true`: it is one to be logged.
    pub(crate) fn frame(&self, connection: &Connection, mono_ns: u64) -> bool {
        connection.frames.fetch_add(1, Ordering::Relaxed);
        connection.last_frame_mono_ns.store(mono_ns.max(1), Ordering::Relaxed);
        self.frames.fetch_add(1, Ordering::Relaxed).is_multiple_of(FRAMES_PER_SAMPLE)
    }

    /// That frame was a change of an order book, received and made at these times.
    pub(crate) fn delta(&self, received_wall_ns: i64, made_ms: Option<i64>) {
        self.deltas.fetch_add(1, Ordering::Relaxed);
        if let Some(made_ms) = made_ms.filter(|ms| *ms > 0) {
            let behind_ns = received_wall_ns.saturating_sub(made_ms.saturating_mul(1_000_000));
            self.skew.now_ns.fetch_min(behind_ns, Ordering::Relaxed);
        }
    }

    /// Our clock at receipt minus the exchange's, the least of the last minute; `None`: nothing came.
    pub(crate) fn exchange_skew_ns(&self) -> Option<i64> {
        let of = |least: &AtomicI64| least.load(Ordering::Relaxed);
        Some(of(&self.skew.now_ns).min(of(&self.skew.before_ns))).filter(|least| *least < i64::MAX)
    }

    /// Sends a refresh to the connection that carries `session`, if one does.
    pub(crate) fn refresh(&self, session: u64, market_tickers: Vec<String>) {
        let connection = locked(&self.connections)
            .values()
            .find(|connection| connection.session.load(Ordering::Relaxed) == session)
            .cloned();
        let outcome = match connection {
            None => "no such session",
            Some(connection) => match connection.refresh.try_send(market_tickers) {
                Ok(()) => "sent",
                Err(_) => "shed",
            },
        };
        telemetry::refresh_asked(session, outcome);
    }

    /// Every connection, by its number.
    pub(crate) fn views(&self) -> Vec<View> {
        locked(&self.connections).values().map(|connection| connection.view()).collect()
    }

    /// Frames and deltas since the start.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.frames.load(Ordering::Relaxed), self.deltas.load(Ordering::Relaxed))
    }

    /// Notes the frames so far; call once a second.
    pub(crate) fn sample(&self, mono_ns: u64) {
        self.skew.turn();
        let mut samples = locked(&self.samples);
        samples.push_back((mono_ns, self.frames.load(Ordering::Relaxed)));
        while samples.len() > RATE_SAMPLES {
            samples.pop_front();
        }
    }

    /// Frames per second over the last samples.
    pub(crate) fn frames_per_second(&self) -> u64 {
        let samples = locked(&self.samples);
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else { return 0 };
        let nanos = u128::from(last.0 - first.0).max(1);
        (u128::from(last.1 - first.1) * 1_000_000_000 / nanos) as u64
    }
}

impl Connection {
    /// A session was opened on it.
    pub(crate) fn opened(&self, session: u64, markets: usize) {
        self.carries(markets);
        self.session.store(session, Ordering::Relaxed);
        self.connected.store(true, Ordering::Relaxed);
        telemetry::connection_up(self.index, session, markets);
    }

    /// It carries so many markets now.
    pub(crate) fn carries(&self, markets: usize) {
        self.markets.store(markets, Ordering::Relaxed);
    }

    /// Its session ended.
    pub(crate) fn closed(&self, reason: &str) {
        self.connected.store(false, Ordering::Relaxed);
        telemetry::connection_down(self.index, self.session.load(Ordering::Relaxed), reason);
    }

    /// A gap in a sequence was found.
    pub(crate) fn broke(&self) {
        self.breaks.fetch_add(1, Ordering::Relaxed);
    }

    fn view(&self) -> View {
        let last = self.last_frame_mono_ns.load(Ordering::Relaxed);
        View {
            index: self.index,
            markets: self.markets.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed),
            session: self.session.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            breaks: self.breaks.load(Ordering::Relaxed),
            last_frame_mono_ns: (last > 0).then_some(last),
        }
    }
}

/// Counters are never left half-changed, so a panic elsewhere takes nothing from them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_reaches_the_connection_that_carries_the_session() {
        let board = Board::default();
        let (one, mut to_one) = board.add(0, 1);
        let (two, mut to_two) = board.add(1, 1);
        one.opened(7, 1);
        two.opened(8, 1);
        board.refresh(8, vec!["A".into()]);
        board.refresh(9, vec!["B".into()]);
        assert_eq!(to_two.try_recv(), Ok(vec!["A".to_owned()]));
        assert!(to_one.try_recv().is_err());
    }

    #[test]
    fn the_least_skew_of_the_last_minute_counts() {
        let board = Board::default();
        assert_eq!(board.exchange_skew_ns(), None);
        board.delta(5_000_000_000, Some(4_000));
        board.delta(5_500_000_000, Some(5_300));
        board.delta(6_000_000_000, None);
        assert_eq!(board.exchange_skew_ns(), Some(200_000_000));
        (0..SKEW_SAMPLES).for_each(|second| board.sample(u64::from(second)));
        board.delta(9_000_000_000, Some(9_001));
        assert_eq!(board.exchange_skew_ns(), Some(-1_000_000), "the exchange is ahead of us");
        (0..2 * SKEW_SAMPLES).for_each(|second| board.sample(u64::from(second)));
        assert_eq!(board.exchange_skew_ns(), None);
    }

    #[test]
    fn frames_per_second_are_those_of_the_last_seconds() {
        let board = Board::default();
        let (connection, _refreshes) = board.add(0, 1);
        for second in 0..10_u64 {
            board.sample(second * 1_000_000_000);
            for _ in 0..second * 100 {
                board.frame(&connection, 1);
            }
        }
        // Samples of seconds 5 to 9: the frames of 5, 6, 7 and 8.
        assert_eq!(board.frames_per_second(), (500 + 600 + 700 + 800) / 4);
    }
}
