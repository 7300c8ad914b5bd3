//! A market that leaves a living subscription: its lane ends there, and only the exchange's own
//! snapshot begins it again.
//!
//! The exchange answers every change of a subscription with the full list of its markets. After one
//! that lacks a market nothing more comes of it, though seq goes on unbroken; a `get_snapshot` is
//! still answered, and must not be taken for coverage.

use std::collections::HashSet;

use exchange::Moment;

use crate::{market::Market, merge::Merge, record::HoleCause, segment::LaneKey, shared::Shared};

impl Merge {
    /// The markets of a lane are these from here on.
    pub(crate) fn list(&mut self, lane: LaneKey, tickers: &[String], now: Moment) {
        let listed: HashSet<&str> = tickers.iter().map(String::as_str).collect();
        for market in &mut self.markets {
            if listed.contains(&*market.ticker) {
                market.forget_unlisted(|held| held == lane);
            } else {
                market.unlist(&mut self.shared, lane, now);
            }
        }
    }
}

impl Market {
    fn unlist(&mut self, shared: &mut Shared, lane: LaneKey, now: Moment) {
        if self.open_segment(lane).is_none() && !self.is_quarantined(lane) {
            return;
        }
        self.unlisted.push(lane);
        self.forget_out(|out| out == lane);
        if self.end_lane(|key| key == lane, HoleCause::Left) {
            self.left();
            self.settle(shared, now);
        }
    }

    /// These lanes ended, or list the market again.
    pub(crate) fn forget_unlisted(&mut self, is_of: impl Fn(LaneKey) -> bool) {
        self.unlisted.retain(|lane| !is_of(*lane));
    }

    /// Whether a snapshot of the lane is no sign that its deltas follow. The exchange's own one is:
    /// it takes the market in again.
    pub(crate) fn is_unlisted(&mut self, lane: LaneKey, asked: bool) -> bool {
        if !asked {
            self.forget_unlisted(|held| held == lane);
        }
        self.unlisted.contains(&lane)
    }

    /// A delta of a lane that does not list the market: the list was not what we took it for. A fresh
    /// snapshot is asked for, once.
    pub(crate) fn relist(&mut self, shared: &mut Shared, lane: LaneKey) {
        if self.unlisted.contains(&lane) {
            self.forget_unlisted(|held| held == lane);
            shared.refresh(lane.source(), &self.ticker);
        }
    }
}
