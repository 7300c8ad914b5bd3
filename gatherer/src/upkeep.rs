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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Config;

    fn with(more: &[&str]) -> Result<Config, Vec<String>> {
        let right =
            ["kalshi-gatherer", "--key-id", "k", "--key-file", "k.pem", "--market-tickers", "all"];
        Config::from_args(Args::try_parse_from(right.iter().chain(more)).expect("known flags"))
    }

    #[test]
    fn what_is_said_is_read() {
        let more = ["--mve-markets", "include", "--poll-every-secs", "60", "--poll-slot", "2/3"];
        let config = with(&more).expect("right");
        assert!(config.markets.combinations);
        assert_eq!(config.upkeep.poll_every, Some(Duration::from_secs(60)));
        assert_eq!(config.upkeep.poll_slot, "2/3".parse().ok());
        let without = with(&["--poll-every-secs", "0"]).expect("right");
        assert_eq!((without.upkeep.poll_every, without.markets.combinations), (None, false));
    }

    #[test]
    fn each_mistake_is_named() {
        let wrong = [
            ("--mve-markets", "some", "MVE_MARKETS"),
            ("--market-linger-secs", "0", "MARKET_LINGER_SECS"),
            ("--rebalance-secs", "x", "REBALANCE_SECS"),
            ("--poll-every-secs", "-1", "POLL_EVERY_SECS"),
            ("--poll-slot", "4/3", "POLL_SLOT"),
            ("--rest-percent", "101", "REST_PERCENT"),
            ("--rest-url", "https://x.example/api", "REST_URL"),
        ];
        for (flag, value, name) in wrong {
            let flag = format!("{flag}={value}");
            let problems = with(&[&flag]).expect_err("wrong");
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{flag}: {problems:?}");
        }
    }
}
