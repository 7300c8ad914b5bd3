//! How markets come onto a connection, and what a venue may refuse on the way.

use std::time::Duration;

use super::venue::{Pair, tickers};
use crate::{Channel, Input, MarketState, SessionConfig, SessionEvent, decode};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn markets_are_subscribed_in_batches_each_after_the_ack_of_the_last() {
    let mut pair = Pair::of_books(5, 2);
    assert_eq!(pair.session.next_timeout(), None);
    assert_eq!(pair.count(MarketState::Wanted), 5);
    pair = pair.opened();
    assert_eq!(pair.sent(), ["subscribe M000,M001", "add_markets M002,M003", "add_markets M004"]);
    assert_eq!(pair.count(MarketState::Live), 5);
    let subscribed = SessionEvent::Subscribed { channel: Channel::OrderbookDelta, sid: 1 };
    assert_eq!(pair.events[0], subscribed);
    let seen = |event: &&SessionEvent| matches!(event, SessionEvent::SnapshotSeen { .. });
    assert_eq!(pair.events.iter().filter(seen).count(), 5);
    assert_eq!(pair.events.len(), 6, "nothing else happened: {:?}", pair.events);
}

#[test]
fn each_channel_has_one_sid_and_acks_may_come_in_any_order() {
    let channels = Channel::ALL.to_vec();
    let config = SessionConfig {
        market_tickers: tickers(3),
        channels,
        tape_of_all_markets: true,
        ..SessionConfig::default()
    };
    let mut pair = Pair::new(config);
    pair.session.handle(Input::Opened, pair.now);
    let mut sent = Vec::new();
    while let Some(crate::Output::Send(text)) = pair.session.poll() {
        sent.push(text);
    }
    assert_eq!(sent.len(), 5);
    assert!(sent[1].contains(r#""channels":["trade"]"#) && !sent[1].contains("market_tickers"));
    for (sid, id) in [(1, 5), (2, 2), (3, 1), (4, 4), (5, 3)] {
        let channel = Channel::ALL[id - 1].as_str();
        let ack = format!(
            r#"{{"type":"subscribed","id":{id},"msg":{{"channel":"{channel}","sid":{sid}}}}}"#
        );
        pair.session.handle(Input::Frame(&decode(&ack).unwrap()), pair.now);
    }
    pair.settle();
    assert!(pair.events.contains(&SessionEvent::Subscribed { channel: Channel::Trade, sid: 2 }));
    assert_eq!(pair.events.len(), 5);
    assert_eq!(pair.count(MarketState::AwaitingSnapshot), 3);
}

#[test]
fn a_market_is_carried_only_when_every_channel_has_it_and_its_book_is_there() {
    let config = SessionConfig {
        market_tickers: tickers(1),
        channels: vec![Channel::OrderbookDelta, Channel::Trade, Channel::MarketLifecycle],
        ..SessionConfig::default()
    };
    let mut pair = Pair::new(config);
    pair.session.handle(Input::Opened, pair.now);
    let subscribed = |id: usize, channel: &str| {
        format!(r#"{{"type":"subscribed","id":{id},"msg":{{"channel":"{channel}","sid":{id}}}}}"#)
    };
    let snapshot = r#"{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"M000","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","clock":1}}"#;
    let steps = [subscribed(1, "orderbook_delta"), snapshot.to_owned(), subscribed(2, "trade")];
    let mut carried = Vec::new();
    for frame in &steps {
        carried.push(pair.session.carries("M000"));
        pair.session.handle(Input::Frame(&decode(frame).unwrap()), pair.now);
    }
    assert_eq!((carried, pair.session.carries("M000")), (vec![false; 3], true));
    assert!(!pair.session.carries("X"));
    pair.session.handle(Input::RemoveMarkets(vec!["M000".into()]), pair.now);
    assert!(!pair.session.carries("M000"));
}

#[test]
fn markets_come_and_go_while_the_connection_lives() {
    let mut pair = Pair::of_books(2, 10).opened();
    pair.input(Input::AddMarkets(vec!["M000".into(), "X".into()]));
    assert_eq!(pair.sent().last().unwrap(), "add_markets X");
    pair.input(Input::RemoveMarkets(vec!["M000".into(), "never".into()]));
    assert_eq!(pair.sent().last().unwrap(), "delete_markets M000");
    let left: Vec<_> = pair.session.markets().collect();
    assert_eq!(left, [("M001", MarketState::Live), ("X", MarketState::Live)]);
    pair.input(Input::Refresh(vec!["X".into()]));
    assert_eq!(pair.sent().last().unwrap(), "get_snapshot X");
    assert!(!pair.has(|event| matches!(event, SessionEvent::Broken { .. })));
}

#[test]
fn a_market_limit_makes_batches_smaller_and_refuses_what_does_not_fit() {
    let mut pair = Pair::of_books(20, 8);
    pair.venue.markets_max = Some(10);
    let mut pair = pair.opened();
    pair.wait(SECOND * 60);
    assert_eq!((pair.count(MarketState::Live), pair.count(MarketState::Refused)), (10, 10));
    assert!(pair.has(|event| matches!(event,
        SessionEvent::MarketsRefused { code: 26, market_tickers } if market_tickers.len() == 10)));
    let before = pair.commands.len();
    pair.venue.markets_max = None;
    let more = (0..4).map(|number| format!("X{number}")).collect();
    pair.input(Input::AddMarkets(more));
    assert_eq!(pair.commands.len() - before, 4, "the small batch is remembered: {:?}", pair.sent());
}

#[test]
fn too_many_requests_are_answered_by_growing_pauses() {
    let mut pair = Pair::of_books(40, 1);
    pair.venue.errors = [27; 6].into();
    let mut pair = pair.opened();
    assert_eq!(pair.commands.len(), 1, "no second command at once");
    pair.wait(SECOND * 5);
    let early = pair.commands.len();
    assert!(early > 1 && early < 20, "{early} commands in five seconds");
    pair.wait(SECOND * 600);
    assert_eq!((pair.count(MarketState::Live), pair.reconnect), (40, None));
}

#[test]
fn one_bad_market_is_found_and_the_others_live() {
    let mut pair = Pair::of_books(8, 8);
    pair.venue.errors = [11, 11, 11, 11].into();
    let mut pair = pair.opened();
    pair.wait(SECOND * 60);
    assert_eq!((pair.count(MarketState::Live), pair.count(MarketState::Refused)), (7, 1));
}

#[test]
fn a_command_timeout_is_tried_again_and_then_the_connection_is_given_up() {
    let mut pair = Pair::of_books(2, 8);
    pair.venue.errors = [18].into();
    let mut pair = pair.opened();
    pair.wait(SECOND * 5);
    assert_eq!(pair.count(MarketState::Live), 2);

    let mut pair = Pair::of_books(2, 8);
    pair.venue.deaf_to.insert("subscribe");
    let mut pair = pair.opened();
    pair.wait(SECOND * 19);
    assert_eq!((pair.commands.len(), pair.reconnect), (2, None));
    pair.wait(SECOND * 2);
    assert_eq!(pair.reconnect, Some("a command stayed without answer"));
    assert_eq!(pair.session.next_timeout(), None);
}

#[test]
fn an_unknown_market_is_told_and_is_not_fatal() {
    for listed in [true, false] {
        let mut pair = Pair::of_books(4, 2);
        pair.venue.unknown.insert("M003".into());
        pair.venue.lists_unknown = listed;
        let mut pair = pair.opened();
        pair.wait(SECOND * 60);
        let unknown = SessionEvent::UnknownMarket { market_ticker: "M003".into() };
        assert_eq!(pair.events.iter().filter(|event| **event == unknown).count(), 1);
        assert_eq!((pair.count(MarketState::Live), pair.reconnect), (3, None));
    }
}

#[test]
fn without_authentication_there_is_only_another_connection() {
    let mut pair = Pair::of_books(2, 8);
    pair.venue.errors = [9].into();
    let pair = pair.opened();
    assert_eq!(pair.reconnect, Some("the connection is not authenticated"));
}
