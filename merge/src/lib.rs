//! N damaged copies of the feed in, one canonical record out, every event exactly once.
//!
//! Pure: no clock, no socket, no file. Time comes in with every call; what to do comes out of
//! [`Merge::poll`]. The whole state serialises, and is a checkpoint.

mod begin;
mod config;
mod dispute;
mod follow;
mod holes;
mod input;
mod lane;
mod levels;
mod log;
mod market;
mod merge;
mod minutes;
mod output;
mod place;
mod quick;
mod record;
mod replay;
mod seen;
mod segment;
mod settle;
mod shared;
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
    Record, SnapshotRecord, TickerRecord, TradeRecord,
};
pub use totals::{CanonicalTotals, GathererTotals, Totals};
pub use view::MarketView;
