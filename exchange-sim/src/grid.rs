//! The prices a market allows: the price level structures and their ticks.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::decimal::{DOLLAR, price_text};

/// A price level structure of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structure {
    Linear,
    Deci,
    TaperedDeci,
}

/// A band of prices: start, end, step.
pub(crate) type Range = (u16, u16, u16);

impl Structure {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Linear, Self::Deci, Self::TaperedDeci];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear_cent",
            Self::Deci => "deci_cent",
            Self::TaperedDeci => "tapered_deci_cent",
        }
    }

    pub(crate) fn ranges(self) -> &'static [Range] {
        match self {
            Self::Linear => &[(0, DOLLAR, 100)],
            Self::Deci => &[(0, DOLLAR, 10)],
            Self::TaperedDeci => &[(0, 1000, 10), (1000, 9000, 100), (9000, DOLLAR, 10)],
        }
    }

    /// Every price a level may have, ascending.
    pub(crate) fn grid(self) -> &'static [u16] {
        static GRIDS: [OnceLock<Vec<u16>>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        GRIDS[self as usize].get_or_init(|| {
            let prices = self.ranges().iter().flat_map(|(start, end, step)| {
                (*start..*end).step_by(usize::from(*step)).filter(|price| *price > 0)
            });
            prices.collect()
        })
    }

    /// `price_ranges` of REST and of the lifecycle channel.
    pub(crate) fn ranges_json(self) -> Value {
        let bands = self.ranges().iter().map(|(start, end, step)| {
            json!({"start": price_text(*start), "end": price_text(*end), "step": price_text(*step)})
        });
        bands.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_follow_their_ranges() {
        assert_eq!(Structure::Linear.grid().len(), 99);
        assert_eq!(Structure::Deci.grid().len(), 999);
        let tapered = Structure::TaperedDeci.grid();
        assert_eq!(tapered.len(), 99 + 80 + 100);
        assert!(tapered.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(tapered.contains(&990) && tapered.contains(&9010) && !tapered.contains(&5010));
    }
}
