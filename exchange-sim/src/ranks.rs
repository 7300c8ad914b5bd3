//! How unevenly activity is spread over the markets.

/// Silent markets: one in this many never trades.
const SILENT_ONE_IN: usize = 12;

/// Running sums of the ranks' weights.
///
/// Zipf-like: rank r has weight 1/(r+1); the last twelfth has none.
pub(crate) fn weights(count: usize) -> Vec<u64> {
    let silent_from = count - count / SILENT_ONE_IN;
    let mut sum = 0;
    let each = (0..count).map(|rank| {
        if rank < silent_from {
            sum += 1_000_000 / (rank as u64 + 1);
        }
        sum
    });
    each.collect()
}

/// The weights behind running sums.
pub(crate) fn each(sums: &[u64]) -> Vec<u64> {
    let mut before = 0;
    sums.iter().map(|sum| sum - std::mem::replace(&mut before, *sum)).collect()
}

/// Running sums of weights.
pub(crate) fn sums(each: &[u64]) -> Vec<u64> {
    let mut sum = 0;
    let running = each.iter().map(|weight| {
        sum += weight;
        sum
    });
    running.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_their_sums_are_the_same_thing() {
        let running = weights(24);
        assert_eq!(sums(&each(&running)), running);
    }

    #[test]
    fn the_first_rank_is_the_busiest_and_the_last_ones_are_silent() {
        let sums = weights(24);
        assert_eq!(sums[0], 1_000_000);
        assert_eq!(sums[1] - sums[0], 500_000);
        assert_eq!(sums[21], sums[23]);
        assert!(sums[20] < sums[21]);
    }
}
