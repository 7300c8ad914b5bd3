//! The gRPC server: lets deduplicators follow the spool.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use axum::serve::Listener as _;
use futures_util::{Stream, stream};
use proto::{
    limits,
    rpc::{self, WireReply, WireRequest},
    tls::Tls,
};
use service::{clock::Clock, listen::Limited};
use spool::{Log, Position};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::{acks::Acks, board::Board, following::Following, intake::Flow, telemetry};

/// What every stream needs.
pub(crate) struct Shared {
    pub(crate) gatherer_id: String,
    pub(crate) log: Log,
    pub(crate) acks: Arc<Acks>,
    pub(crate) board: Arc<Board>,
    pub(crate) flow: Arc<Flow>,
    pub(crate) clock: Clock,
    /// How far the spool was handed to the operating system.
    pub(crate) written: watch::Receiver<Position>,
    /// Nothing more will be written: streams end when they have sent all.
    pub(crate) finished: CancellationToken,
    pub(crate) streams: AtomicUsize,
}

/// Serves until nothing more is written and every stream has ended.
///
/// # Errors
/// When the server cannot go on.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    let finished = shared.finished.clone();
    let mut server = rpc::server();
    if let Some(tls) = tls {
        server = server.tls_config(tls.server()).context("GRPC_TLS_CERT, GRPC_TLS_KEY")?;
    }
    let callers = stream::unfold(Limited::new(listener, "grpc"), |mut listener| async move {
        let (caller, _) = listener.accept().await;
        Some((Ok::<_, std::io::Error>(caller), listener))
    });
    server
        .add_service(rpc::service(Uplink { shared }))
        .serve_with_incoming_shutdown(callers, async move {
            finished.cancelled().await;
        })
        .await
        .context("the gRPC server stopped")
}

struct Uplink {
    shared: Arc<Shared>,
}

/// One stream's place among the allowed ones.
pub(crate) struct Place {
    shared: Arc<Shared>,
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, Status> {
        let open = shared.streams.fetch_add(1, Ordering::SeqCst) + 1;
        let place = Self { shared: Arc::clone(shared) };
        if open > limits::STREAMS_MAX {
            let limit = limits::STREAMS_MAX;
            return Err(Status::resource_exhausted(format!("{limit} streams are open already")));
        }
        telemetry::streams(open);
        Ok(place)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        telemetry::streams(self.shared.streams.fetch_sub(1, Ordering::SeqCst) - 1);
    }
}

#[tonic::async_trait]
impl rpc::Gatherer for Uplink {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<WireReply, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<Streaming<WireRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let place = Place::take(&self.shared)?;
        let following = Following::new(place, request.into_inner());
        // Each reply is made when HTTP/2 has room for it: back-pressure without a queue in between.
        let replies = stream::unfold(Some(following), |following| async move {
            let mut following = following?;
            match following.next().await {
                Ok(Some(reply)) => Some((Ok(reply.into()), Some(following))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }
}
