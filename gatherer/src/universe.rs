//! Which markets there are and which of them are to be carried now: from the exchange's lists, from lifecycle messages
//! between two lists, and from the clock, because nothing is sent when a market opens or closes by it. Pure.
//!
//! Times are Unix seconds on this machine's wall clock, as the exchange gives them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::choice::Choice;

/// A market is subscribed this long before it opens, so that its first order is seen.
const LEAD_S: i64 = 30;

/// A market that is missing in the lists, and of which nobody has said that it ended, is carried for this long: it may only
/// be paused.
const GONE_AFTER_S: i64 = 3_600;

/// What ended is remembered for this long: a list that was on its way when it ended must not bring it back.
const REMEMBERED_S: i64 = 3_600;

/// A market as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    pub(crate) ticker: Arc<str>,
    /// Whether it trades now; else it will.
    pub(crate) is_open: bool,
    pub(crate) open_ts: Option<i64>,
    pub(crate) close_ts: Option<i64>,
}

/// What a lifecycle message says about a market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct News {
    pub(crate) ticker: Box<str>,
    pub(crate) what: Word,
}

/// The part of it that matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// It exists and will open, or is open.
    Created { open_ts: Option<i64>, close_ts: Option<i64> },
    /// It trades (again).
    Activated,
    /// It will close at another time.
    ClosesAt(i64),
    /// It will not trade again.
    Ended,
}

impl Word {
    /// What a message's event type means; `None` for what changes nothing here.
    pub(crate) fn of(message: &exchange::Lifecycle<'_>) -> Option<Self> {
        match message.event_type? {
            "created" => {
                Some(Self::Created { open_ts: message.open_ts, close_ts: message.close_ts })
            }
            "activated" => Some(Self::Activated),
            "close_date_updated" => message.close_ts.map(Self::ClosesAt),
            "determined" | "settled" => Some(Self::Ended),
            _ => None,
        }
    }
}

/// What is known of one market.
#[derive(Clone, Copy, Default, Debug)]
struct Known {
    /// When it opens; `None`: it is open, as far as we know.
    open_ts: Option<i64>,
    close_ts: Option<i64>,
    /// When a list last showed it, and since when lists do not.
    listed_at: Option<i64>,
    missing_since: Option<i64>,
    ended_at: Option<i64>,
}

impl Known {
    /// Until when it is carried, as far as is known.
    fn until(&self, linger_s: i64) -> Option<i64> {
        // A market that a list shows has not closed, whatever its close time.
        let closed = self.close_ts.max(self.listed_at.filter(|_| self.close_ts.is_some()));
        let gone = self.missing_since.map(|since| since + GONE_AFTER_S);
        let ended = self.ended_at.map(|at| at + linger_s);
        [closed.map(|at| at + linger_s), gone, ended].into_iter().flatten().min()
    }
}

/// Every market that was asked for and may matter.
#[derive(Debug)]
pub(crate) struct Universe {
    choice: Choice,
    /// How long a market is carried after it closed or ended: its last words come late.
    linger_s: i64,
    markets: HashMap<Arc<str>, Known>,
    /// When time alone changes what is wanted, as of the last answer.
    next: Option<i64>,
}

impl Universe {
    pub(crate) fn new(choice: Choice, linger_s: i64) -> Self {
        Self { choice, linger_s, markets: HashMap::new(), next: None }
    }

    /// Takes in what an earlier run carried: what no list shows any more is carried on as if it had just left them. How
    /// many of it are new.
    pub(crate) fn remember(&mut self, markets: Vec<Arc<str>>) -> usize {
        let before = self.markets.len();
        for market in markets.into_iter().filter(|market| self.choice.wants(market)) {
            self.markets.entry(market).or_default();
        }
        self.markets.len() - before
    }

    /// Takes in a whole list: every open market, and those that will open.
    pub(crate) fn listed(&mut self, list: Vec<Listed>, now_s: i64) {
        for market in list {
            if !self.choice.wants(&market.ticker) {
                continue;
            }
            let known = self.markets.entry(market.ticker).or_default();
            known.open_ts = if market.is_open { None } else { market.open_ts.or(known.open_ts) };
            known.close_ts = market.close_ts.or(known.close_ts);
            (known.listed_at, known.missing_since) = (Some(now_s), None);
        }
        for known in self.markets.values_mut() {
            if known.listed_at != Some(now_s) {
                known.missing_since.get_or_insert(now_s);
            }
        }
        self.forget(now_s);
    }

