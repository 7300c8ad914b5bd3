//! How often the exchange's REST interface may be asked: this gatherer's part of the account's token bucket, and the
//! silence after "too many requests". Pure.

use std::time::Duration;

use exchange::{Backoff, Moment, rest::Bucket};

/// What a request costs unless the exchange says otherwise; nothing that we ask for does.
const COST: f64 = 10.0;

/// What the smallest account may spend, until the exchange has said what ours may.
const BASIC: Bucket = Bucket { refill_rate: 200, bucket_capacity: 200 };

/// Limits of the silence after a 429: the exchange gives no hint how long.
const SILENCE_FIRST: Duration = Duration::from_millis(500);
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// After this long without a 429 silences start small again.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// One gatherer's part of the account's read bucket.
#[derive(Debug)]
pub(crate) struct Budget {
    percent: u64,
    per_sec: f64,
    capacity: f64,
    left: f64,
    filled_at: Moment,
    silent_until: Moment,
    refused_at: Option<Moment>,
    backoff: Backoff,
}

impl Budget {
    /// `percent` of the account: the fleet shares one, and an operator wants some of it too.
    pub(crate) fn new(percent: u64, seed: u64) -> Self {
        let mut budget = Self {
            percent,
            per_sec: 0.0,
            capacity: 0.0,
            left: 0.0,
            filled_at: Moment::default(),
            silent_until: Moment::default(),
            refused_at: None,
            backoff: Backoff::new(SILENCE_FIRST, SILENCE_MAX, seed),
        };
        budget.set(BASIC);
        budget.left = budget.capacity;
        budget
    }

    /// The account may spend this much.
    pub(crate) fn set(&mut self, account: Bucket) {
        let part = |of: u64| of.saturating_mul(self.percent) as f64 / 100.0;
        self.per_sec = part(account.refill_rate).max(1.0);
        self.capacity = part(account.bucket_capacity).max(COST);
        self.left = self.left.min(self.capacity);
    }

    /// How long to wait before the next request; zero: it is paid for, ask now.
    pub(crate) fn pay(&mut self, now: Moment) -> Duration {
        if now < self.silent_until {
            return self.silent_until.since(now);
        }
        let refill = now.since(self.filled_at).as_secs_f64() * self.per_sec;
        self.left = (self.left + refill).min(self.capacity);
        self.filled_at = now;
        if self.left >= COST {
            self.left -= COST;
            return Duration::ZERO;
        }
        // A millisecond more than exact, so that rounding never asks a hair too early.
        Duration::from_secs_f64((COST - self.left) / self.per_sec) + Duration::from_millis(1)
    }

    /// The exchange said "too many requests": the bucket is empty, and nobody asks for a while.
    pub(crate) fn refused(&mut self, now: Moment) -> Duration {
        if self.refused_at.is_none_or(|at| at.plus(STABLE_AFTER) <= now) {
            self.backoff.reset();
        }
        self.refused_at = Some(now);
        let silence = SILENCE_FIRST / 2 + self.backoff.next_delay();
        self.silent_until = self.silent_until.max(now.plus(silence));
        // It fills when the silence is over: the others of the account have theirs meanwhile.
        (self.left, self.filled_at) = (0.0, self.silent_until);
        self.silent_until.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn no_more_is_spent_than_the_part_of_the_bucket() {
        let mut budget = Budget::new(25, 1);
        budget.set(Bucket { refill_rate: 200, bucket_capacity: 400 });
        let mut asked = 0;
        let (mut now, end) = (at(0), at(60_000));
        while now < end {
            match budget.pay(now) {
                Duration::ZERO => asked += 1,
                wait => now = now.plus(wait),
            }
        }
        // A quarter of 200 tokens a second for a minute, and what was there at first.
        assert!((300..=306).contains(&asked), "{asked} requests");
    }

    #[test]
    fn after_a_429_nobody_asks_for_longer_each_time() {
        let mut budget = Budget::new(100, 7);
        let mut now = at(1_000);
        let mut longest = Duration::ZERO;
        for _ in 0..12 {
            let silence = budget.refused(now);
            assert!(silence >= SILENCE_FIRST / 2 && budget.pay(now) == silence, "{silence:?}");
            longest = longest.max(silence);
            now = now.plus(silence);
            assert!(budget.pay(now) > Duration::ZERO, "the bucket is empty after a 429");
        }
        assert!(longest > Duration::from_secs(5), "{longest:?}");
        let calm = budget.refused(now.plus(STABLE_AFTER));
        assert!(calm <= SILENCE_FIRST * 2, "{calm:?}");
    }

    #[test]
    fn the_smallest_part_still_asks() {
        let mut budget = Budget::new(1, 1);
        budget.set(Bucket { refill_rate: 1, bucket_capacity: 1 });
        assert!(budget.pay(at(60_000)) == Duration::ZERO);
        let wait = budget.pay(at(60_000));
        assert!(wait <= Duration::from_secs(11), "{wait:?}");
    }
}
