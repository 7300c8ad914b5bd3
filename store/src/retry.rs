//! When to try a store again: pure arithmetic, no clock.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(15);

/// Capped exponential pauses between attempts at one batch.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Attempts {
    failed: u32,
}

impl Attempts {
    /// Counts a failure and says how long to wait before the next attempt.
    pub(crate) fn failed(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failed.min(16)).min(MOST);
        self.failed = self.failed.saturating_add(1);
        pause
    }

    /// How many attempts failed so far.
    pub(crate) fn count(self) -> u32 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let mut attempts = Attempts::default();
        let pauses: Vec<_> = (0..10).map(|_| attempts.failed().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000]);
        assert_eq!(attempts.count(), 10);
    }
}
