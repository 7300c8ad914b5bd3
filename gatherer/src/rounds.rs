//! When the next round of polls begins and which requests it is made of. Pure.
//!
//! Rounds keep to the wall clock: a gatherer with slot k of n begins at (k - 1)/n of every period, so that n gatherers give
//! every book n times a period, evenly, whenever each of them was started.

use std::{str::FromStr, time::Duration};

use crate::spread::Carried;

/// The exchange's limit.
const TICKERS_MAX: usize = 100;

/// What a request's query may hold: URLs of more than 8 KB are refused by proxies.
const QUERY_BYTES_MAX: usize = 7_000;

/// Bytes of `&tickers=` around each.
const EACH_BYTES: usize = 9;

/// Which part of the period is whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    number: u32,
    of: u32,
}

/// When rounds begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rhythm {
    every_s: i64,
    offset_s: i64,
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |text: &str| text.trim().parse::<u32>().ok();
        let numbers = text.split_once('/').and_then(|(k, n)| Some((read(k)?, read(n)?)));
        match numbers {
            Some((number, of)) if 1 <= number && number <= of && of <= 100 => {
                Ok(Self { number, of })
            }
            _ => Err(format!("{text:?} must be a place among the gatherers as 2/3")),
        }
    }
}

impl Rhythm {
    /// A round every `every`; without a slot, begun at a place in it that follows from the gatherer's name.
    pub(crate) fn new(every: Duration, slot: Option<Slot>, gatherer_id: &str) -> Self {
        let every_s = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
        let offset_s = match slot {
            Some(Slot { number, of }) => every_s * i64::from(number - 1) / i64::from(of),
            None => (crate::spread::hash(gatherer_id) % every_s.unsigned_abs()).cast_signed(),
        };
        Self { every_s, offset_s }
    }

    /// How long until the next round begins.
    pub(crate) fn pause(&self, wall_ns: i64) -> Duration {
        let every_ns = self.every_s.saturating_mul(1_000_000_000);
        let past = (wall_ns - self.offset_s * 1_000_000_000).rem_euclid(every_ns);
        Duration::from_nanos((every_ns - past).unsigned_abs())
    }
}

/// All markets, as many a request as the exchange allows.
pub(crate) fn requests(markets: &Carried) -> Vec<Vec<String>> {
    let mut requests: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for market in markets {
        let more = market.len() + EACH_BYTES;
        match requests.last_mut() {
            Some(last) if last.len() < TICKERS_MAX && bytes + more <= QUERY_BYTES_MAX => {
                last.push(market.to_string());
                bytes += more;
            }
            _ => {
                requests.push(vec![market.to_string()]);
                bytes = more;
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const EVERY: Duration = Duration::from_secs(900);

    fn starts(slot: Option<&str>, name: &str) -> i64 {
        let slot = slot.map(|slot| slot.parse().expect("a slot"));
        let rhythm = Rhythm::new(EVERY, slot, name);
        // From several moments on, it is always the same place in the period.
        let places: Vec<i64> = [0, 1, 899, 900, 1_763_712_345]
            .map(|now_s: i64| {
                let now_ns = now_s * 1_000_000_000 + 7;
                let pause = rhythm.pause(now_ns);
                assert!(Duration::ZERO < pause && pause <= EVERY, "{pause:?}");
                ((now_ns + pause.as_nanos() as i64) / 1_000_000_000).rem_euclid(900)
            })
            .to_vec();
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
        places[0]
    }

    #[test]
    fn three_gatherers_begin_five_minutes_apart_whenever_they_start() {
        let places = ["1/3", "2/3", "3/3"].map(|slot| starts(Some(slot), "x"));
        assert_eq!(places, [0, 300, 600]);
    }

    #[test]
    fn without_a_slot_the_name_decides() {
        assert_eq!(starts(None, "east"), starts(None, "east"));
        assert_ne!(starts(None, "east"), starts(None, "west"));
    }

    #[test]
    fn slots_are_read_or_refused() {
        for wrong in ["", "0/3", "4/3", "1", "a/b", "1/101", "-1/3"] {
            assert!(wrong.parse::<Slot>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn no_request_is_larger_than_the_exchange_allows_and_none_is_left_out() {
        let markets: Carried = (0..20_000)
            .map(|n| Arc::from(format!("KXT-{}{n}", "X".repeat(if n % 3 == 0 { 90 } else { 20 }))))
            .collect();
        let requests = requests(&markets);
        let asked: Carried = requests.iter().flatten().map(|ticker| Arc::from(&**ticker)).collect();
        assert_eq!(asked, markets);
        for tickers in &requests {
            let target = exchange::rest::request::orderbooks(tickers).target();
            assert!(tickers.len() <= 100 && target.len() < 8_000, "{}", target.len());
        }
    }
}
