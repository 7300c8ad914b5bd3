//! Which markets there are: series, events, tickers, ids. All of it follows from the seed.

use std::sync::Arc;

use uuid::Uuid;

use crate::market::Naming;

/// Series and how many markets one of their events has.
const SERIES: [(&str, u64); 8] = [
    ("KXBTC15M", 1),
    ("KXMLBGAME", 2),
    ("KXHIGHNY", 6),
    ("KXETHD", 8),
    ("KXFED", 5),
    ("KXWNBAGAME", 2),
    ("KXMVESPORTS", 3),
    ("KXINXD", 4),
];
const OUTCOMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Hands out events, one after the other, each with its markets.
#[derive(Debug)]
pub(crate) struct Catalogue {
    seed: u64,
    events: u64,
}

impl Catalogue {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, events: 0 }
    }

    /// The names of the next event's markets.
    pub(crate) fn next_event(&mut self) -> Vec<Naming> {
        let number = self.events;
        self.events += 1;
        let (series, size) = SERIES[(number % SERIES.len() as u64) as usize];
        let series_ticker: Arc<str> = Arc::from(series);
        let event_ticker: Arc<str> = Arc::from(format!("{series}-26S{number:05}"));
        let outcomes = OUTCOMES.iter().take(size as usize);
        let names = outcomes.map(|outcome| {
            let ticker: Arc<str> = Arc::from(format!("{event_ticker}-{outcome}"));
            Naming {
                id: market_id(self.seed, &ticker),
                ticker,
                event_ticker: Arc::clone(&event_ticker),
                series_ticker: Arc::clone(&series_ticker),
            }
        });
        names.collect()
    }
}

/// The same market of the same seed has the same id in every run.
pub(crate) fn market_id(seed: u64, ticker: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("kalshi-sim/{seed}/{ticker}").as_bytes())
}
