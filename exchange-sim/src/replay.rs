//! Plays a recording: its markets, its deltas, trades and tickers, at its pace.
//!
//! `recording` reads files; here is what the frames mean for the simulated markets.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    book::{Book, Scale, Side},
    catalogue::market_id,
    event::Event,
    grid::Structure,
    market::{Market, Markets, Naming, Status},
    recording::{self, Entry, Recorded},
};

/// Events given out in one turn when a recording is played as fast as possible.
const TURN_MAX: usize = 2_000;

/// Whether frames of a recording get a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReplayClock {
    /// One clock per market and exchange time.
    MadeUp,
    /// Frames without `clock`, as they were before October 2026.
    None,
}

/// How a recording is to be played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) clock: ReplayClock,
    /// Times faster than it was recorded; 0 is as fast as possible.
    pub(crate) speed: f64,
    /// The scale of the recording's `no` prices.
    pub(crate) scale: Scale,
}

#[derive(Debug)]
pub(crate) struct Replay {
    entries: std::vec::IntoIter<Entry>,
    manner: Manner,
    /// Time played so far, in the recording's microseconds.
    played_us: f64,
    progress: HashMap<usize, Progress>,
}

/// Where one market stands in the recording.
#[derive(Debug, Default)]
struct Progress {
    /// Exchange time of its last delta, as precise as recorded.
    stamp: String,
    was_emptied: bool,
}

impl Replay {
    /// Reads the file and makes its markets, each with the book of its first snapshot.
    pub(crate) fn load(
        path: &Path,
        manner: Manner,
        (markets, births): (&mut Markets, &mut Vec<Event>),
        now_ms: i64,
    ) -> anyhow::Result<Self> {
        let entries = recording::read(path, manner.scale)?;
        let mut kept = Vec::with_capacity(entries.len());
        let mut left_out = 0_usize;
        let mut known: HashMap<usize, bool> = HashMap::new();
        for entry in entries {
            let Some(ticker) = entry.what.ticker() else {
                kept.push(entry);
                continue;
            };
            let index = markets.find(ticker).unwrap_or_else(|| {
                markets.add(recorded_market(ticker, entry.what.id(), manner, now_ms))
            });
            let has_book = known.entry(index).or_default();
            match &entry.what {
                Recorded::Snapshot { levels, .. } if !*has_book => {
                    *has_book = true;
                    markets.at_mut(index).book = book_of(levels);
                }
                Recorded::Delta { .. } if !*has_book => left_out += 1,
                _ => kept.push(entry),
            }
        }
        if left_out > 0 {
            tracing::warn!(left_out, "deltas before their market's first snapshot are not played");
        }
        births.extend((0..markets.len()).map(|market| Event::Born { market }));
        anyhow::ensure!(markets.len() > 0, "{}: no market in this recording", path.display());
        Ok(Self { entries: kept.into_iter(), manner, played_us: 0.0, progress: HashMap::new() })
    }

    pub(crate) fn remaining(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn produce(
        &mut self,
        markets: &mut Markets,
        passed: Duration,
        out: &mut Vec<Event>,
    ) {
        self.played_us += passed.as_secs_f64() * 1e6 * self.manner.speed;
        for _ in 0..TURN_MAX {
            let due = self.entries.as_slice().first().is_some_and(|entry| {
                self.manner.speed <= 0.0 || entry.offset_us as f64 <= self.played_us
            });
            if !due {
                return;
            }
            if let Some(entry) = self.entries.next() {
                self.play(markets, entry.what, out);
            }
        }
    }

    pub(crate) fn new_era(&mut self, markets: &mut Markets) {
        for (_, market) in markets.iter_mut().filter(|(_, market)| market.has_clock) {
            market.clock = market.clock.div_ceil(3);
        }
    }

    fn play(&mut self, markets: &mut Markets, what: Recorded, out: &mut Vec<Event>) {
        let index = what.ticker().and_then(|ticker| markets.find(ticker));
        match (what, index) {
            (Recorded::Delta { side, price, delta, ts_ms, stamp, .. }, Some(index)) => {
                let progress = self.progress.entry(index).or_default();
                let market = markets.at_mut(index);
                if progress.stamp != stamp && market.has_clock {
                    market.begin(1);
                }
                progress.stamp = stamp;
                progress.was_emptied = false;
                out.push(market.change(index, side, (price, delta), ts_ms));
            }
            (Recorded::Snapshot { levels, ts_ms, .. }, Some(index)) => {
                self.replace(markets.at_mut(index), (index, levels), ts_ms, out);
            }
            (Recorded::Trade { trade, .. }, Some(market)) => {
                let trade = crate::event::Trade { market, ..trade };
                markets.at_mut(market).traded(&trade);
                out.push(Event::Trade(trade));
            }
            (Recorded::Ticker { figures, ts_ms, body, .. }, Some(market)) => {
                out.push(Event::Ticker { market, ts_ms, figures, body });
            }
            (Recorded::Lifecycle(message), _) => out.push(Event::Lifecycle(message)),
            (_, None) => {}
        }
    }

    /// A snapshot in the middle of a recording: an unsolicited one, or a recorder that came back.
    fn replace(
        &mut self,
        market: &mut Market,
        (index, levels): (usize, Vec<(Side, u16, i64)>),
        ts_ms: i64,
        out: &mut Vec<Event>,
    ) {
        let progress = self.progress.entry(index).or_default();
        let book = book_of(&levels);
        let is_repeated =
            if levels.is_empty() { progress.was_emptied } else { book == market.book };
        if is_repeated {
            return;
        }
        progress.was_emptied = levels.is_empty();
        if market.has_clock {
            market.begin(1);
        }
        market.book = book;
        progress.stamp.clear();
        let clock = market.wire_clock();
        out.push(if levels.is_empty() {
            Event::Emptied { market: index, clock, ts_ms }
        } else {
            Event::Replaced { market: index, clock, levels }
        });
    }
}

fn book_of(levels: &[(Side, u16, i64)]) -> Book {
    let mut book = Book::default();
    for (side, price, size) in levels {
        book.apply(*side, *price, *size);
    }
    book
}

fn recorded_market(ticker: &str, id: Option<Uuid>, manner: Manner, now_ms: i64) -> Market {
    let event = ticker.rsplit_once('-').map_or(ticker, |(event, _)| event);
    let series = ticker.split_once('-').map_or(ticker, |(series, _)| series);
    let naming = Naming {
        ticker: Arc::from(ticker),
        event_ticker: Arc::from(event),
        series_ticker: Arc::from(series),
        id: id.unwrap_or_else(|| market_id(0, ticker)),
    };
    let mut market = Market::new(naming, Structure::Deci, now_ms);
    market.status = Status::Active;
    market.has_clock = manner.clock == ReplayClock::MadeUp;
    market.clock = 1;
    market
}
