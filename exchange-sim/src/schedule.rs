//! Markets by command: born while the exchange runs, opened and closed by the clock without a word, settled when told.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    catalogue::market_id,
    clock::Now,
    event::Event,
    grid::Structure,
    hub::Hub,
    lifecycle,
    market::{Market, Naming, Status},
};

/// From the close to the empty snapshots.
const EMPTY_AFTER_MS: i64 = 500;

/// An order of `POST /sim/markets`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum MarketOrder {
    /// A new market; its event and series are in the ticker's dashes.
    Create {
        ticker: String,
        /// Seconds until it opens; it is in REST, and announced, at once.
        #[serde(default)]
        open_in: i64,
        #[serde(default = "a_day")]
        close_in: i64,
        /// Whether `created` is sent.
        #[serde(default = "yes")]
        announce: bool,
        /// The part of all activity that it has while it is open.
        #[serde(default = "a_twentieth")]
        share: f64,
    },
    /// Paused, with a word.
    Deactivate { ticker: String },
    /// Open again, with a word.
    Activate { ticker: String },
    /// Closes in so many seconds, with `close_date_updated`.
    Close { ticker: String, close_in: i64 },
    /// Closed, determined and settled at once.
    Settle { ticker: String },
    /// Known to `/historical` only; it must be settled.
    Archive { ticker: String },
    /// From now on these markets have this part of all activity, evenly.
    Weigh { tickers: Vec<String>, share: f64 },
}

fn a_day() -> i64 {
    86_400
}

fn yes() -> bool {
    true
}

fn a_twentieth() -> f64 {
    0.05
}

/// What the clock does to markets that were made by command.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Not settled yet; with the time from which its book is empty, once it is closed.
    live: Vec<(usize, Option<i64>)>,
}

impl Hub {
    /// Carries out an order.
    pub(crate) fn order_market(&mut self, order: &MarketOrder, now: Now) -> Result<(), String> {
        let mut out = Vec::new();
        match order {
            MarketOrder::Create { ticker, open_in, close_in, announce, share } => {
                if self.markets.find(ticker).is_some() {
                    return Err(format!("{ticker} exists"));
                }
                let times = (now.wall_ms / 1000 + open_in, now.wall_ms / 1000 + close_in);
                let index = self.bear(ticker, times, now);
                if *announce {
                    out.push(lifecycle::created(self.markets.at(index), now.wall_ms));
                }
                out.push(Event::Born { market: index });
                self.source.adopt(index, within_one(*share)?)?;
            }
            MarketOrder::Deactivate { ticker } => {
                let fields = json!({"is_deactivated": true});
                out.push(self.becomes(ticker, Status::Inactive, "deactivated", &fields, now)?);
            }
            MarketOrder::Activate { ticker } => {
                let fields = json!({"is_deactivated": false});
                out.push(self.becomes(ticker, Status::Active, "activated", &fields, now)?);
            }
            MarketOrder::Close { ticker, close_in } => {
                let index = self.find(ticker)?;
                self.markets.at_mut(index).close_ts = now.wall_ms / 1000 + close_in;
                self.watch(index);
                let market = self.markets.at(index);
                let fields = json!({"close_ts": market.close_ts});
                let event = "close_date_updated";
                out.push(lifecycle::of_market(market, event, &fields, now.wall_ms));
            }
            MarketOrder::Settle { ticker } => self.settle(ticker, now, &mut out)?,
            MarketOrder::Archive { ticker } => {
                let index = self.find(ticker)?;
                let market = self.markets.at_mut(index);
                if market.status != Status::Finalized {
                    return Err(format!("{ticker} is not settled"));
                }
                market.archived = true;
            }
            MarketOrder::Weigh { tickers, share } => {
                let found: Result<Vec<usize>, String> =
                    tickers.iter().map(|ticker| self.find(ticker)).collect();
                self.source.weigh(&found?, within_one(*share)?)?;
            }
        }
        self.announce(out, now);
        Ok(())
    }

    /// Opens and closes what is due.
    pub(crate) fn pass_schedule(&mut self, now: Now) {
        let now_s = now.wall_ms / 1000;
        let mut out = Vec::new();
        for (index, empty_at) in &mut self.schedule.live {
            let market = self.markets.at_mut(*index);
            match market.status {
                Status::Initialized if market.open_ts <= now_s => market.status = Status::Active,
                Status::Active if market.close_ts <= now_s => {
                    market.status = Status::Closed;
                    *empty_at = Some(now.wall_ms + EMPTY_AFTER_MS);
                }
                Status::Closed if empty_at.is_some_and(|at| at <= now.wall_ms) => {
                    *empty_at = None;
                    out.push(emptied(market, *index, now.wall_ms));
                }
                _ => {}
            }
        }
        self.schedule.live.retain(|(index, _)| {
            let status = self.markets.at(*index).status;
            !matches!(status, Status::Determined | Status::Finalized)
        });
        self.announce(out, now);
    }

    fn bear(&mut self, ticker: &str, (open_ts, close_ts): (i64, i64), now: Now) -> usize {
        let event = ticker.rsplit_once('-').map_or(ticker, |(event, _)| event);
        let series = ticker.split('-').next().unwrap_or(ticker);
        let naming = Naming {
            id: market_id(self.seed(), ticker),
            ticker: Arc::from(ticker),
            event_ticker: Arc::from(event),
            series_ticker: Arc::from(series),
        };
        let mut market = Market::new(naming, Structure::Linear, now.wall_ms);
        (market.open_ts, market.close_ts) = (open_ts, close_ts);
        let index = self.markets.add(market);
        self.watch(index);
        index
    }

    fn watch(&mut self, index: usize) {
        if !self.schedule.live.iter().any(|(watched, _)| *watched == index) {
            self.schedule.live.push((index, None));
        }
    }

    fn find(&self, ticker: &str) -> Result<usize, String> {
        self.markets.find(ticker).ok_or_else(|| format!("there is no market {ticker}"))
    }

    fn becomes(
        &mut self,
        ticker: &str,
        status: Status,
        event_type: &str,
        fields: &serde_json::Value,
        now: Now,
    ) -> Result<Event, String> {
        let index = self.find(ticker)?;
        self.markets.at_mut(index).status = status;
        Ok(lifecycle::of_market(self.markets.at(index), event_type, fields, now.wall_ms))
    }

    fn settle(&mut self, ticker: &str, now: Now, out: &mut Vec<Event>) -> Result<(), String> {
        let index = self.find(ticker)?;
        let now_s = now.wall_ms / 1000;
        let market = self.markets.at_mut(index);
        if market.book.levels().next().is_some() {
            out.push(emptied(market, index, now.wall_ms));
        }
        market.result = "yes";
        market.close_ts = market.close_ts.min(now_s);
        market.settled_ts = Some(now_s);
        let fields =
            json!({"result": "yes", "settlement_value": "1.0000", "determination_ts": now_s});
        out.push(self.becomes(ticker, Status::Determined, "determined", &fields, now)?);
        let fields = json!({"settled_ts": now_s});
        out.push(self.becomes(ticker, Status::Finalized, "settled", &fields, now)?);
        Ok(())
    }
}

/// The book of a closed market is nothing from here.
fn emptied(market: &mut Market, index: usize, ts_ms: i64) -> Event {
    market.begin(1);
    market.book.clear();
    Event::Emptied { market: index, clock: market.wire_clock(), ts_ms }
}

fn within_one(share: f64) -> Result<f64, String> {
    if (0.0..1.0).contains(&share) {
        Ok(share)
    } else {
        Err("a share lies between 0 and 1".to_owned())
    }
}
