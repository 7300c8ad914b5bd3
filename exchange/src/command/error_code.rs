//! The exchange's error codes by name, and which answer each of them calls for.

/// Not JSON, or fields of the wrong type.
pub const UNABLE_TO_PROCESS: u32 = 1;
/// The command has no params.
pub const PARAMS_REQUIRED: u32 = 2;
/// A subscribe without channels.
pub const CHANNELS_REQUIRED: u32 = 3;
/// An unsubscribe without sids.
pub const SUBSCRIPTION_IDS_REQUIRED: u32 = 4;
/// No such command.
pub const UNKNOWN_COMMAND: u32 = 5;
/// Retired: subscribing twice is no error since October 2025.
pub const ALREADY_SUBSCRIBED: u32 = 6;
/// The sid does not exist on this connection.
pub const UNKNOWN_SUBSCRIPTION_ID: u32 = 7;
/// No such channel.
pub const UNKNOWN_CHANNEL: u32 = 8;
/// The connection is not authenticated.
pub const AUTHENTICATION_REQUIRED: u32 = 9;
/// Terminal: the subscription is dead, the connection lives on.
pub const CHANNEL_ERROR: u32 = 10;
/// A parameter has a value that it may not have.
pub const INVALID_PARAMETER: u32 = 11;
/// An update_subscription names no sid or several.
pub const ONE_SUBSCRIPTION_ID_REQUIRED: u32 = 12;
/// The channel knows no such action.
pub const UNSUPPORTED_ACTION: u32 = 13;
/// An order-book subscribe without markets.
pub const MARKET_TICKER_REQUIRED: u32 = 14;
/// An update_subscription without action.
pub const ACTION_REQUIRED: u32 = 15;
/// Retired: no such market.
pub const MARKET_NOT_FOUND: u32 = 16;
/// Retired: the exchange failed.
pub const INTERNAL_ERROR: u32 = 17;
/// The exchange did not carry the command out in time.
pub const COMMAND_TIMEOUT: u32 = 18;
/// Terminal: we read too slowly, the subscription is dead.
pub const BUFFER_OVERFLOW: u32 = 25;
/// More markets than one subscription may have.
pub const MARKET_LIMIT_EXCEEDED: u32 = 26;
/// More commands than one subscription may get.
pub const TOO_MANY_REQUESTS: u32 = 27;

/// What to do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// The subscription is gone: subscribe again.
    Resubscribe,
    /// Ask for fewer markets.
    Smaller,
    /// Send commands less often.
    Slower,
    /// Send the same again, later.
    Retry,
    /// The connection is of no use: open another.
    Reconnect,
    /// One of the markets is not accepted: find out which.
    FewerMarkets,
    /// It will fail the same way every time.
    GiveUp,
}

/// What the code calls for. A code that we do not know is not tried again.
pub const fn remedy(code: u32) -> Remedy {
    match code {
        CHANNEL_ERROR | BUFFER_OVERFLOW | UNKNOWN_SUBSCRIPTION_ID => Remedy::Resubscribe,
        MARKET_LIMIT_EXCEEDED => Remedy::Smaller,
        TOO_MANY_REQUESTS => Remedy::Slower,
        COMMAND_TIMEOUT | INTERNAL_ERROR => Remedy::Retry,
        AUTHENTICATION_REQUIRED => Remedy::Reconnect,
        INVALID_PARAMETER | MARKET_TICKER_REQUIRED | MARKET_NOT_FOUND => Remedy::FewerMarkets,
        _ => Remedy::GiveUp,
    }
}

/// Whether the subscription that the error is about is dead.
pub const fn is_terminal(code: u32) -> bool {
    matches!(code, CHANNEL_ERROR | BUFFER_OVERFLOW)
}

/// What the exchange documents the code to mean.
pub const fn meaning(code: u32) -> &'static str {
    match code {
        UNABLE_TO_PROCESS => "unable to process message",
        PARAMS_REQUIRED => "params required",
        CHANNELS_REQUIRED => "channels required",
        SUBSCRIPTION_IDS_REQUIRED => "subscription ids required",
        UNKNOWN_COMMAND => "unknown command",
        ALREADY_SUBSCRIBED => "already subscribed",
        UNKNOWN_SUBSCRIPTION_ID => "unknown subscription id",
        UNKNOWN_CHANNEL => "unknown channel name",
        AUTHENTICATION_REQUIRED => "authentication required",
        CHANNEL_ERROR => "channel error",
        INVALID_PARAMETER => "invalid parameter",
        ONE_SUBSCRIPTION_ID_REQUIRED => "exactly one subscription id is required",
        UNSUPPORTED_ACTION => "unsupported action",
        MARKET_TICKER_REQUIRED => "market ticker required",
        ACTION_REQUIRED => "action required",
        MARKET_NOT_FOUND => "market not found",
        INTERNAL_ERROR => "internal error",
        COMMAND_TIMEOUT => "command timeout",
        19..=22 => "shard factor or shard key",
        23 => "match ids required",
        24 => "index ids required",
        BUFFER_OVERFLOW => "subscription buffer overflow",
        MARKET_LIMIT_EXCEEDED => "subscription market limit exceeded",
        TOO_MANY_REQUESTS => "too many requests",
        28 => "underlying tickers required",
        _ => "not documented",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_10_and_25_are_terminal_and_both_call_for_a_new_subscription() {
        let terminal: Vec<u32> = (0..100).filter(|code| is_terminal(*code)).collect();
        assert_eq!(terminal, [10, 25]);
        assert!(terminal.iter().all(|code| remedy(*code) == Remedy::Resubscribe));
        assert_eq!((remedy(26), remedy(27)), (Remedy::Smaller, Remedy::Slower));
        assert!((1..=28).all(|code| meaning(code) != "not documented"));
    }
}
