//! How long to wait before trying again: exponential, capped, with full jitter.
//!
//! Pure: the randomness comes from a seed, so that a replay waits the same.

use std::time::Duration;

/// Delays that grow: the n-th is drawn evenly from zero to `first * 2^n`, at most `max`.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// The limit of the first delay is `first`, that of every delay `max`.
    pub const fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self { first, max, attempts: 0, random: seed }
    }

    /// How long to wait now. Every call raises the limit of the next.
    pub fn next_delay(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let limit = self.first.saturating_mul(doubled).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let part = u128::from(self.next_random()) * (u128::from(nanos) + 1);
        Duration::from_nanos(u64::try_from(part >> 64).unwrap_or(nanos))
    }

    /// How many delays were given since the start or the last reset.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts from `first` again: to be called when what failed has held for a stable time, not at
    /// its first success, or a connection that always dies young would be tried without pause.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// SplitMix64.
    const fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_stay_under_a_limit_that_doubles_and_is_capped(
            seed: u64,
            first_ms in 1u64..1000,
            max_ms in 1u64..100_000,
        ) {
            let (first, max) = (Duration::from_millis(first_ms), Duration::from_millis(max_ms));
            let mut backoff = Backoff::new(first, max, seed);
            let mut same = backoff.clone();
            for attempt in 0..70 {
                let limit = first.saturating_mul(1 << attempt.min(31)).min(max);
                let delay = backoff.next_delay();
                prop_assert!(delay <= limit);
                prop_assert_eq!(delay, same.next_delay());
            }
            backoff.reset();
            prop_assert!(backoff.next_delay() <= first.min(max));
        }
    }

    #[test]
    fn jitter_is_full() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second, 7);
        let delays: Vec<_> = (0..1000).map(|_| backoff.next_delay()).collect();
        let mean = delays.iter().sum::<Duration>() / 1000;
        assert!(delays.iter().any(|delay| *delay < second / 20));
        assert!(delays.iter().any(|delay| *delay > second / 20 * 19));
        assert!(mean > second * 9 / 20 && mean < second * 11 / 20, "{mean:?}");
    }
}
