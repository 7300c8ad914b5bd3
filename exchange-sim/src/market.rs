//! One simulated market: its book, its clock, its figures; and the list of all of them.

use std::{collections::HashMap, sync::Arc, time::Instant};

use uuid::Uuid;

use crate::{
    book::{Book, Side},
    event::{Delta, Event, Trade},
    grid::Structure,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Initialized,
    Active,
    Inactive,
    Closed,
    Determined,
    Finalized,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Closed => "closed",
            Self::Determined => "determined",
            Self::Finalized => "finalized",
        }
    }

    /// The word of the `status` filter that selects it.
    pub(crate) fn filter(self) -> &'static str {
        match self {
            Self::Initialized => "unopened",
            Self::Active => "open",
            Self::Inactive => "paused",
            Self::Closed | Self::Determined => "closed",
            Self::Finalized => "settled",
        }
    }
}

/// What a market is called and what does not change by trading.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    pub(crate) ticker: Arc<str>,
    pub(crate) event_ticker: Arc<str>,
    pub(crate) series_ticker: Arc<str>,
    pub(crate) id: Uuid,
}

impl Naming {
    pub(crate) fn is_multivariate(&self) -> bool {
        self.ticker.starts_with("KXMVE")
    }
}

#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) naming: Naming,
    pub(crate) structure: Structure,
    pub(crate) status: Status,
    pub(crate) book: Book,
    /// Newest change; 0 when there was none yet.
    pub(crate) clock: u64,
    /// False while a recording without clocks is played.
    pub(crate) has_clock: bool,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) open_ts: i64,
    pub(crate) close_ts: i64,
    pub(crate) settled_ts: Option<i64>,
    /// Settled so long ago that only `/historical` knows it.
    pub(crate) archived: bool,
    pub(crate) result: &'static str,
    /// Where the generator believes the value to be, as a place in the grid.
    pub(crate) fair: usize,
    pub(crate) last_price: u16,
    pub(crate) last_size: i64,
    pub(crate) volume: i64,
    /// Traded money in millionths of a dollar (price times size).
    pub(crate) turnover: i64,
    pub(crate) open_interest: i64,
    /// `{"market_ticker":"..","market_id":".."`: the start of every book message's body.
    pub(crate) prefix: Vec<u8>,
    pub(crate) ticker: TickerState,
    k: u32,
    k_ts_ms: i64,
}

/// When the market's ticker was last sent, and whether it is due again.
#[derive(Debug, Default)]
pub(crate) struct TickerState {
    pub(crate) is_due: bool,
    pub(crate) sent_at: Option<Instant>,
    /// The last body, for `send_initial_snapshot`.
    pub(crate) body: Vec<u8>,
}

impl Market {
    pub(crate) fn new(naming: Naming, structure: Structure, now_ms: i64) -> Self {
        let prefix =
            format!(r#"{{"market_ticker":"{}","market_id":"{}""#, naming.ticker, naming.id);
        Self {
            prefix: prefix.into_bytes(),
            naming,
            structure,
            status: Status::Initialized,
            book: Book::default(),
            clock: 0,
            has_clock: true,
            created_ms: now_ms,
            updated_ms: now_ms,
            open_ts: now_ms / 1000,
            close_ts: now_ms / 1000 + 86_400,
            settled_ts: None,
            archived: false,
            result: "",
            fair: structure.grid().len() / 2,
            last_price: 0,
            last_size: 0,
            volume: 0,
            turnover: 0,
            open_interest: 0,
            ticker: TickerState::default(),
            k: 0,
            k_ts_ms: i64::MIN,
        }
    }

    /// The clock as it stands on the wire and in the truth.
    pub(crate) fn wire_clock(&self) -> Option<u64> {
        self.has_clock.then_some(self.clock)
    }

    pub(crate) fn price_at(&self, place: usize) -> u16 {
        let grid = self.structure.grid();
        grid[place.min(grid.len() - 1)]
    }

    /// The place of the highest allowed price at or below `price`.
    pub(crate) fn place_of(&self, price: u16) -> usize {
        self.structure.grid().partition_point(|allowed| *allowed <= price).saturating_sub(1)
    }

    /// Begins a new exchange action: the clock rises, skipping values.
    pub(crate) fn begin(&mut self, skip: u64) {
        assert!(skip >= 1, "the clock rises with every action");
        self.clock += skip;
        self.k = 0;
    }

    /// One change of the current action.
    pub(crate) fn change(
        &mut self,
        index: usize,
        side: Side,
        level: (u16, i64),
        ts_ms: i64,
    ) -> Event {
        let (price, delta) = level;
        if !self.has_clock && ts_ms != self.k_ts_ms {
            (self.k, self.k_ts_ms) = (0, ts_ms);
        }
        let k = self.k;
        self.k += 1;
        self.book.apply(side, price, delta);
        self.updated_ms = ts_ms;
        Event::Delta(Delta {
            market: index,
            clock: self.wire_clock(),
            k,
            side,
            price,
            delta,
            ts_ms,
        })
    }

    pub(crate) fn traded(&mut self, trade: &Trade) {
        self.last_price = trade.yes_price;
        self.last_size = trade.count;
        self.volume += trade.count;
        self.turnover += trade.count.saturating_mul(i64::from(trade.yes_price));
        self.open_interest += trade.count / 2;
    }
}

/// Every market, in the order of birth, with look-ups.
#[derive(Debug, Default)]
pub(crate) struct Markets {
    list: Vec<Market>,
    by_ticker: HashMap<Arc<str>, usize>,
    by_id: HashMap<Uuid, usize>,
}

impl Markets {
    pub(crate) fn add(&mut self, market: Market) -> usize {
        let index = self.list.len();
        self.by_ticker.insert(Arc::clone(&market.naming.ticker), index);
        self.by_id.insert(market.naming.id, index);
        self.list.push(market);
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn find(&self, ticker: &str) -> Option<usize> {
        self.by_ticker.get(ticker).copied()
    }

    pub(crate) fn find_id(&self, id: &Uuid) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn at(&self, index: usize) -> &Market {
        &self.list[index]
    }

    pub(crate) fn at_mut(&mut self, index: usize) -> &mut Market {
        &mut self.list[index]
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Market)> {
        self.list.iter().enumerate()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Market)> {
        self.list.iter_mut().enumerate()
    }
}
