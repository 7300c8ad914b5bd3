//! A hole as this program handles it, and how one is named.

use std::fmt;

use schema::rows::{Gap, GapState};
use serde::Serialize;

use crate::times;

/// Stands where the end of a hole would, if nobody has covered the market since.
pub(crate) const NO_END: &str = "no end yet";

/// The cause of a row that takes back a hole without end: nothing was missing after all.
pub(crate) const TAKEN_BACK: &str = "covered_again";

/// Names a market, or one hole of it: `TICKER` or `TICKER@ERA:CLOCK`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Selector {
    pub(crate) ticker: String,
    pub(crate) place: Option<(u16, u64)>,
}

/// One row of `gaps`, in the form that is printed as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Hole {
    pub(crate) id: String,
    pub(crate) ticker: String,
    pub(crate) era: u16,
    pub(crate) from_clock: u64,
    pub(crate) to_clock: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) cause: String,
    pub(crate) state: &'static str,
    pub(crate) repaired_by: String,
    pub(crate) version: u64,
}

impl Selector {
    /// Reads what was typed; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (ticker, place) = match text.split_once('@') {
            Some((ticker, place)) => (ticker, Some(place)),
            None => (text, None),
        };
        if !is_ticker(ticker) {
            return Err(format!("{ticker:?} is not a ticker"));
        }
        let place = place.map(|place| {
            let numbers = place.split_once(':');
            let numbers =
                numbers.and_then(|(era, clock)| Some((era.parse().ok()?, clock.parse().ok()?)));
            numbers.ok_or_else(|| format!("{text:?} is not TICKER@ERA:CLOCK"))
        });
        Ok(Self { ticker: ticker.to_owned(), place: place.transpose()? })
    }

    pub(crate) fn names(&self, hole: &Hole) -> bool {
        self.ticker == hole.ticker
            && self.place.is_none_or(|place| place == (hole.era, hole.from_clock))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((era, clock)) => write!(f, "{}@{era}:{clock}", self.ticker),
            None => f.write_str(&self.ticker),
        }
    }
}

/// As the exchange names markets; also keeps a typed text out of paths and statements.
pub(crate) fn is_ticker(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// The word for a state, as in the table.
pub(crate) fn state(state: GapState) -> &'static str {
    match state {
        GapState::Open => "open",
        GapState::Repaired => "repaired",
        GapState::Permanent => "permanent",
    }
}

impl From<Gap> for Hole {
    fn from(gap: Gap) -> Self {
        Self {
            id: format!("{}@{}:{}", gap.market_ticker, gap.era, gap.from_clock),
            ticker: gap.market_ticker.to_string(),
            era: gap.era,
            from_clock: gap.from_clock,
            to_clock: gap.to_clock,
            from: times::shown(gap.from_ts.0),
            to: times::shown(gap.to_ts.0),
            from_ms: gap.from_ts.0,
            to_ms: gap.to_ts.0,
            cause: gap.cause.to_string(),
            state: state(gap.state),
            repaired_by: gap.repaired_by.to_string(),
            version: gap.version,
        }
    }
}

impl Hole {
    /// Whether it is none: nothing is to be repaired, verified or reported.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.cause == TAKEN_BACK
    }

    /// From the last event before it to the snapshot that ends it; `None` while nothing ends it.
    pub(crate) fn lasted_ms(&self) -> Option<i64> {
        (self.to_ms < Gap::NO_END_TS.0).then(|| self.to_ms - self.from_ms)
    }

    /// The same, for people.
    pub(crate) fn lasted(&self) -> String {
        self.lasted_ms().map_or_else(|| NO_END.to_owned(), times::length)
    }

    /// The row that says a newer state of this hole.
    pub(crate) fn settled(&self, state: GapState, by: &str) -> Gap {
        Gap {
            market_ticker: self.ticker.as_str().into(),
            era: self.era,
            from_clock: self.from_clock,
            to_clock: self.to_clock,
            from_ts: schema::rows::UnixMillis(self.from_ms),
            to_ts: schema::rows::UnixMillis(self.to_ms),
            cause: self.cause.as_str().into(),
            state,
            repaired_by: by.into(),
            version: self.version + 1,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use schema::rows::UnixMillis;

    use super::*;

    /// A hole of `ticker` between two seconds.
    pub(crate) fn hole(ticker: &str, from_s: i64, to_s: i64) -> Hole {
        let ts = |seconds: i64| UnixMillis(seconds * 1_000);
        Hole::from(Gap {
            market_ticker: ticker.into(),
            era: 0,
            from_clock: 7,
            to_clock: 9,
            from_ts: ts(from_s),
            to_ts: ts(to_s),
            cause: "all_sessions_closed".into(),
            state: GapState::Open,
            repaired_by: "".into(),
            version: 1,
        })
    }

    #[test]
    fn a_hole_is_found_by_the_name_it_is_listed_under() {
        let hole = hole("KXA-1.5", 10, 20);
        for name in [hole.id.as_str(), "KXA-1.5"] {
            let selector = Selector::parse(name).unwrap();
            assert!(selector.names(&hole));
            assert_eq!(selector.to_string(), name);
        }
        for other in ["KXA-1", "KXA-1.5@1:7", "KXA-1.5@0:8"] {
            assert!(!Selector::parse(other).unwrap().names(&hole), "{other}");
        }
        for wrong in ["", "a b", "../up", "KXA@", "KXA@1", "KXA@x:1", "KXA@70000:1", "'; DROP"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hole_without_end_has_no_length() {
        let ended = hole("A", 10, 20);
        assert_eq!((ended.lasted_ms(), ended.lasted().as_str()), (Some(10_000), "10.0 s"));
        let endless = Hole { to_ms: Gap::NO_END_TS.0, ..ended };
        assert_eq!((endless.lasted_ms(), endless.lasted().as_str()), (None, NO_END));
    }

    #[test]
    fn a_newer_state_has_a_higher_version_and_the_same_key() {
        let hole = hole("A", 10, 20);
        let gap = hole.settled(GapState::Repaired, "me");
        assert_eq!((gap.version, gap.from_clock, gap.state), (2, 7, GapState::Repaired));
        assert_eq!(Hole::from(gap).id, hole.id);
    }
}
