//! What we say on a stream: the start, acks, and refreshes gathered by session.

use std::collections::BTreeMap;

use anyhow::Context as _;
use proto::limits::REFRESH_MARKETS_MAX;
use proto::{FollowRequest, Position, Start, rpc::WireRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Refresh;

/// Requests not yet taken by HTTP/2. Policy wait: the gatherer reads them at once or is stuck.
const REQUESTS_MAX: usize = 16;

/// The sending half of a stream.
pub(super) struct Outbound {
    requests: mpsc::Sender<WireRequest>,
    acked: Option<Position>,
}

impl Outbound {
    /// The half, and the stream of requests to call with; it begins with `Start`.
    pub(super) fn start(ours: &str, from: Option<Position>) -> (Self, ReceiverStream<WireRequest>) {
        let (requests, stream) = mpsc::channel(REQUESTS_MAX);
        let start = FollowRequest::Start(Start { deduplicator: ours.to_owned(), from });
        requests.try_send(start.into()).expect("the queue is new and has room");
        (Self { requests, acked: None }, ReceiverStream::new(stream))
    }

    pub(super) async fn ack(&mut self, below: Option<Position>) -> anyhow::Result<()> {
        self.acked = below;
        self.ack_again().await
    }

    /// Repeats the last ack, so that the gatherer sees us alive.
    pub(super) async fn ack_again(&mut self) -> anyhow::Result<()> {
        match self.acked {
            Some(below) => self.send(FollowRequest::Ack(below)).await,
            None => Ok(()),
        }
    }

    /// Sends `first` and what else waits, one request a session.
    pub(super) async fn refresh(
        &mut self,
        first: Refresh,
        more: &mut mpsc::Receiver<Refresh>,
    ) -> anyhow::Result<()> {
        let mut sessions: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut next = Some(first);
        let mut left = REFRESH_MARKETS_MAX;
        while let Some((session, market)) = next {
            sessions.entry(session).or_default().push(market.into());
            left -= 1;
            next = if left > 0 { more.try_recv().ok() } else { None };
        }
        for (session, market_tickers) in sessions {
            let refresh = proto::Refresh { session, market_tickers };
            self.send(FollowRequest::Refresh(refresh)).await?;
        }
        Ok(())
    }

    async fn send(&self, request: FollowRequest) -> anyhow::Result<()> {
        self.requests.send(request.into()).await.context("the stream takes no requests")
    }
}
