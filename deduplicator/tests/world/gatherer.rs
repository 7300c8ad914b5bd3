//! A scripted gatherer: serves prepared captures over the real contract, at a pace.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::rpc::{Gatherer, WireReply, WireRequest};
use proto::{
    Batch, FollowReply, FollowRequest, Heartbeat, Hello, Position, Refresh, push_record, rpc,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// A position a record, far apart.
const STEP: u64 = 1_000;

/// What a peer can see of it.
#[derive(Clone)]
pub struct Scripted {
    inner: Arc<Inner>,
    pub address: SocketAddr,
}

struct Inner {
    name: String,
    captures: Vec<Vec<u8>>,
    batch: usize,
    pause: Duration,
    /// Records below are acknowledged.
    acked: AtomicU64,
    /// Starts asked for below what was acknowledged.
    asked_below_acked: AtomicU64,
    refreshes: Mutex<Vec<Refresh>>,
}

fn position(record: usize) -> Position {
    Position { incarnation: 1, offset: record as u64 * STEP }
}

impl Scripted {
    /// Serves until the test's runtime ends.
    pub async fn start(name: &str, captures: Vec<Vec<u8>>, batch: usize, pause: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            captures,
            batch,
            pause,
            acked: AtomicU64::new(0),
            asked_below_acked: AtomicU64::new(0),
            refreshes: Mutex::default(),
        });
        let service = rpc::service(Service(Arc::clone(&inner)));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            rpc::server().add_service(service).serve_with_incoming(incoming).await
        });
        Self { inner, address }
    }

    /// `name=http://address`
    pub fn setting(&self) -> String {
        format!("{}=http://{}", self.inner.name, self.address)
    }

    pub fn acked(&self) -> u64 {
        self.inner.acked.load(Ordering::SeqCst)
    }

    pub fn asked_below_acked(&self) -> u64 {
        self.inner.asked_below_acked.load(Ordering::SeqCst)
    }
}

struct Service(Arc<Inner>);

#[tonic::async_trait]
impl Gatherer for Service {
    type FollowStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<WireReply, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<Streaming<WireRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let (replies, stream) = mpsc::channel(4);
        let inner = Arc::clone(&self.0);
        #[expect(clippy::disallowed_methods, reason = "ends with the stream")]
        tokio::spawn(async move { inner.serve(request.into_inner(), replies).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Inner {
    async fn serve(
        self: Arc<Self>,
        mut requests: Streaming<WireRequest>,
        replies: mpsc::Sender<Result<WireReply, Status>>,
    ) -> Option<()> {
        let first: FollowRequest = requests.message().await.ok()??.try_into().ok()?;
        let FollowRequest::Start(start) = first else { return None };
        let from = start.from.unwrap_or(position(0));
        if from.offset < self.acked.load(Ordering::SeqCst) {
            self.asked_below_acked.fetch_add(1, Ordering::SeqCst);
        }
        let ours = Arc::clone(&self);
        #[expect(clippy::disallowed_methods, reason = "ends with the stream")]
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                match FollowRequest::try_from(request).expect("a good request") {
                    FollowRequest::Ack(below) => {
                        ours.acked.fetch_max(below.offset, Ordering::SeqCst);
                    }
                    FollowRequest::Refresh(refresh) => {
                        ours.refreshes.lock().expect("no panic").push(refresh);
                    }
                    FollowRequest::Start(_) => panic!("a second start"),
                }
            }
        });
        self.reply(from, &replies).await
    }

    async fn reply(
        &self,
        from: Position,
        replies: &mpsc::Sender<Result<WireReply, Status>>,
    ) -> Option<()> {
        let written = position(self.captures.len());
        let send = async |reply: FollowReply| replies.send(Ok(reply.into())).await.ok();
        send(FollowReply::Hello(Hello {
            gatherer_id: self.name.clone(),
            oldest: position(0),
            written,
            wall_ns: wall_ns(),
            version: "scripted".to_owned(),
            from,
        }))
        .await?;
        let mut at = usize::try_from(from.offset / STEP).expect("small");
        while at < self.captures.len() {
            let end = (at + self.batch).min(self.captures.len());
            // Nothing is sent before it was received: a script may lie in the future.
            let early_ns = received_ns(&self.captures[end - 1]) - wall_ns();
            tokio::time::sleep(Duration::from_nanos(u64::try_from(early_ns).unwrap_or(0))).await;
            let mut records = Vec::new();
            for capture in &self.captures[at..end] {
                push_record(&mut records, capture);
            }
            send(FollowReply::Batch(Batch {
                first: position(at),
                next: position(end),
                count: u32::try_from(end - at).expect("small"),
                records: records.into(),
                written,
                wall_ns: wall_ns(),
            }))
            .await?;
            at = end;
            tokio::time::sleep(self.pause).await;
        }
        loop {
            let wall_ns = wall_ns();
            send(FollowReply::Heartbeat(Heartbeat { written, wall_ns, sent_below: written }))
                .await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub fn wall_ns() -> i64 {
    service::clock::Clock::start().wall_ns()
}

fn received_ns(capture: &[u8]) -> i64 {
    match proto::Capture::decode(capture).expect("ours") {
        proto::Capture::SessionOpened { stamp, .. }
        | proto::Capture::Frame { stamp, .. }
        | proto::Capture::SessionClosed { stamp, .. }
        | proto::Capture::Status { stamp, .. }
        | proto::Capture::RestBooks { stamp, .. } => stamp.wall_ns,
    }
}
