//! One function per event of what follows the markets and asks over REST.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{counter, gauge};

/// The exchange said "too many requests".
pub(crate) fn rest_limited(silence: Duration) {
    counter!("gatherer_rest_limited_total").increment(1);
    tracing::warn!(
        component = "rest",
        event = "rest_limited",
        silence_ms = silence.as_millis(),
        "too many requests: silent for a while"
    );
}

/// So many markets are known, carried or not.
pub(crate) fn known(markets: usize) {
    gauge!("gatherer_markets_known").set(markets as f64);
}

/// Markets are no longer on their way to another connection: there, or given up.
pub(crate) fn moved(markets: usize) {
    if markets > 0 {
        counter!("gatherer_markets_moved_total").increment(markets as u64);
        tracing::info!(
            component = "connections",
            event = "markets_moved",
            markets,
            "connections are evened out"
        );
    }
}

/// Markets that were asked for by name have no feed any more.
pub(crate) fn archived(tickers: &BTreeSet<String>) {
    for ticker in tickers {
        tracing::warn!(
            component = "markets",
            event = "market_archived",
            market = ticker,
            "it is settled and in the exchange's archive; take it out of MARKET_TICKERS"
        );
    }
}

/// Markets that an earlier run carried and the exchange does not list are carried on.
pub(crate) fn remembered(markets: usize) {
    if markets > 0 {
        tracing::info!(
            component = "markets",
            event = "markets_remembered",
            markets,
            "carried when the gatherer last ran, and still"
        );
    }
}

/// What is carried could not be written down, or not be read.
pub(crate) fn not_remembered(error: &str) {
    tracing::warn!(
        component = "markets",
        event = "markets_not_remembered",
        error,
        "a restart goes by the exchange's list alone"
    );
}

/// News of a market came faster than they were taken in; the exchange's list is asked for instead.
pub(crate) fn news_shed() {
    counter!("gatherer_news_shed_total").increment(1);
}

/// Every book was polled.
pub(crate) fn books_polled(kept: usize, failed: usize, took: Duration) {
    counter!("gatherer_books_polled_total").increment(kept as u64);
    tracing::info!(
        component = "polls",
        event = "books_polled",
        kept,
        failed,
        took_ms = took.as_millis(),
        "order books over REST"
    );
}
