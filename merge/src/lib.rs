//! N damaged copies of the feed in, one canonical record out, every event exactly once.
//!
//! Pure: no clock, no socket, no file. Time comes in with every call; what to do comes out of
//! [`Merge::poll`]. The whole state serialises, and is a checkpoint.
//!
//! Per lane, seq must rise by one (`lane`). Per market, what a lane delivers between a snapshot and
//! a break is a *segment* (`segment`); it is placed in the *log* of accepted events by its
//! snapshot's clock and book (`place`), and from there on compared position by position
//! (`follow`), so that identity needs no search. Segments at the end of the log vote on the next
//! event (`vote`, and `quick` for the common case). Contradictions end in quarantine (`dispute`),
//! gaps in holes (`holes`, `begin`), a clock that fell in a new era, if it did not just come late (`era`). `settle` runs these until nothing moves. `replay` brings the
//! canonical side forward after a restart; `listing` ends lanes of markets that were unsubscribed;
//! `early` takes back a lane that was placed before its clock was whole; `cover` sees to it that a
//! market which nobody covers any more does not end without a word. Beside the books, `streams` keeps one of
//! each trade, ticker and lifecycle message (`recurring`: what comes again in the same words); `sound` says
//! whether a state that was read can be one of ours.
//!
//! What cannot be known, and what is done then:
//! - The last covering lane ends inside a clock's deltas and the missing rest sums to nothing: a
//!   snapshot of that clock equals our book, so no hole is seen.
//! - The last covering lane ends, and the next snapshot has a later clock: the last clock may lack
//!   deltas; `HoleRecord::from_whole` says whether that is excluded.
//! - Two lanes contradict and neither shows a fresh snapshot in time: the better record, then the
//!   lower index wins, and the rows are marked `disputed`.
//! - Fewer than two other lanes were heard after an event that one lane invented: it is accepted
//!   after `confirm_wait`, and refuted later by a hole of cause `Divergence` and a fresh snapshot.
//! - A connection that has shown no book yet is served late by the exchange: another snapshot that is ahead is
//!   gone on with, and the hole before it is longer than it had to be.
//! - A host's clock steps while the exchange is in maintenance and no delta tells of it: the era's border may be drawn
//!   wrongly in markets that this gatherer showed first.
//! - A connection falls silent for longer than `hole_wait` and is served afterwards: nothing told that it was late.
//! - Without clock, books that come again cannot be told apart by a snapshot alone: a gap between
//!   equal books is not seen, and snapshots that crossed on the way may be put in the wrong order.

mod begin;
mod config;
mod cover;
mod dispute;
mod early;
mod era;
mod follow;
mod holes;
mod input;
mod lane;
mod levels;
mod listing;
mod log;
mod market;
mod memory;
mod merge;
mod minutes;
mod output;
mod place;
mod quick;
mod record;
mod recurring;
mod replay;
mod ring;
mod seen;
mod segment;
mod settle;
mod share;
mod shared;
mod sound;
mod streams;
mod totals;
mod view;
mod vote;

pub use config::Config;
pub use input::{GathererIndex, Input, Source};
pub use merge::Merge;
pub use minutes::{Fate, LaneMinute};
pub use output::{Alarm, AlarmKind, Output};
pub use record::{
    DeltaRecord, HoleCause, HoleRecord, LaneMinutesRecord, LifecycleRecord, Origin, Provenance,
    Record, RestBooksRecord, SnapshotRecord, TickerRecord, TradeRecord,
};
pub use share::Share;
pub use totals::{CanonicalTotals, GathererTotals, Totals};
pub use view::MarketView;