    /// Takes in a lifecycle message; `false` if it changes nothing.
    pub(crate) fn heard(&mut self, news: &News, now_s: i64) -> bool {
        if !self.choice.wants(&news.ticker) {
            return false;
        }
        if let Some(known) = self.markets.get_mut(&*news.ticker) {
            match news.what {
                Word::Created { open_ts, close_ts } => {
                    known.open_ts = open_ts.filter(|open| *open > now_s);
                    known.close_ts = close_ts.or(known.close_ts);
                }
                Word::Activated => (known.open_ts, known.missing_since) = (None, None),
                Word::ClosesAt(close_ts) => known.close_ts = Some(close_ts),
                Word::Ended => known.ended_at = known.ended_at.or(Some(now_s)),
            }
            return true;
        }
        let fresh = match news.what {
            Word::Created { open_ts, close_ts } => Known {
                open_ts: open_ts.filter(|open| *open > now_s),
                close_ts,
                ..Known::default()
            },
            Word::Activated => Known::default(),
            // Of a market that we never carried.
            Word::ClosesAt(_) | Word::Ended => return false,
        };
        self.markets.insert(news.ticker.as_ref().into(), fresh);
        true
    }

    /// Does not carry what was asked for by name and is in the exchange's archive.
    pub(crate) fn leave_out(&mut self, archived: &BTreeSet<String>) {
        self.choice.tickers.retain(|ticker| !archived.contains(ticker));
    }

    /// The markets to carry now. Those listed by name are always among them.
    pub(crate) fn wanted(&mut self, now_s: i64) -> BTreeSet<Arc<str>> {
        self.next = self.next_change(now_s);
        let carried = self.markets.iter().filter(|(_, known)| self.is_carried(known, now_s));
        let named = self.choice.tickers.iter().map(|ticker| Arc::from(ticker.as_str()));
        carried.map(|(ticker, _)| ticker.clone()).chain(named).collect()
    }

    /// Whether time alone has changed what is wanted since it was last asked.
    pub(crate) fn passed(&self, now_s: i64) -> bool {
        self.next.is_some_and(|at| at <= now_s)
    }

    /// When [`Self::wanted`] changes next by time alone.
    fn next_change(&self, now_s: i64) -> Option<i64> {
        let of = |known: &Known| {
            let from = known.open_ts.map(|open| open - LEAD_S).filter(|from| *from > now_s);
            from.or_else(|| known.until(self.linger_s)).filter(|at| *at > now_s)
        };
        self.markets.values().filter_map(of).min()
    }

    fn is_carried(&self, known: &Known, now_s: i64) -> bool {
        known.open_ts.is_none_or(|open| open - LEAD_S <= now_s)
            && known.until(self.linger_s).is_none_or(|until| now_s < until)
    }

    fn forget(&mut self, now_s: i64) {
        let linger_s = self.linger_s;
        self.markets.retain(|_, known| {
            let over = known.until(linger_s);
            known.missing_since.is_none() || over.is_none_or(|at| now_s < at + REMEMBERED_S)
        });
    }

