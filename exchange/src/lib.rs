//! What the venue's bytes mean and what to answer: frames, commands, session, signing, book.
//!
//! Pure: no socket, no clock, no file, no runtime. Time is an argument ([`Moment`]).

pub mod backoff;
pub mod book;
pub mod command;
pub mod frame;
mod message;
mod moment;
pub mod rest;
pub mod session;
pub mod sign;
mod timestamp;
mod units;

pub use backoff::Backoff;
pub use book::{Book, BookError};
pub use frame::{BadFrame, decode, decode_bytes, peek_envelope};
pub use message::{
    BookSide, Channel, Delta, ErrorReply, Frame, Level, Lifecycle, Message, OkReply, Snapshot,
    Ticker, Trade,
};
pub use moment::Moment;
pub use rest::{RestError, rest_error_text};
pub use session::{Input, MarketState, Output, Session, SessionConfig, SessionEvent};
pub use sign::{BadKey, SignError, Signer, SigningKey};
pub use timestamp::parse_rfc3339_ms;
pub use units::{BadNumber, Price, Side, Size};
