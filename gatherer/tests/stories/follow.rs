//! What a deduplicator sees.

use std::{pin::pin, time::Duration};

use proto::{
    Batch, Capture, FollowReply, FollowRequest, Position, Refresh, Start, limits,
    rpc::{self, WireReply, WireRequest},
};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::harness::{Gatherer, Kept, Venue};

/// A deduplicator that only listens.
pub(crate) struct Follower {
    requests: mpsc::Sender<WireRequest>,
    replies: Streaming<WireReply>,
}

impl Follower {
    pub(crate) async fn dial(gatherer: &Gatherer, from: Option<Position>) -> (Self, Position) {
        let endpoint = rpc::endpoint(gatherer.grpc.clone(), None).expect("a URL");
        let channel = endpoint.connect().await.expect("it listens");
        let (requests, outgoing) = mpsc::channel::<WireRequest>(8);
        let start = FollowRequest::Start(Start { deduplicator: "test".to_owned(), from });
        requests.send(start.into()).await.expect("room");
        let stream = rpc::client(channel).follow(ReceiverStream::new(outgoing)).await;
        let replies = stream.expect("a stream").into_inner();
        let mut follower = Self { requests, replies };
        let Some(FollowReply::Hello(hello)) = follower.next().await else { panic!("no hello") };
        assert!(gatherer.name == hello.gatherer_id, "{}", hello.gatherer_id);
        (follower, hello.from)
    }

    /// `None` when the gatherer has ended the stream in good order.
    async fn next(&mut self) -> Option<FollowReply> {
        let reply = timeout(Duration::from_secs(30), self.replies.message()).await;
        let wire = reply.expect("heartbeats at least").expect("no error")?;
        Some(wire.try_into().expect("a good reply"))
    }

    pub(crate) async fn batch(&mut self) -> Option<Batch> {
        loop {
            match self.next().await? {
                FollowReply::Batch(batch) => return Some(batch),
                FollowReply::Heartbeat(_) => {}
                FollowReply::Hello(_) => panic!("a second hello"),
            }
        }
    }

    async fn say(&self, request: FollowRequest) {
        self.requests.send(request.into()).await.expect("the stream is open");
    }

    /// Repeats its last ack while `work` goes on, as a deduplicator does.
    async fn alive_at<T>(&self, at: Position, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = timeout(limits::ACK_EVERY_MAX, &mut work).await {
                return done;
            }
            self.say(FollowRequest::Ack(at)).await;
        }
    }
}

