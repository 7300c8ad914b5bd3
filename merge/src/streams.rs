//! Trades, tickers and lifecycle messages: the first arrival is canonical, the rest are copies.

use std::hash::{Hash, Hasher};

use exchange::{Lifecycle, Ticker, Trade};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    memory::{Memory, Seen},
    minutes::Fate,
    record::{LifecycleRecord, Provenance, Record, TickerRecord, TradeRecord},
    recurring,
    seen::fingerprint,
};

/// The three memories.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub(crate) struct Streams {
    trades: Memory,
    tickers: Memory,
    lifecycle: Memory,
}

/// From where a record is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// From the journal: its provenance is that of the frame.
    Journalled,
    /// From a store: who said it is not known, and its receipt is rounded.
    Stored,
}

/// What became of a message, and the record if it is the first.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) fate: Fate,
    /// How far behind the first it was received.
    pub(crate) skew_us: Option<u64>,
    pub(crate) record: Option<Record>,
}

impl Streams {
    /// Takes the memory of all three, now.
    pub(crate) fn reserve(&mut self, config: &Config) {
        self.trades.reserve(config.trades_kept);
        self.tickers.reserve(config.messages_kept);
        self.lifecycle.reserve(config.messages_kept);
    }

    pub(crate) fn trade(&mut self, config: &Config, trade: &Trade<'_>, from: Provenance) -> Told {
        let key = trade.trade_id.as_u128();
        let age = config.trades_age.as_millis() as i64;
        let seen = self.trades.look(key, trade.ts_ms, age, &from);
        told(seen, || {
            self.trades.keep(key, trade.ts_ms, &from, config.trades_kept);
            Record::Trade(Box::new(TradeRecord {
                trade_id: trade.trade_id,
                market_ticker: trade.market_ticker.to_owned(),
                yes_price: trade.yes_price,
                no_price: trade.no_price,
                count: trade.count,
                taker: trade.taker,
                is_block_trade: trade.is_block_trade,
                ts_ms: trade.ts_ms,
                from,
            }))
        })
    }

    pub(crate) fn ticker(&mut self, config: &Config, t: &Ticker<'_>, from: Provenance) -> Told {
        let record = TickerRecord {
            market_ticker: t.market_ticker.to_owned(),
            market_id: t.market_id,
            price: t.price,
            yes_bid: t.yes_bid,
            yes_ask: t.yes_ask,
            yes_bid_size: t.yes_bid_size,
            yes_ask_size: t.yes_ask_size,
            last_trade_size: t.last_trade_size,
            volume: t.volume,
            open_interest: t.open_interest,
            dollar_volume: t.dollar_volume,
            dollar_open_interest: t.dollar_open_interest,
            ts_ms: t.ts_ms,
            from,
        };
        let key = ticker_key(&record);
        let seen = self.tickers.look(key, t.ts_ms, i64::MAX, &from);
        told(seen, || {
            self.tickers.keep(key, t.ts_ms, &from, config.messages_kept);
            Record::Ticker(Box::new(record))
        })
    }

    pub(crate) fn lifecycle(
        &mut self,
        config: &Config,
        message: &Lifecycle<'_>,
        from: Provenance,
    ) -> Told {
        let content = fingerprint(&(message.kind, message.msg));
        let ms = from.wall_ns.div_euclid(1_000_000);
        let (seen, key) = recurring::look(&mut self.lifecycle, content, &from);
        told(seen, || {
            self.lifecycle.keep(key, ms, &from, config.messages_kept);
            Record::Lifecycle(Box::new(LifecycleRecord {
                kind: message.kind.to_owned(),
                market_ticker: message.market_ticker.map(str::to_owned),
                event_ticker: message.event_ticker.map(str::to_owned),
                event_type: message.event_type.map(str::to_owned),
                open_ts: message.open_ts,
                close_ts: message.close_ts,
                msg: message.msg.to_owned(),
                from,
            }))
        })
    }

    /// Remembers what is known already.
    pub(crate) fn apply(&mut self, config: &Config, record: &Record, origin: Known) {
        match record {
            Record::Trade(trade) => {
                let key = trade.trade_id.as_u128();
                self.trades.keep(key, trade.ts_ms, &trade.from, config.trades_kept);
            }
            Record::Ticker(ticker) => {
                let key = ticker_key(ticker);
                self.tickers.keep(key, ticker.ts_ms, &ticker.from, config.messages_kept);
            }
            Record::Lifecycle(message) => {
                let content = fingerprint(&(message.kind.as_str(), message.msg.as_str()));
                let ms = message.from.wall_ns.div_euclid(1_000_000);
                if let Some(key) = recurring::place(&mut self.lifecycle, content, &message.from) {
                    self.lifecycle.keep(key, ms, &message.from, config.messages_kept);
                    if origin == Known::Stored {
                        self.lifecycle.forget_tellers(key);
                    }
                }
            }
            _ => {}
        }
    }
}

fn told(seen: Seen, make: impl FnOnce() -> Record) -> Told {
    let (fate, skew_us, record) = match seen {
        Seen::New => (Fate::First, None, Some(make())),
        Seen::Again => (Fate::First, None, None),
        Seen::Before { skew_us } => (Fate::Copy, Some(skew_us), None),
        Seen::TooOld => (Fate::Late, None, None),
    };
    Told { fate, skew_us, record }
}

fn ticker_key(record: &TickerRecord) -> u128 {
    struct Content<'a>(&'a TickerRecord);
    impl Hash for Content<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            let t = self.0;
            (&t.market_ticker, t.ts_ms, t.price, t.yes_bid, t.yes_ask).hash(state);
            (t.yes_bid_size, t.yes_ask_size, t.last_trade_size).hash(state);
            (t.volume, t.open_interest, t.dollar_volume, t.dollar_open_interest).hash(state);
        }
    }
    fingerprint(&Content(record))
}
