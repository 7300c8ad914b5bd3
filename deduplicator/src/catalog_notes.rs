//! What the catalog is told while the program works: gatherers, sessions, what the feed calls
//! markets. Nothing waits for the catalog: a note that does not fit is counted and let go.

use std::time::Duration;

use catalog::{Catalog, CatalogError, MarketId};
use merge::{Merge, Record};
use service::clock::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A restart of every gatherer with all its connections, twice over. Policy shed and count.
const NOTES_MAX: usize = 4_096;
/// Lifecycle messages waiting to be asked about. Policy shed: the next round asks about all.
const ASKED_MAX: usize = 4_096;
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// One thing to note.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// `version` is empty if it is not known.
    Gatherer {
        name: String,
        url: String,
        version: String,
        connected: bool,
    },
    SessionOpened {
        gatherer: String,
        session: u64,
        wall_ns: i64,
        about: String,
    },
    SessionClosed {
        gatherer: String,
        session: u64,
        wall_ns: i64,
        reason: String,
    },
    Market(MarketId),
    /// Something changed: ask REST about it.
    Lifecycle {
        market_ticker: Option<String>,
    },
}

/// Where notes are left.
#[derive(Clone)]
pub(crate) struct Notes(Option<mpsc::Sender<Note>>);

impl Note {
    fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Market { sid, market_id, ticker } => {
                let (ticker, market_id) = (ticker.clone(), *market_id);
                Some(Self::Market(MarketId { ticker, market_id, canonical_sid: *sid }))
            }
            Record::Lifecycle(told) => {
                Some(Self::Lifecycle { market_ticker: told.market_ticker.clone() })
            }
            _ => None,
        }
    }
}

impl Notes {
    /// For a pipeline without catalog.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    /// What a canonical record says to the catalog.
    pub(crate) fn note(&self, record: &Record) {
        if let Some(note) = Note::of(record) {
            self.send(note);
        }
    }

    pub(crate) fn send(&self, note: Note) {
        let Some(notes) = &self.0 else { return };
        if notes.try_send(note).is_err() {
            metrics::counter!("catalog_notes_shed_total").increment(1);
        }
    }

    pub(crate) fn session_opened(&self, gatherer: &str, session: u64, wall_ns: i64, about: &str) {
        let (gatherer, about) = (gatherer.to_owned(), about.to_owned());
        self.send(Note::SessionOpened { gatherer, session, wall_ns, about });
    }

    pub(crate) fn session_closed(&self, gatherer: &str, session: u64, wall_ns: i64, reason: &str) {
        let (gatherer, reason) = (gatherer.to_owned(), reason.to_owned());
        self.send(Note::SessionClosed { gatherer, session, wall_ns, reason });
    }
}

/// The notes' reader.
pub(crate) struct Keeper {
    catalog: Catalog,
    notes: mpsc::Receiver<Note>,
    /// Names that a restart knows already.
    known: Vec<MarketId>,
    /// For the metadata: markets to ask about.
    asked: mpsc::Sender<String>,
    clock: Clock,
}

/// A keeper, where to leave notes for it, and the markets it wants to be asked about.
pub(crate) fn keeper(
    catalog: Catalog,
    merge: &Merge,
    clock: Clock,
) -> (Keeper, Notes, mpsc::Receiver<String>) {
    let (sender, notes) = mpsc::channel(NOTES_MAX);
    let (asked, to_ask) = mpsc::channel(ASKED_MAX);
    let known = merge.markets().map(|market| MarketId {
        ticker: market.ticker.to_owned(),
        market_id: market.market_id,
        canonical_sid: market.sid,
    });
    let known = known.collect();
    (Keeper { catalog, notes, known, asked, clock }, Notes(Some(sender)), to_ask)
}

impl Keeper {
    /// Writes notes down until `stopping`, then those that are left, if the catalog answers.
    pub(crate) async fn run(mut self, stopping: CancellationToken) -> anyhow::Result<()> {
        let known: Vec<Note> =
            std::mem::take(&mut self.known).into_iter().map(Note::Market).collect();
        if stopping.run_until_cancelled(self.patiently(&known)).await.is_none() {
            return Ok(());
        }
        drop(known);
        loop {
            let Some(note) = stopping.run_until_cancelled(self.notes.recv()).await else { break };
            let Some(note) = note else { return Ok(()) };
            let batch = self.batch(note);
            if stopping.run_until_cancelled(self.patiently(&batch)).await.is_none() {
                break;
            }
        }
        while let Ok(note) = self.notes.try_recv() {
            let batch = self.batch(note);
            if self.write(&batch).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The note, and what waits behind it; lifecycle goes on to who asks REST.
    fn batch(&mut self, first: Note) -> Vec<Note> {
        let mut batch = vec![first];
        while batch.len() < NOTES_MAX {
            let Ok(note) = self.notes.try_recv() else { break };
            batch.push(note);
        }
        batch.retain(|note| match note {
            Note::Lifecycle { market_ticker } => {
                if let Some(ticker) = market_ticker {
                    self.asked.try_send(ticker.clone()).unwrap_or_default();
                }
                false
            }
            _ => true,
        });
        batch
    }

    /// Tries again while it may help; what the catalog refuses for good is told and let go.
    async fn patiently(&self, batch: &[Note]) {
        let mut again = AGAIN_FIRST;
        while let Err(error) = self.write(batch).await {
            let transient = error.is_transient();
            told(anyhow::Error::new(error), transient);
            if !transient {
                return;
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
        }
    }

    /// Every note may be written twice.
    async fn write(&self, batch: &[Note]) -> Result<(), CatalogError> {
        let now_ms = self.clock.wall_ns().div_euclid(1_000_000);
        let mut ids = Vec::new();
        for note in batch {
            match note {
                Note::Gatherer { name, url, version, connected } => {
                    let who = (&**name, &**url, &**version);
                    self.catalog.note_gatherer(who, *connected, now_ms).await?;
                }
                Note::SessionOpened { gatherer, session, wall_ns, about } => {
                    let at_ms = wall_ns.div_euclid(1_000_000);
                    self.catalog.open_session(gatherer, *session, at_ms, about).await?;
                }
                Note::SessionClosed { gatherer, session, wall_ns, reason } => {
                    let at_ms = wall_ns.div_euclid(1_000_000);
                    self.catalog.close_session(gatherer, *session, at_ms, reason).await?;
                }
                Note::Market(id) => ids.push(id.clone()),
                Note::Lifecycle { .. } => {}
            }
        }
        self.catalog.note_market_ids(&ids).await
    }
}

/// A failure of the catalog.
pub(crate) fn told(error: anyhow::Error, again: bool) {
    metrics::counter!("catalog_errors_total").increment(1);
    let error = format!("{error:#}");
    tracing::warn!(component = "catalog", event = "catalog_failed", error, again, "not written");
}
