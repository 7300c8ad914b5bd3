//! Spaces requests evenly, so that a long repair leaves the account's budget to the gatherers.
//!
//! Pure: time is told.

/// When the next request may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    every_ns: u64,
    next_ns: u64,
}

impl Pace {
    pub(crate) fn per_second(requests: u32) -> Self {
        Self { every_ns: 1_000_000_000 / u64::from(requests.max(1)), next_ns: 0 }
    }

    /// Takes the next place; says how long to wait for it.
    pub(crate) fn take(&mut self, now_ns: u64) -> std::time::Duration {
        let at = self.next_ns.max(now_ns);
        self.next_ns = at + self.every_ns;
        std::time::Duration::from_nanos(at - now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spaced_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::per_second(4);
        let waits: Vec<u128> = [0, 0, 100_000_000, 5_000_000_000, 5_000_000_000]
            .map(|now| pace.take(now).as_millis())
            .to_vec();
        assert_eq!(waits, [0, 250, 400, 0, 250]);
    }
}
