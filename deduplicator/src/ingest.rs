//! Follows one gatherer: dials, resumes where the last stream ended, hands over what comes.
//!
//! What a record means is the pipeline's business.

mod outbound;
mod stream;

use std::time::Duration;

use merge::GathererIndex;
use proto::tls::Tls;
use proto::{Batch, Heartbeat, Position};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::catalog_notes::{Note, Notes};
use crate::config::GathererAddress;
use crate::telemetry;

/// Batches on their way to the pipeline, of up to a quarter megabyte each. Policy wait: when it is
/// full, streams are not read, and HTTP/2 holds the gatherers back; their spools keep the rest.
pub(crate) const EVENTS_MAX: usize = 64;
/// Refreshes on their way to one gatherer. Policy shed and count: the merge asks again.
pub(crate) const REFRESHES_MAX: usize = 1_024;

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a gatherer's stream brings, in its order.
pub(crate) enum Event {
    /// A stream stands; it begins at `from`.
    Connected { gatherer: GathererIndex, from: Position, written: Position },
    /// Records.
    Batch { gatherer: GathererIndex, batch: Batch },
    /// No records.
    Heartbeat { gatherer: GathererIndex, heartbeat: Heartbeat },
    /// The stream ended.
    Disconnected { gatherer: GathererIndex },
}

/// A market whose book is to be asked for again, on a session.
pub(crate) type Refresh = (u64, Box<str>);

/// One gatherer, followed.
pub(crate) struct Ingest {
    pub(crate) ours: String,
    pub(crate) address: GathererAddress,
    pub(crate) tls: Option<Tls>,
    pub(crate) index: GathererIndex,
    /// Where to resume; `None`: the oldest the gatherer keeps.
    pub(crate) from: Option<Position>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) acks: watch::Receiver<Option<Position>>,
    pub(crate) refreshes: mpsc::Receiver<Refresh>,
    pub(crate) notes: Notes,
}

/// Follows until `stopping`; a stream that ends is dialled again.
pub(crate) async fn run(mut ingest: Ingest, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut backoff = BACKOFF_FIRST;
    while !stopping.is_cancelled() {
        let Some(ended) = stopping.run_until_cancelled(ingest.stream()).await else { break };
        if ended.records > 0 {
            backoff = BACKOFF_FIRST;
        }
        telemetry::stream_ended(&ingest.address.name, &ended.why);
        if ended.connected {
            ingest.note(false, "");
            let event = Event::Disconnected { gatherer: ingest.index };
            if ingest.events.send(event).await.is_err() {
                break;
            }
        }
        if stopping.run_until_cancelled(tokio::time::sleep(backoff)).await.is_none() {
            break;
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
    Ok(())
}

impl Ingest {
    /// Tells the catalog how the gatherer stands.
    fn note(&self, connected: bool, version: &str) {
        let GathererAddress { name, url } = self.address.clone();
        self.notes.send(Note::Gatherer { name, url, version: version.to_owned(), connected });
    }
}
