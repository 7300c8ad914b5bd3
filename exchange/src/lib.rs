//! What the venue's bytes mean and what to answer: frames, commands, session, signing, book.
//!
//! Pure: no socket, no clock, no file, no runtime. Time is an argument ([`Moment`]).

mod message;
mod moment;
mod units;

pub use message::{
    BookSide, Channel, Delta, ErrorReply, Frame, Level, Lifecycle, Message, OkReply, Snapshot,
    Ticker, Trade,
};
pub use moment::Moment;
pub use units::{BadNumber, Price, Side, Size};
