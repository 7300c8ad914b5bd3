//! Reads the simulator's truth log: one JSON object a line.

use std::io::BufRead;

use exchange::Side;
use serde::Deserialize;
use uuid::Uuid;

use super::book::Book;
use super::truth::{DeltaTruth, MarketTruth, TickerTruth, TradeTruth, Truth, TruthEvent};

/// Why a truth log cannot be used.
#[derive(Debug)]
pub enum BadTruth {
    /// It cannot be read.
    Read(std::io::Error),
    /// A line is not what the simulator promises.
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl std::fmt::Display for BadTruth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(_) => write!(f, "cannot read the truth log"),
            Self::Line { number, why } => write!(f, "line {number} of the truth log: {why}"),
        }
    }
}

impl std::error::Error for BadTruth {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Line { .. } => None,
        }
    }
}

/// Every field that any kind of line has.
#[derive(Deserialize)]
struct Line<'a> {
    t: &'a str,
    market: Option<&'a str>,
    id: Option<Uuid>,
    trade_id: Option<Uuid>,
    #[serde(default)]
    era: u16,
    clock: Option<u64>,
    k: Option<u16>,
    side: Option<&'a str>,
    taker: Option<&'a str>,
    price: Option<u16>,
    yes_price: Option<u16>,
    delta: Option<i64>,
    count: Option<i64>,
    ts_ms: Option<i64>,
    levels: Option<Vec<(&'a str, u16, i64)>>,
    kind: Option<&'a str>,
    event_type: Option<&'a str>,
    yes_bid: Option<u16>,
    yes_ask: Option<u16>,
    yes_bid_size: Option<i64>,
    yes_ask_size: Option<i64>,
    last_trade_size: Option<i64>,
    volume: Option<i64>,
    open_interest: Option<i64>,
    dollar_volume: Option<i64>,
    dollar_open_interest: Option<i64>,
}

/// Reads a whole log.
///
/// # Errors
/// When it cannot be read, or at the first line that is not as promised.
pub fn read_truth(mut log: impl BufRead) -> Result<Truth, BadTruth> {
    let mut truth = Truth::default();
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        if log.read_line(&mut text).map_err(BadTruth::Read)? == 0 {
            break;
        }
        let line: Result<Line<'_>, _> = serde_json::from_str(&text);
        let line = line.map_err(|error| BadTruth::Line { number, why: error.to_string() })?;
        let kind = line.t.to_owned();
        add(&mut truth, &line)
            .ok_or_else(|| BadTruth::Line { number, why: format!("{kind} lacks a field") })?;
    }
    Ok(truth)
}

fn add(truth: &mut Truth, line: &Line<'_>) -> Option<()> {
    match line.t {
        "market" => market(truth, line.market?).id = line.id?,
        "book" => {
            let levels = line.levels.as_ref()?.iter();
            let levels: Option<Vec<_>> =
                levels.map(|(name, price, size)| Some(((side(name)?, *price), *size))).collect();
            let book = Box::new(Book::from_levels(levels?));
            let event = TruthEvent::Book { era: line.era, clock: clock(line), book };
            market(truth, line.market?).events.push(event);
        }
        "delta" => {
            let event = TruthEvent::Delta(delta(line)?);
            market(truth, line.market?).events.push(event);
        }
        "empty" => {
            let event = TruthEvent::Empty { era: line.era, clock: clock(line) };
            market(truth, line.market?).events.push(event);
        }
        "trade" => {
            truth.trades.insert(line.trade_id?, trade(line)?);
        }
        "ticker" => truth.tickers.push(ticker(line)?),
        "lifecycle" => {
            let told = [line.kind?, line.market?, line.event_type?];
            truth.lifecycle.push(told.join(" "));
        }
        // Its eras stand on the lines of each market.
        "era" => {}
        _ => return None,
    }
    Some(())
}

fn market<'a>(truth: &'a mut Truth, ticker: &str) -> &'a mut MarketTruth {
    // Looked up first: a name is made once a market, not once a line.
    if !truth.markets.contains_key(ticker) {
        truth.markets.insert(ticker.to_owned(), MarketTruth::default());
    }
    truth.markets.get_mut(ticker).expect("it was put there")
}

fn clock(line: &Line<'_>) -> u64 {
    line.clock.unwrap_or_default()
}

fn delta(line: &Line<'_>) -> Option<DeltaTruth> {
    Some(DeltaTruth {
        era: line.era,
        clock: clock(line),
        ord: line.k?,
        side: side(line.side?)?,
        price: line.price?,
        change: line.delta?,
        ts_ms: line.ts_ms?,
    })
}

fn trade(line: &Line<'_>) -> Option<TradeTruth> {
    Some(TradeTruth {
        market: line.market?.to_owned(),
        yes_price: line.yes_price?,
        count: line.count?,
        taker: side(line.taker?)?,
        ts_ms: line.ts_ms?,
    })
}

fn ticker(line: &Line<'_>) -> Option<TickerTruth> {
    Some(TickerTruth {
        market: line.market?.to_owned(),
        ts_ms: line.ts_ms?,
        prices: [line.price?, line.yes_bid?, line.yes_ask?],
        sizes: [
            line.yes_bid_size?,
            line.yes_ask_size?,
            line.last_trade_size?,
            line.volume?,
            line.open_interest?,
        ],
        dollars: [line.dollar_volume?, line.dollar_open_interest?],
    })
}

fn side(text: &str) -> Option<Side> {
    match text {
        "yes" => Some(Side::Yes),
        "no" => Some(Side::No),
        _ => None,
    }
}
