//! From the socket into the spool.

use std::collections::BTreeMap;

use proto::Capture;
use serde_json::Value;

use crate::harness::{Kept, Venue, ask, http};

/// Sums a figure over the connections that the exchange has open.
fn sent(status: &Value) -> u64 {
    let connections = status["connections"].as_array().expect("a list");
    connections.iter().map(|connection| connection["frames_sent"].as_u64().expect("a number")).sum()
}

/// Sequence numbers by lane, as they lie in the spool.
fn lanes(kept: &Kept) -> BTreeMap<(u64, u32), Vec<u64>> {
    let mut lanes: BTreeMap<(u64, u32), Vec<u64>> = BTreeMap::new();
    for (session, text) in kept.frames() {
        let frame = exchange::decode(text).expect("the exchange speaks well");
        if let (Some(sid), Some(seq)) = (frame.sid, frame.seq) {
            lanes.entry((session, sid)).or_default().push(seq);
        }
    }
    lanes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_that_was_sent_is_in_the_spool_in_order() {
    let venue = Venue::open(&["--markets", "12", "--rate", "800"]).await;
    let gatherer = venue.gatherer("east", &["--markets-per-connection", "5"]).await;
    gatherer.until("three connections", |health| health["status"] == "ok").await;
    venue.tell("resume", "").await;
    gatherer.until_frames(1_500).await;
    venue.tell("pause", "").await;
    let sent = sent(&venue.status().await);
    let health = gatherer.until_frames(sent).await;
    assert_eq!(health["frames_total"].as_u64(), Some(sent));
    assert_eq!(health["connections"].as_array().map(Vec::len), Some(3));
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    assert_eq!(kept.frames().len() as u64, sent);
    let lanes = lanes(&kept);
    assert!(lanes.len() >= 6, "book and trades of three connections: {:?}", lanes.keys());
    for (lane, seqs) in lanes {
        let whole: Vec<u64> = (1..=seqs.len() as u64).collect();
        assert_eq!(seqs, whole, "lane {lane:?}");
    }
    let mut open = 0_i32;
    for capture in kept.captures() {
        match capture {
            Capture::SessionOpened { about, .. } => {
                open += 1;
                let about: Value = serde_json::from_str(about).expect("JSON");
                assert!((1..=5).contains(&about["markets"].as_array().expect("a list").len()));
            }
            Capture::SessionClosed { reason, .. } => {
                open -= 1;
                assert_eq!(reason, "stopped as asked");
            }
            Capture::Frame { .. } => assert!(open > 0, "a frame outside of a session"),
            Capture::Status { trading_active, .. } => assert!(trading_active),
            Capture::RestBooks { .. } => {}
        }
    }
    assert_eq!(open, 0, "every session was closed");
    let statuses = kept.captures().filter(|capture| matches!(capture, Capture::Status { .. }));
    assert_eq!(statuses.count(), 1, "the status did not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_a_new_session_goes_on() {
    let venue = Venue::open(&["--markets", "3", "--rate", "200"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    venue.tell("resume", "").await;
    let before = gatherer.until_frames(100).await;
    venue.tell("faults", r#"{"kind":"cut","connection":"all"}"#).await;
    let first = before["connections"][0]["session"].as_u64().expect("a number");
    let health = gatherer
        .until("a second session", |health| {
            health["connections"][0]["session"].as_u64() > Some(first)
                && health["connections"][0]["connected"] == true
        })
        .await;
    gatherer.until_frames(health["frames_total"].as_u64().expect("a number") + 50).await;
    gatherer.stop().await;

    let kept = Kept::read(&venue.data_dir("east"));
    let mut sessions = Vec::new();
    let mut closed = Vec::new();
    for capture in kept.captures() {
        match capture {
            Capture::SessionOpened { session, .. } => sessions.push(session),
            Capture::SessionClosed { session, .. } => closed.push(session),
            Capture::Frame { session, .. } => {
                assert_eq!(Some(&session), sessions.last());
                assert!(!closed.contains(&session), "a frame after its session's end");
            }
            Capture::Status { .. } | Capture::RestBooks { .. } => {}
        }
    }
    assert_eq!(sessions, closed);
    assert!(sessions.len() >= 2 && sessions.is_sorted(), "{sessions:?}");
    assert_eq!(sessions[0], first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_decoded_is_kept_as_it_came() {
    let venue = Venue::open(&["--markets", "2", "--rate", "200"]).await;
    let gatherer = venue.gatherer("east", &[]).await;
    venue.tell("resume", "").await;
    gatherer.until_frames(50).await;
    venue.tell("faults", r#"{"kind":"corrupt","connection":"all","frames":3}"#).await;
    let total = gatherer.health().await["frames_total"].as_u64().expect("a number");
    gatherer.until_frames(total + 100).await;
    let text = http().get(format!("{}/metrics", gatherer.metrics)).send().await.expect("metrics");
    let text = text.text().await.expect("text");
    assert!(text.contains("gatherer_frames_undecodable_total"), "{text}");
    assert!(text.contains("ws_client_messages_received_total"), "{text}");
    let total = gatherer.health().await["frames_total"].as_u64().expect("a number");
    gatherer.stop().await;
    let kept = Kept::read(&venue.data_dir("east"));
    let frames = kept.frames();
    assert!(frames.len() as u64 >= total);
    let bad = frames.iter().filter(|(_, text)| exchange::decode(text).is_err()).count();
    assert!((1..=3).contains(&bad), "{bad} frames are damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_a_new_incarnation_and_new_sessions() {
    let venue = Venue::open(&["--markets", "2", "--rate", "200"]).await;
    venue.tell("resume", "").await;
    let mut sessions = Vec::new();
    let mut begun = Vec::new();
    for _ in 0..2 {
        let gatherer = venue.gatherer("east", &[]).await;
        let health = gatherer.until_frames(20).await;
        let written = health["spool"]["written"].as_str().expect("a position").to_owned();
        let incarnation = written.split(':').next().expect("one").parse::<u64>();
        begun.push(incarnation.expect("a number"));
        sessions.push(health["connections"][0]["session"].as_u64().expect("a number"));
        gatherer.stop().await;
    }
    assert!(begun[0] < begun[1], "{begun:?}");
    assert_eq!(sessions, [begun[0] << 32 | 1, begun[1] << 32 | 1]);
    let kept = Kept::read(&venue.data_dir("east"));
    let mut incarnations: Vec<u32> = kept.records.iter().map(|(at, _)| at.incarnation).collect();
    assert!(incarnations.is_sorted());
    incarnations.dedup();
    assert_eq!(incarnations.len(), 2, "{incarnations:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_closes_the_sockets_and_says_so() {
    let venue = Venue::open(&["--markets", "40", "--rate", "60000"]).await;
    let quota = (32_u64 << 20).to_string();
    let gatherer = venue.gatherer("east", &["--spool-quota-bytes", &quota]).await;
    venue.tell("resume", "").await;
    let health = gatherer.until("a full spool", |health| health["status"] == "down").await;
    let reasons = health["reasons"].to_string();
    assert!(reasons.contains("the spool takes no frames"), "{reasons}");
    gatherer.until("closed sockets", |health| health["connections"][0]["connected"] == false).await;
    let ready = http().get(format!("{}/ready", gatherer.http)).send().await.expect("an answer");
    assert_eq!(ready.status(), 503);
    venue.tell("pause", "").await;
    let error = gatherer.ended().await.expect_err("frames in hand cannot be kept");
    assert!(format!("{error:#}").contains("frames in hand at the stop are lost"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_needs_its_token() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let gatherer = venue.gatherer("east", &["--admin-token", "open sesame"]).await;
    let poll = async |token: Option<&str>, ticker: &str| {
        let url = format!("{}/admin/poll-market?ticker={ticker}", gatherer.http);
        let mut request = http().post(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(poll(None, "A").await, 401);
    assert_eq!(poll(Some("open sesam"), "A").await, 401);
    assert_eq!(poll(Some("open sesame"), "A/../B").await, 400);
    assert_eq!(poll(Some("open sesame"), "A").await, 404, "there is no such market");
    gatherer.stop().await;
    let closed = venue.gatherer("west", &[]).await;
    let answer = http().post(format!("{}/admin/poll-market?ticker=A", closed.http));
    assert_eq!(answer.bearer_auth("").send().await.expect("an answer").status(), 404);
    assert!(ask(&format!("{}/health", closed.http)).await.is_some());
    closed.stop().await;
}
