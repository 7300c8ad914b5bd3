//! The channels a client can subscribe to.

/// How many channels the exchange knows.
pub(crate) const CHANNELS: usize = 13;

const NAMES: [&str; CHANNELS] = [
    "orderbook_delta",
    "ticker",
    "trade",
    "market_lifecycle_v2",
    "multivariate_market_lifecycle",
    "fill",
    "market_positions",
    "communications",
    "order_group_updates",
    "user_orders",
    "cfbenchmarks_value",
    "cfbenchmarks_value_5hz",
    "pyth_value",
];

/// One channel; a connection has at most one subscription of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channel(usize);

impl Channel {
    pub(crate) const BOOK: Self = Self(0);
    pub(crate) const TICKER: Self = Self(1);
    pub(crate) const TRADE: Self = Self(2);
    pub(crate) const LIFECYCLE: Self = Self(3);
    pub(crate) const MULTIVARIATE: Self = Self(4);

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..CHANNELS).map(Self)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self.0]
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }

    /// Whether its messages can be narrowed to markets.
    pub(crate) fn filters_markets(self) -> bool {
        matches!(
            self.name(),
            "orderbook_delta" | "ticker" | "trade" | "fill" | "market_positions" | "user_orders"
        )
    }

    pub(crate) fn needs_indices(self) -> bool {
        self.name().starts_with("cfbenchmarks")
    }

    pub(crate) fn needs_underlyings(self) -> bool {
        self.name().starts_with("pyth")
    }
}