    /// How many markets are known, carried or not.
    pub(crate) fn len(&self) -> usize {
        self.markets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: i64 = 600;

    fn universe(choice: &str) -> Universe {
        Universe::new(choice.parse().expect("a choice"), LINGER)
    }

    fn open(ticker: &str, close_ts: i64) -> Listed {
        Listed { ticker: ticker.into(), is_open: true, open_ts: Some(0), close_ts: Some(close_ts) }
    }

    fn later(ticker: &str, open_ts: i64) -> Listed {
        let (open_ts, close_ts) = (Some(open_ts), Some(open_ts + 10_000));
        Listed { ticker: ticker.into(), is_open: false, open_ts, close_ts }
    }

    fn news(ticker: &str, what: Word) -> News {
        News { ticker: ticker.into(), what }
    }

    fn wanted(universe: &mut Universe, now_s: i64) -> String {
        let wanted = universe.wanted(now_s);
        wanted.iter().map(|ticker| &**ticker).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_market_is_carried_from_shortly_before_it_opens_by_the_clock() {
        let mut all = universe("all");
        all.listed(vec![open("A", 100_000), later("B", 5_000)], 1_000);
        assert_eq!(wanted(&mut all, 1_000), "A");
        assert_eq!(all.next_change(1_000), Some(5_000 - LEAD_S));
        assert_eq!(wanted(&mut all, 5_000 - LEAD_S), "A B");
        assert_eq!(all.next_change(5_000), Some(15_000 + LINGER));
    }

    #[test]
    fn a_market_that_closes_by_the_clock_is_carried_until_its_last_words() {
        let mut all = universe("all");
        all.listed(vec![open("A", 2_000), open("B", 100_000)], 1_000);
        assert_eq!(wanted(&mut all, 2_000 + LINGER - 1), "A B");
        assert_eq!(all.next_change(1_000), Some(2_000 + LINGER));
        assert_eq!(wanted(&mut all, 2_000 + LINGER), "B");
        // The exchange still lists it: it did not close after all.
        all.listed(vec![open("A", 2_000), open("B", 100_000)], 3_000);
        assert_eq!(wanted(&mut all, 3_000 + LINGER - 1), "A B");
    }

    #[test]
    fn lifecycle_messages_are_heard_between_lists() {
        let mut all = universe("all,-KXNOT*");
        all.listed(vec![open("A", 100_000)], 1_000);
        let created = Word::Created { open_ts: Some(1_500), close_ts: Some(9_000) };
        assert!(all.heard(&news("B", created), 1_001));
        assert!(!all.heard(&news("KXNOT-1", created), 1_001));
        assert!(!all.heard(&news("C", Word::Ended), 1_001), "never carried");
        assert_eq!(wanted(&mut all, 1_500 - LEAD_S), "A B");
        assert!(all.heard(&news("B", Word::ClosesAt(2_000)), 1_600));
        assert_eq!(wanted(&mut all, 2_000 + LINGER), "A");
        assert!(all.heard(&news("A", Word::Ended), 3_000));
        assert_eq!(wanted(&mut all, 3_000 + LINGER - 1), "A");
        assert_eq!(wanted(&mut all, 3_000 + LINGER), "");
        assert!(all.heard(&news("D", Word::Activated), 3_000));
        assert_eq!(wanted(&mut all, 4_000), "D");
    }

    #[test]
    fn a_list_that_was_on_its_way_does_not_bring_back_what_ended() {
        let mut all = universe("all");
        all.listed(vec![open("A", 100_000)], 1_000);
        all.heard(&news("A", Word::Ended), 1_010);
        all.listed(vec![open("A", 100_000)], 1_020);
        assert_eq!(wanted(&mut all, 1_010 + LINGER), "");
    }

    #[test]
    fn what_an_earlier_run_carried_is_carried_on_though_no_list_shows_it() {
        let mut all = universe("all,-KXNOT*");
        let earlier = ["A", "B", "C", "KXNOT-1"].map(Arc::from).to_vec();
        assert_eq!(all.remember(earlier), 3, "what is no longer asked for is not");
        assert_eq!(wanted(&mut all, 1_000), "A B C", "before any list came");
        all.listed(vec![open("A", 100_000), later("C", 4_500)], 1_000);
        assert_eq!(wanted(&mut all, 1_000), "A B", "one that opens later waits for it");
        assert!(all.heard(&news("B", Word::Ended), 1_100));
        assert_eq!(wanted(&mut all, 1_100 + LINGER), "A");
        assert_eq!(wanted(&mut all, 1_000 + GONE_AFTER_S), "A C");
    }

    #[test]
    fn a_market_that_is_not_listed_is_carried_for_an_hour_and_then_forgotten() {
        let mut all = universe("all");
        all.listed(vec![open("A", 1_000_000), open("B", 1_000_000)], 1_000);
        all.listed(vec![open("B", 1_000_000)], 2_000);
        assert_eq!(wanted(&mut all, 2_000 + GONE_AFTER_S - 1), "A B", "it may be paused");
        all.heard(&news("A", Word::Activated), 3_000);
        all.listed(vec![open("B", 1_000_000)], 4_000);
        assert_eq!(wanted(&mut all, 4_000 + GONE_AFTER_S), "B");
        for at in 1..20 {
            all.listed(vec![open("B", 1_000_000)], 4_000 + at * GONE_AFTER_S);
        }
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn named_markets_are_always_carried() {
        let mut some = universe("A,KXB*");
        some.listed(vec![open("KXB-1", 100_000), open("Z", 100_000)], 1_000);
        assert_eq!(wanted(&mut some, 1_000), "A KXB-1");
        some.heard(&news("A", Word::Ended), 1_000);
        assert_eq!(wanted(&mut some, 1_000_000), "A");
    }
}
