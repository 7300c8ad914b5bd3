//! Bytes that survive a crash: the log under the gatherer (its spool) and the deduplicator (its
//! journal).
//!
//! One owner appends opaque records; a thread of the log fsyncs them in groups; any number of
//! readers follow from a position; a prefix is trimmed when nobody needs it. Files only: no
//! runtime, no network, no clock.
//!
//! ```text
//! DIR/lock                                   held by the writer
//! DIR/ledger                                 how far it is durable, where it begins
//! DIR/0000000003-00000000000000000000.log    segments: incarnation and offset of the first record
//! DIR/0000000003-00000000000067108823.log
//! ```
//! The layouts are drawn in `segment`, `record` and `ledger`, the rules after a crash in `recovery`.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! use spool::{Options, Spool, Upto};
//!
//! let (mut writer, log, _recovered) = Spool::open(dir.path(), Options::default())?;
//! let span = writer.append(b"a frame")?;
//! writer.commit()?;
//! let mut reader = log.read_from(span.at)?;
//! let record = reader.next(Upto::Durable)?.expect("it is durable");
//! assert_eq!(record.payload, b"a frame");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod committer;
mod cursor;
mod disk;
mod error;
#[doc(hidden)]
pub mod faulty;
mod files;
mod ledger;
mod log;
mod opening;
mod options;
mod position;
mod reader;
mod record;
mod recovery;
mod segment;
mod shared;
mod table;
mod tail;
#[cfg(test)]
mod tests;
mod trim;
mod window;
mod writer;

pub use cursor::CursorFile;
#[doc(hidden)]
pub use disk::AnyDisk;
pub use error::{AppendError, CursorError, Damage, IoFailure, OpenError, ReadError, TrimError};
pub use log::Log;
pub use opening::{Recovered, Spool};
pub use options::Options;
pub use position::{BadPosition, Position};
pub use reader::{Reader, Record, Upto};
pub use recovery::Cut;
pub use trim::TrimReport;
pub use writer::{Span, Writer};
