//! What the programs agree on: the gRPC contract, its checked types, and the capture record.
//!
//! Generated types stay in here. What comes in is checked once, by `TryFrom`, and the error names field, value and
//! limit; inside the programs nothing is checked twice.

mod capture;
pub mod limits;
mod messages;
mod position;
mod record_list;
pub mod rpc;
pub mod tls;

pub use capture::{BadCapture, Capture, Stamp};
pub use messages::{
    BadMessage, Batch, FollowReply, FollowRequest, Heartbeat, Hello, Refresh, Start,
};
pub use position::Position;
pub use record_list::{RECORD_LENGTH_BYTES, Records, push_record, records};

/// What the compiler made of `capture.proto`.
mod wire {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated code; the contract is documented in capture.proto"
    )]
    tonic::include_proto!("capture.v1");
}
