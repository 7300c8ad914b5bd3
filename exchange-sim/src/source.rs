//! Where events come from: the generator, or a recording.

use std::time::Duration;

use crate::{clock::Now, event::Event, generator::Generator, market::Markets, replay::Replay};

/// Deltas owed after a pause of the machine: at most this much time is made up for.
const CATCH_UP_S: f64 = 0.25;
/// Deltas made in one turn, so that the lock is never held for long.
const TURN_MAX: f64 = 20_000.0;

#[derive(Debug)]
pub(crate) enum Source {
    Generated { generator: Box<Generator>, deltas_per_sec: f64, owed: f64, last_ms: i64 },
    Recorded(Box<Replay>),
}

impl Source {
    pub(crate) fn generated(generator: Generator, deltas_per_sec: f64) -> Self {
        Self::Generated { generator: Box::new(generator), deltas_per_sec, owed: 0.0, last_ms: 0 }
    }

    /// Whatever happened in `passed`.
    pub(crate) fn produce(
        &mut self,
        markets: &mut Markets,
        passed: Duration,
        now: Now,
        out: &mut Vec<Event>,
    ) {
        match self {
            Self::Generated { generator, deltas_per_sec, owed, last_ms } => {
                *last_ms = now.wall_ms.max(*last_ms);
                *owed += passed.as_secs_f64() * *deltas_per_sec;
                *owed = owed.min(*deltas_per_sec * CATCH_UP_S + 1.0).min(TURN_MAX);
                while *owed >= 1.0 {
                    let before = out.len();
                    generator.step(markets, *last_ms, out);
                    let deltas =
                        out[before..].iter().filter(|event| matches!(event, Event::Delta(_)));
                    // An action without a delta costs one too, so that this always ends.
                    *owed -= (deltas.count() as f64).max(1.0);
                }
            }
            Self::Recorded(replay) => replay.produce(markets, passed, out),
        }
    }

    pub(crate) fn set_rate(&mut self, rate: f64) -> Result<(), &'static str> {
        match self {
            Self::Generated { deltas_per_sec, .. } => {
                *deltas_per_sec = rate;
                Ok(())
            }
            Self::Recorded(_) => Err("a recording has its own rate"),
        }
    }

    /// A market made by command gets a part of all activity.
    pub(crate) fn adopt(&mut self, market: usize, share: f64) -> Result<(), &'static str> {
        match self {
            Self::Generated { generator, .. } => {
                generator.adopt(market, share);
                Ok(())
            }
            Self::Recorded(_) => Err("a recording has its own markets"),
        }
    }

    /// Gives these markets a part of all activity, evenly.
    pub(crate) fn weigh(&mut self, markets: &[usize], share: f64) -> Result<(), &'static str> {
        match self {
            Self::Generated { generator, .. } => {
                generator.weigh(markets, share);
                Ok(())
            }
            Self::Recorded(_) => Err("a recording has its own activity"),
        }
    }

    pub(crate) fn new_era(&mut self, markets: &mut Markets) {
        match self {
            Self::Generated { generator, .. } => generator.new_era(markets),
            Self::Recorded(replay) => replay.new_era(markets),
        }
    }

    /// Recordings bring their tickers along.
    pub(crate) fn makes_tickers(&self) -> bool {
        matches!(self, Self::Generated { .. })
    }

    /// Events of a recording that are still to come.
    pub(crate) fn remaining(&self) -> Option<usize> {
        match self {
            Self::Generated { .. } => None,
            Self::Recorded(replay) => Some(replay.remaining()),
        }
    }
}