fn records(batch: &Batch) -> Vec<Vec<u8>> {
    batch.split().map(|record| record.expect("checked").to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_where_it_was_and_repeats_nothing() {
    let venue = Venue::open(&["--markets", "6", "--rate", "1000"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    venue.tell("resume", "").await;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut from = None;
    for _ in 0..4 {
        let (mut follower, began) = Follower::dial(&gatherer, from).await;
        assert!(from.is_none_or(|from| from == began), "{from:?} {began}");
        let target = seen.len() + 400;
        while seen.len() < target {
            let batch = follower.batch().await.expect("it runs");
            assert!(from.is_none_or(|from| batch.first >= from));
            seen.extend(records(&batch));
            from = Some(batch.next);
        }
        let below = from.expect("some");
        follower.say(FollowRequest::Ack(below)).await;
        let acked = below.to_string();
        gatherer.until("the ack", |health| health["spool"]["acked"] == acked.as_str()).await;
    }

    // The last stream stays on over the stop and is given everything.
    let (mut follower, _) = Follower::dial(&gatherer, from).await;
    let stopping = gatherer.stop();
    let rest = async {
        while let Some(batch) = follower.batch().await {
            seen.extend(records(&batch));
        }
    };
    tokio::join!(stopping, rest);
    let kept: Vec<Vec<u8>> = Kept::read(&venue.data_dir("east"))
        .records
        .into_iter()
        .map(|(_, payload)| payload)
        .collect();
    assert_eq!(seen.len(), kept.len());
    assert!(seen == kept, "the streams and the spool differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_followed_over_the_border_of_incarnations() {
    let venue = Venue::open(&["--markets", "2", "--rate", "300"]).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &[]).await;
    let (mut follower, _) = Follower::dial(&gatherer, None).await;
    let mut seen = Vec::new();
    let batch = follower.batch().await.expect("it runs");
    seen.extend(records(&batch));
    gatherer.until_frames(200).await;
    gatherer.stop().await;

    let gatherer = venue.gatherer("east", &[]).await;
    let health = gatherer.health().await;
    assert_eq!(health["deduplicators"], 0);
    assert!(health["reasons"].to_string().contains("deduplicator test does not follow"));
    let (mut follower, from) = Follower::dial(&gatherer, Some(batch.next)).await;
    assert_eq!(from, batch.next);
    let mut next = batch.next;
    while next.incarnation == from.incarnation {
        let batch = follower.batch().await.expect("it runs");
        seen.extend(records(&batch));
        next = batch.next;
    }
    assert_eq!(gatherer.health().await["deduplicators"], 1);
    gatherer.stop().await;
    let kept = Kept::read(&venue.data_dir("east"));
    let kept: Vec<&[u8]> = kept.records.iter().map(|(_, payload)| &payload[..]).collect();
    assert!(seen == kept[..seen.len()], "the streams and the spool differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_filled_with_heartbeats_that_say_everything_was_sent() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    gatherer.until("a connection", |health| health["status"] == "ok").await;
    let (mut follower, _) = Follower::dial(&gatherer, None).await;
    let mut complete = 0;
    let mut last_wall_ns = 0;
    while complete < 3 {
        match follower.next().await.expect("it runs") {
            FollowReply::Heartbeat(heartbeat) => {
                assert!(heartbeat.wall_ns >= last_wall_ns);
                last_wall_ns = heartbeat.wall_ns;
                complete += u32::from(heartbeat.sent_below == heartbeat.written);
            }
            FollowReply::Batch(batch) => assert!(batch.next <= batch.written),
            FollowReply::Hello(_) => panic!("a second hello"),
        }
    }
    gatherer.stop().await;
}

/// What a slow reader has not taken stays in the spool: on its way is what HTTP/2's window and the kernel's socket
/// buffers hold, whatever the backlog. A batch tells how much was written when it was made.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_reads_nothing_costs_no_memory_and_loses_nothing() {
    const BACKLOG_BYTES: u64 = 80 << 20;
    const ON_THE_WAY_MAX: u64 = limits::STREAM_WINDOW_BYTES as u64 + (24 << 20);
    let venue = Venue::open(&["--markets", "20", "--rate", "40000"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    let (mut follower, began) = Follower::dial(&gatherer, None).await;
    venue.tell("resume", "").await;
    let held = |health: &Value| health["spool"]["unacked_bytes"].as_u64();
    let backlog = async {
        let mut bytes = Some(0);
        while bytes < Some(BACKLOG_BYTES) {
            // A slow machine needs minutes for all of it, but not for some more.
            bytes = held(&gatherer.until("more", |health| held(health) > bytes).await);
        }
        venue.settle(&[&gatherer]).await;
    };
    follower.alive_at(began, backlog).await;
    let acked_before = gatherer.health().await["spool"]["acked"].clone();

    let (mut next, mut on_the_way, mut taken) = (began, 0, 0);
    let mut heard = false;
    while taken < BACKLOG_BYTES {
        let batch = follower.batch().await.expect("it runs");
        assert!(batch.first >= next, "{} comes after {next}", batch.first);
        assert!(batch.split().all(|record| record.is_ok()));
        next = batch.next;
        taken += batch.records.len() as u64;
        if batch.written.offset < BACKLOG_BYTES {
            on_the_way += batch.records.len() as u64;
        }
        follower.say(FollowRequest::Ack(next)).await;
        if !heard && taken > BACKLOG_BYTES / 2 {
            // With this much left it is busy sending, and hears what is said all the same.
            let acked = |health: &Value| health["spool"]["acked"] != acked_before;
            gatherer.until("an ack amid a backlog", acked).await;
            heard = true;
        }
    }
    eprintln!("{on_the_way} bytes on the way while {BACKLOG_BYTES} waited");
    assert!(on_the_way < ON_THE_WAY_MAX, "{on_the_way}");
    // A stop waits for a stream to take the rest.
    drop(follower);
    gatherer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_leads_to_a_snapshot_that_was_asked_for() {
    let venue = Venue::open(&["--markets", "3", "--rate", "100"]).await;
    venue.tell("resume", "").await;
    let gatherer = venue.gatherer("east", &[]).await;
    let (mut follower, _) = Follower::dial(&gatherer, None).await;
    let mut asked = None;
    let answered = loop {
        let batch = follower.batch().await.expect("it runs");
        let mut found = None;
        for record in batch.split() {
            let capture = Capture::decode(record.expect("checked")).expect("a capture");
            let Capture::Frame { session, bytes, .. } = capture else { continue };
            let frame = exchange::decode_bytes(bytes).expect("good");
            let exchange::Message::Snapshot(snapshot) = &frame.message else { continue };
            let ticker = snapshot.market_ticker.to_owned();
            if asked.is_none() {
                let refresh = Refresh { session, market_tickers: vec![ticker.clone()] };
                follower.say(FollowRequest::Refresh(refresh)).await;
                asked = Some(ticker);
            } else if frame.id.is_some() {
                found = Some(ticker);
            }
        }
        if let Some(ticker) = found {
            break ticker;
        }
    };
    assert_eq!(Some(answered), asked);
    gatherer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_by_name() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    let endpoint = rpc::endpoint(gatherer.grpc.clone(), None).expect("a URL");
    let channel = endpoint.connect().await.expect("it listens");
    for (request, said) in [
        (FollowRequest::Ack(Position::default()), "start must come first"),
        (
            FollowRequest::Start(Start { deduplicator: "../../x".to_owned(), from: None }),
            "start.deduplicator is \"../../x\"",
        ),
    ] {
        let requests = tokio_stream::once(WireRequest::from(request));
        let stream = rpc::client(channel.clone()).follow(requests).await.expect("a stream");
        let refused = stream.into_inner().message().await.expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(said), "{refused}");
    }
    drop(channel);
    gatherer.stop().await;
}
