//! A counter's past, a sample a second: how much it grew over the last so many seconds.

use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Past(VecDeque<u64>);

impl Past {
    /// Adds a sample, forgets what is older than `kept`.
    pub(crate) fn add(&mut self, value: u64, kept: usize) {
        self.0.push_back(value);
        while self.0.len() > kept + 1 {
            self.0.pop_front();
        }
    }

    /// How much it grew over the last `samples`, and over how many in fact.
    pub(crate) fn growth(&self, samples: usize) -> (u64, usize) {
        let over = samples.min(self.0.len().saturating_sub(1));
        let newest = self.0.back().copied().unwrap_or(0);
        let oldest = self.0.iter().rev().nth(over).copied().unwrap_or(newest);
        (newest.saturating_sub(oldest), over)
    }

    /// Growth a second over the last `samples`.
    pub(crate) fn per_second(&self, samples: usize) -> f64 {
        let (growth, over) = self.growth(samples);
        if over == 0 { 0.0 } else { growth as f64 / over as f64 }
    }

    /// Growth from each sample to the next, the oldest first.
    pub(crate) fn steps(&self) -> Vec<u64> {
        let later = self.0.iter().skip(1);
        self.0.iter().zip(later).map(|(from, to)| to.saturating_sub(*from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_over_what_is_remembered() {
        let mut past = Past::default();
        for value in [0, 10, 20, 60] {
            past.add(value, 2);
        }
        assert_eq!(past.growth(300), (50, 2));
        assert_eq!(past.growth(1), (40, 1));
        assert_eq!(past.steps(), [10, 40]);
        assert_eq!(past.per_second(2), 25.0);
        assert_eq!(Past::default().per_second(5), 0.0);
    }
}
