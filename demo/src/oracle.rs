//! Compares what the stores hold with what the simulated exchange really did, event by event.
//!
//! Pure: it is given rows and the truth, and names every fault. `verify` fetches both.

mod book;
mod flow;
mod holes;
mod lanes;
mod latest;
mod parse;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod truth;
mod walk;

pub use book::{Book, LevelKey};
pub use flow::{LifecycleRow, TickerRow, TradeRow, check_lifecycle, check_tickers, check_trades};
pub use holes::{GapRow, Hole, HoleEnd, check_holes};
pub use lanes::{Coverage, Wanted, check_coverage};
pub use latest::{LatestRow, check_latest};
pub use parse::{BadTruth, read_truth};
pub use record::{EventRow, Kind, Origin};
pub use report::{Fault, FaultKind, Report};
pub use truth::{DeltaTruth, MarketTruth, TickerTruth, TradeTruth, Truth, TruthEvent};
pub use walk::{Missing, Stretch, Walked, check_events};
