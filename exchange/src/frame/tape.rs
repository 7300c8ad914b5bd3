//! `trade` and `ticker`.

use uuid::Uuid;

use crate::frame::fields::{Text, fields, need};
use crate::frame::{BadFrame, Meaning};
use crate::message::{Message, Ticker, Trade};
use crate::units::{Price, Side, Size};

pub(super) const TRADE: &str = "trade";
pub(super) const TICKER: &str = "ticker";

fields! {
    struct TradeFields<'a> {
        trade_id: Text<Uuid>,
        market_ticker: &'a str,
        yes_price_dollars: Text<Price>,
        no_price_dollars: Text<Price>,
        count_fp: Text<Size>,
        taker_side: Text<Side>,
        taker_outcome_side: Text<Side>,
        is_block_trade: bool,
        ts_ms: i64,
    }
    ignored { taker_book_side ts }
}

fields! {
    struct TickerFields<'a> {
        market_ticker: &'a str,
        market_id: Text<Uuid>,
        price_dollars: Text<Price>,
        yes_bid_dollars: Text<Price>,
        yes_ask_dollars: Text<Price>,
        yes_bid_size_fp: Text<Size>,
        yes_ask_size_fp: Text<Size>,
        last_trade_size_fp: Text<Size>,
        volume_fp: Text<Size>,
        open_interest_fp: Text<Size>,
        dollar_volume: i64,
        dollar_open_interest: i64,
        ts_ms: i64,
    }
    ignored { ts time }
}

pub(super) fn trade(fields: TradeFields<'_>) -> Result<Meaning<'_>, BadFrame> {
    let taker = fields.taker_outcome_side.or(fields.taker_side);
    let trade = Trade {
        trade_id: need(fields.trade_id, TRADE, "trade_id")?.0,
        market_ticker: need(fields.market_ticker, TRADE, "market_ticker")?,
        yes_price: need(fields.yes_price_dollars, TRADE, "yes_price_dollars")?.0,
        no_price: need(fields.no_price_dollars, TRADE, "no_price_dollars")?.0,
        count: need(fields.count_fp, TRADE, "count_fp")?.0,
        taker: need(taker, TRADE, "taker_outcome_side")?.0,
        is_block_trade: fields.is_block_trade,
        ts_ms: need(fields.ts_ms, TRADE, "ts_ms")?,
    };
    Ok(Meaning { message: Message::Trade(trade), unknown: fields.unknown })
}

pub(super) fn ticker(fields: TickerFields<'_>) -> Result<Meaning<'_>, BadFrame> {
    let ticker = Ticker {
        market_ticker: need(fields.market_ticker, TICKER, "market_ticker")?,
        market_id: need(fields.market_id, TICKER, "market_id")?.0,
        price: need(fields.price_dollars, TICKER, "price_dollars")?.0,
        yes_bid: need(fields.yes_bid_dollars, TICKER, "yes_bid_dollars")?.0,
        yes_ask: need(fields.yes_ask_dollars, TICKER, "yes_ask_dollars")?.0,
        yes_bid_size: need(fields.yes_bid_size_fp, TICKER, "yes_bid_size_fp")?.0,
        yes_ask_size: need(fields.yes_ask_size_fp, TICKER, "yes_ask_size_fp")?.0,
        last_trade_size: need(fields.last_trade_size_fp, TICKER, "last_trade_size_fp")?.0,
        volume: need(fields.volume_fp, TICKER, "volume_fp")?.0,
        open_interest: need(fields.open_interest_fp, TICKER, "open_interest_fp")?.0,
        dollar_volume: need(fields.dollar_volume, TICKER, "dollar_volume")?,
        dollar_open_interest: need(fields.dollar_open_interest, TICKER, "dollar_open_interest")?,
        ts_ms: need(fields.ts_ms, TICKER, "ts_ms")?,
    };
    Ok(Meaning { message: Message::Ticker(Box::new(ticker)), unknown: fields.unknown })
}
