//! What gatherers and deduplicator say to each other.

use prost::Message as _;
use proto::rpc::{WireReply, WireRequest};
use proto::{Capture, FollowReply, FollowRequest};

/// A capture record, and a list of them as a batch carries it.
pub fn capture(bytes: &[u8]) {
    if let Ok(capture) = Capture::decode(bytes) {
        let mut again = Vec::new();
        capture.encode(&mut again);
        assert_eq!(again, bytes, "a record has one form");
    }
    let mut read = 0;
    for record in proto::records(bytes) {
        let Ok(record) = record else { break };
        read += record.len() + proto::RECORD_LENGTH_BYTES;
        assert!(read <= bytes.len());
        drop(Capture::decode(record));
    }
}

/// What the two ends of a stream send each other.
pub fn messages(bytes: &[u8]) {
    if let Ok(wire) = WireReply::decode(bytes)
        && let Ok(reply) = FollowReply::try_from(wire)
    {
        let wire = WireReply::from(reply.clone());
        assert_eq!(FollowReply::try_from(wire), Ok(reply), "what is good stays so");
    }
    if let Ok(wire) = WireRequest::decode(bytes)
        && let Ok(request) = FollowRequest::try_from(wire)
    {
        let wire = WireRequest::from(request.clone());
        assert_eq!(FollowRequest::try_from(wire), Ok(request), "what is good stays so");
    }
}
