//! How far two clocks are apart, as far as one-way messages can tell. Pure.
//!
//! A message shows the way it took plus the difference of the clocks; the least of a while is the fastest way plus the
//! difference.

/// The least is that of the window before and of what has come since it ended.
const WINDOW_NS: u64 = 30_000_000_000;

/// The least difference seen lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Skew {
    now_ns: Option<i64>,
    before_ns: Option<i64>,
    since_mono_ns: u64,
}

impl Skew {
    /// A message that was stamped `there_ns` has arrived at `here_ns`.
    pub(crate) fn note(&mut self, here_ns: i64, there_ns: i64, mono_ns: u64) {
        self.turn(mono_ns);
        let apart = here_ns.saturating_sub(there_ns);
        self.now_ns = Some(self.now_ns.map_or(apart, |least| least.min(apart)));
    }

    /// The least of the last minute; `None`: nothing came.
    pub(crate) fn seconds(&mut self, mono_ns: u64) -> Option<f64> {
        self.turn(mono_ns);
        let least = self.now_ns.into_iter().chain(self.before_ns).min();
        least.map(|ns| ns as f64 / 1e9)
    }

    fn turn(&mut self, mono_ns: u64) {
        let passed_ns = mono_ns.saturating_sub(self.since_mono_ns);
        if passed_ns >= WINDOW_NS {
            let is_next = passed_ns < 2 * WINDOW_NS;
            self.before_ns = self.now_ns.take().filter(|_| is_next);
            self.since_mono_ns = mono_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_least_of_the_last_minute_counts() {
        let mut skew = Skew::default();
        assert_eq!(skew.seconds(0), None);
        skew.note(5_000_000_000, 4_000_000_000, SECOND);
        skew.note(5_000_000_000, 5_500_000_000, 2 * SECOND);
        assert_eq!(skew.seconds(3 * SECOND), Some(-0.5), "their clock is ahead");
        skew.note(40_000_000_000, 39_000_000_000, 31 * SECOND);
        assert_eq!(skew.seconds(31 * SECOND), Some(-0.5));
        assert_eq!(skew.seconds(62 * SECOND), Some(1.0));
        assert_eq!(skew.seconds(200 * SECOND), None, "nothing came for long");
    }
}
