//! What a session tells its driver.

use crate::message::Channel;

/// What the driver must do or may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this as a text message.
    Send(String),
    /// Close the socket and connect again: nothing more comes from this session.
    Reconnect {
        /// Why, for the log.
        because: &'static str,
    },
    /// Something to log, count or act upon.
    Event(SessionEvent),
}

/// What happened, for logs, counters and health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// A channel has a sid.
    Subscribed {
        /// The channel.
        channel: Channel,
        /// Its sid on this connection.
        sid: u32,
    },
    /// A whole book came.
    SnapshotSeen {
        /// The order-book subscription.
        sid: u32,
        /// The market.
        market_ticker: String,
    },
    /// `seq` jumped: messages of this sid are missing.
    Broken {
        /// The subscription.
        sid: u32,
        /// The `seq` that should have come.
        expected: u64,
        /// The `seq` that came.
        got: u64,
        /// Markets whose books are unsure until a fresh snapshot; 0 where no repair exists.
        markets: usize,
    },
    /// Every market of a broken or lost order-book subscription is covered again, or known to be
    /// unknown.
    Healed {
        /// The subscription, which may be a new one.
        sid: u32,
    },
    /// A message came twice and was dropped.
    Repeat {
        /// The subscription.
        sid: u32,
        /// Its `seq`.
        seq: u64,
    },
    /// The exchange ended a subscription; it is made again.
    SubscriptionLost {
        /// The subscription; 0 if it had none yet.
        sid: u32,
        /// The error code; 0 when it ended without one.
        code: u32,
    },
    /// The exchange refused a command. What can be done about it is done.
    CommandFailed {
        /// `subscribe`, `add_markets`, ...; `unknown` for an error that answers none of ours.
        command: &'static str,
        /// The exchange's code.
        code: u32,
        /// The exchange's text.
        msg: String,
        /// The markets of the command.
        market_tickers: Vec<String>,
    },
    /// No answer came in time; the command is sent again or the session ends.
    CommandUnanswered {
        /// `subscribe`, `add_markets`, ...
        command: &'static str,
    },
    /// The exchange does not know the market: not in its list, or no snapshot after asking twice.
    UnknownMarket {
        /// The market.
        market_ticker: String,
    },
    /// These markets cannot be had on this connection: try another, or another name.
    MarketsRefused {
        /// The error code.
        code: u32,
        /// The markets.
        market_tickers: Vec<String>,
    },
    /// A refresh that was asked for from outside was not answered.
    RefreshUnanswered {
        /// The markets still without a fresh snapshot.
        market_tickers: Vec<String>,
    },
    /// Sequenced messages come for a sid that is not ours; told once a sid.
    UnknownSid {
        /// The sid.
        sid: u32,
    },
}

/// How far a market has come on a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MarketState {
    /// Not asked for yet.
    Wanted,
    /// The command is under way.
    Subscribing,
    /// Subscribed, its book not yet sure.
    AwaitingSnapshot,
    /// Subscribed and covered.
    Live,
    /// The exchange does not know it.
    Unknown,
    /// The exchange does not let us have it here.
    Refused,
    /// Being taken out.
    Leaving,
}
