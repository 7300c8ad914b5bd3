//! Settings of what goes on beside the feed: how markets are followed as they come and go, and how often books are polled.

use std::time::Duration;

use crate::{
    args::Args,
    choice::Choice,
    parse::{self, Problems},
    rounds::Slot,
};

/// How markets are followed and polled.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// A market is carried for this long after it closed.
    pub linger: Duration,
    /// Time between two looks at what each connection has to carry.
    pub rebalance_every: Duration,
    /// Time between two rounds of polls over REST; `None`: there are none.
    pub poll_every: Option<Duration>,
    /// This gatherer's place in that time; `None`: it follows from its name.
    pub poll_slot: Option<Slot>,
}

/// What to capture.
pub(crate) fn choice(args: &Args, problems: &mut Problems) -> Choice {
    let mut choice: Choice =
        parse::or_default(problems, "MARKET_TICKERS", args.market_tickers.parse());
    match args.mve_markets.trim() {
        "exclude" => {}
        "include" => choice.combinations = true,
        other => problems.add("MVE_MARKETS", format_args!("{other:?} must be include or exclude")),
    }
    choice
}

/// How to keep up with it.
pub(crate) fn read(args: &Args, problems: &mut Problems) -> Upkeep {
    let mut seconds = |name, text, most| parse::seconds(problems, name, text, 1..=most);
    let linger = seconds("MARKET_LINGER_SECS", &args.market_linger_secs, 86_400);
    let rebalance_every = seconds("REBALANCE_SECS", &args.rebalance_secs, 86_400);
    let poll_every = match args.poll_every_secs.trim() {
        "0" => None,
        text => Some(parse::seconds(problems, "POLL_EVERY_SECS", text, 1..=86_400)),
    };
    let poll_slot = match args.poll_slot.trim() {
        "" => None,
        slot => slot.parse().map_err(|error: String| problems.add("POLL_SLOT", error)).ok(),
    };
    Upkeep { linger, rebalance_every, poll_every, poll_slot }
}
