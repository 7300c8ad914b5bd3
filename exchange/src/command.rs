//! The commands a client sends, as the JSON text of one frame, and what the error codes mean.
//!
//! `use_yes_price: true` is always sent for the order book: its default will flip, and every
//! connection must see the same scale.

pub mod error_code;

use serde::Serialize;

use crate::message::Channel;

#[derive(Serialize)]
struct Command<'a> {
    id: u64,
    cmd: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Params<'a>>,
}

#[derive(Serialize, Default)]
struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    market_tickers: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_yes_price: Option<bool>,
}

/// Subscribes one channel. No tickers means every market, which the order book does not allow.
pub fn subscribe(
    id: u64,
    channel: Channel,
    market_tickers: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    let market_tickers: Vec<_> = market_tickers.into_iter().collect();
    let tickers: Vec<&str> = market_tickers.iter().map(AsRef::as_ref).collect();
    let params = Params {
        channels: Some([channel.as_str()]),
        market_tickers: (!tickers.is_empty()).then_some(tickers),
        use_yes_price: (channel == Channel::OrderbookDelta).then_some(true),
        ..Params::default()
    };
    text(&Command { id, cmd: "subscribe", params: Some(params) })
}

/// Ends subscriptions; each is answered by an `unsubscribed`.
pub fn unsubscribe(id: u64, sids: &[u32]) -> String {
    let params = Params { sids: Some(sids), ..Params::default() };
    text(&Command { id, cmd: "unsubscribe", params: Some(params) })
}

/// Adds markets to a subscription; the answer is `ok` with the full list.
pub fn add_markets(
    id: u64,
    sid: u32,
    market_tickers: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    update(id, sid, "add_markets", market_tickers)
}

/// Takes markets out of a subscription; the answer is `ok` with the full list.
pub fn delete_markets(
    id: u64,
    sid: u32,
    market_tickers: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    update(id, sid, "delete_markets", market_tickers)
}

/// Asks for snapshots; the answers are `orderbook_snapshot` frames that carry `id`.
pub fn get_snapshot(
    id: u64,
    sid: u32,
    market_tickers: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    update(id, sid, "get_snapshot", market_tickers)
}

/// Asks which channels are subscribed.
pub fn list_subscriptions(id: u64) -> String {
    text(&Command { id, cmd: "list_subscriptions", params: None })
}

fn update(
    id: u64,
    sid: u32,
    action: &'static str,
    market_tickers: impl IntoIterator<Item = impl AsRef<str>>,
) -> String {
    let market_tickers: Vec<_> = market_tickers.into_iter().collect();
    let params = Params {
        sids: Some(&[sid]),
        market_tickers: Some(market_tickers.iter().map(AsRef::as_ref).collect()),
        action: Some(action),
        ..Params::default()
    };
    text(&Command { id, cmd: "update_subscription", params: Some(params) })
}

fn text(command: &Command<'_>) -> String {
    serde_json::to_string(command).expect("strings and integers always have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_the_exchange_documents_them() {
        let rows = [
            (
                subscribe(1, Channel::OrderbookDelta, ["A", "B\""]),
                r#"{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"],"market_tickers":["A","B\""],"use_yes_price":true}}"#,
            ),
            (
                subscribe(2, Channel::Trade, [] as [&str; 0]),
                r#"{"id":2,"cmd":"subscribe","params":{"channels":["trade"]}}"#,
            ),
            (
                unsubscribe(124, &[1, 2]),
                r#"{"id":124,"cmd":"unsubscribe","params":{"sids":[1,2]}}"#,
            ),
            (
                add_markets(3, 456, ["A"]),
                r#"{"id":3,"cmd":"update_subscription","params":{"sids":[456],"market_tickers":["A"],"action":"add_markets"}}"#,
            ),
            (
                delete_markets(4, 456, ["A"]),
                r#"{"id":4,"cmd":"update_subscription","params":{"sids":[456],"market_tickers":["A"],"action":"delete_markets"}}"#,
            ),
            (
                get_snapshot(5, 456, vec!["A".to_owned()]),
                r#"{"id":5,"cmd":"update_subscription","params":{"sids":[456],"market_tickers":["A"],"action":"get_snapshot"}}"#,
            ),
            (list_subscriptions(6), r#"{"id":6,"cmd":"list_subscriptions"}"#),
        ];
        for (text, expected) in rows {
            assert_eq!(text, expected);
        }
    }
}
