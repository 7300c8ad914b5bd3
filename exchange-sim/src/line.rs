//! What goes wrong on one connection: decides the fate of each frame, and when to cut or stall.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::faults::{How, Rates};

/// The fate of one market-data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Drop,
    Repeat,
    Corrupt,
    /// Held until a frame of another market has gone first.
    Hold,
}

/// How many of the next frames are ordered to meet which fate.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) drop: u32,
    pub(crate) repeat: u32,
    pub(crate) corrupt: u32,
    pub(crate) hold: u32,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) rng: ChaCha8Rng,
    rates: Rates,
    pub(crate) ordered: Ordered,
    next_cut: Option<Instant>,
    next_stall: Option<Instant>,
    pub(crate) stalled_until: Option<Instant>,
    /// Bytes a second, and until when.
    pub(crate) slow: Option<(u64, Instant)>,
    pub(crate) lie: Option<(How, Instant)>,
}

impl Line {
    pub(crate) fn new(rates: Rates, seed: u64, now: Instant) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let next_cut = draw(&mut rng, rates.cut_every_s, now);
        let next_stall = draw(&mut rng, rates.stall_every_s, now);
        Self {
            rng,
            rates,
            ordered: Ordered::default(),
            next_cut,
            next_stall,
            stalled_until: None,
            slow: None,
            lie: None,
        }
    }

    pub(crate) fn fate(&mut self) -> Fate {
        let ordered = &mut self.ordered;
        let slots = [
            (&mut ordered.drop, Fate::Drop),
            (&mut ordered.repeat, Fate::Repeat),
            (&mut ordered.corrupt, Fate::Corrupt),
            (&mut ordered.hold, Fate::Hold),
        ];
        for (left, fate) in slots {
            if *left > 0 {
                *left -= 1;
                return fate;
            }
        }
        let rates = &self.rates;
        if rates.drop + rates.repeat + rates.corrupt + rates.reorder <= 0.0 {
            return Fate::Pass;
        }
        let mut drawn = self.rng.random::<f64>();
        for (chance, fate) in [
            (rates.drop, Fate::Drop),
            (rates.repeat, Fate::Repeat),
            (rates.corrupt, Fate::Corrupt),
            (rates.reorder, Fate::Hold),
        ] {
            if drawn < chance {
                return fate;
            }
            drawn -= chance;
        }
        Fate::Pass
    }

    /// Makes a frame that is not JSON any more: cut short, or with a control byte in it.
    pub(crate) fn damage(&mut self, payload: &mut Vec<u8>) {
        let length = payload.len();
        if length < 4 {
            return payload.clear();
        }
        if self.rng.random_bool(0.5) {
            payload.truncate(self.rng.random_range(1..length - 2));
        } else {
            payload[self.rng.random_range(1..length - 2)] = 0x01;
        }
    }

    /// Whether it is time to cut by itself.
    pub(crate) fn cut_is_due(&mut self, now: Instant) -> bool {
        self.next_cut.is_some_and(|due| due <= now)
    }

    /// Starts a stall when one is due, and forgets what is over.
    pub(crate) fn pass_time(&mut self, now: Instant) -> bool {
        self.stalled_until = self.stalled_until.filter(|until| *until > now);
        self.slow = self.slow.filter(|(_, until)| *until > now);
        self.lie = self.lie.filter(|(_, until)| *until > now);
        let starts = self.next_stall.is_some_and(|due| due <= now);
        if starts {
            self.stalled_until = Some(now + Duration::from_secs_f64(self.rates.stall_s));
            self.next_stall = draw(&mut self.rng, self.rates.stall_every_s, now);
        }
        starts
    }
}

/// The next moment of something that happens every `mean_s` seconds on average.
fn draw(rng: &mut ChaCha8Rng, mean_s: f64, now: Instant) -> Option<Instant> {
    if mean_s <= 0.0 {
        return None;
    }
    let wait = -mean_s * (1.0 - rng.random::<f64>()).ln();
    now.checked_add(Duration::from_secs_f64(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rates: Rates, seed: u64) -> Line {
        Line::new(rates, seed, crate::clock::now().at)
    }

    #[test]
    fn fates_come_as_often_as_told_and_orders_come_first() {
        let mut line = line(Rates { drop: 0.1, repeat: 0.05, ..Rates::default() }, 1);
        line.ordered.corrupt = 2;
        assert_eq!((line.fate(), line.fate()), (Fate::Corrupt, Fate::Corrupt));
        let fates: Vec<Fate> = (0..10_000).map(|_| line.fate()).collect();
        let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count();
        assert!((900..1100).contains(&count(Fate::Drop)), "{}", count(Fate::Drop));
        assert!((400..600).contains(&count(Fate::Repeat)), "{}", count(Fate::Repeat));
        assert_eq!(count(Fate::Corrupt) + count(Fate::Hold), 0);
    }

    #[test]
    fn a_damaged_frame_is_never_json() {
        let mut line = line(Rates::default(), 5);
        for _ in 0..2000 {
            let mut payload = b"{\"type\":\"trade\",\"sid\":1,\"msg\":{\"a\":[1,2]}}\n".to_vec();
            line.damage(&mut payload);
            let parsed = serde_json::from_slice::<serde_json::Value>(&payload);
            assert!(parsed.is_err(), "{}", String::from_utf8_lossy(&payload));
        }
    }
}
