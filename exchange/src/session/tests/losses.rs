//! What a session does when messages or subscriptions are lost.

use std::time::Duration;

use proptest::prelude::*;

use super::venue::Pair;
use crate::{
    Channel, Input, MarketState, Moment, Output, Session, SessionConfig, SessionEvent, decode_bytes,
};

const SECOND: Duration = Duration::from_secs(1);

fn is_healed(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Healed { .. })
}

#[test]
fn a_break_is_healed_by_snapshots_of_every_market() {
    let mut pair = Pair::of_books(5, 2).opened();
    pair.venue.delta("M000");
    pair.settle();
    pair.events.clear();
    pair.commands.clear();
    pair.venue.lose_one("M001");
    pair.venue.lose_one("M001");
    pair.venue.delta("M002");
    pair.settle();
    let broken = SessionEvent::Broken { sid: 1, expected: 9, got: 11, markets: 5 };
    assert_eq!(pair.events[0], broken);
    assert_eq!(
        pair.sent(),
        ["get_snapshot M000,M001", "get_snapshot M002,M003", "get_snapshot M004"]
    );
    assert_eq!(pair.events.last(), Some(&SessionEvent::Healed { sid: 1 }));
    assert_eq!(pair.count(MarketState::Live), 5);
}

#[test]
fn a_break_while_healing_begins_again() {
    let mut pair = Pair::of_books(3, 10).opened();
    pair.venue.deaf_to.insert("get_snapshot");
    pair.venue.lose_one("M000");
    pair.venue.delta("M000");
    pair.settle();
    assert_eq!(pair.count(MarketState::AwaitingSnapshot), 3);
    pair.venue.deaf_to.clear();
    pair.venue.lose_one("M000");
    pair.venue.delta("M000");
    pair.settle();
    pair.wait(SECOND * 2);
    let breaks = |event: &&SessionEvent| matches!(event, SessionEvent::Broken { markets: 3, .. });
    assert_eq!(pair.events.iter().filter(breaks).count(), 2);
    assert_eq!(pair.events.iter().filter(|event| is_healed(event)).count(), 1);
    let asked: Vec<_> = pair.sent().into_iter().filter(|sent| sent.starts_with("get_")).collect();
    assert_eq!(asked, ["get_snapshot M000,M001,M002"; 2]);
    assert_eq!(pair.count(MarketState::Live), 3);
}

#[test]
fn unanswered_or_refused_snapshots_lead_to_a_new_subscription() {
    for refused in [false, true] {
        let mut pair = Pair::of_books(3, 10).opened();
        if refused {
            pair.venue.errors = [13].into();
        } else {
            pair.venue.deaf_to.insert("get_snapshot");
        }
        pair.commands.clear();
        pair.venue.lose_one("M000");
        pair.venue.delta("M000");
        pair.settle();
        pair.wait(SECOND * 15);
        let all = "M000,M001,M002";
        let expected =
            [format!("get_snapshot {all}"), "unsubscribe ".into(), format!("subscribe {all}")];
        assert_eq!(pair.sent(), expected);
        assert_eq!(pair.events.last(), Some(&SessionEvent::Healed { sid: 2 }));
        assert_eq!((pair.count(MarketState::Live), pair.reconnect), (3, None));
    }
}

#[test]
fn a_market_that_never_answers_does_not_keep_the_others_from_healing() {
    let mut pair = Pair::of_books(3, 10).opened();
    pair.venue.unknown.insert("M001".into());
    pair.venue.lose_one("M000");
    pair.venue.delta("M000");
    pair.settle();
    pair.wait(SECOND * 120);
    assert!(pair.has(is_healed));
    let unknown = SessionEvent::UnknownMarket { market_ticker: "M001".into() };
    assert_eq!(pair.events.iter().filter(|event| **event == unknown).count(), 1);
    let subscribed = pair.sent().iter().filter(|sent| sent.starts_with("subscribe")).count();
    assert_eq!((subscribed, pair.count(MarketState::Live)), (2, 2), "{:?}", pair.sent());
}

#[test]
fn terminal_errors_bring_a_new_subscription_with_a_new_sid() {
    for code in [10, 25] {
        let mut pair = Pair::of_books(4, 2).opened();
        pair.venue.kill("orderbook_delta", code);
        pair.settle();
        pair.wait(SECOND);
        assert!(pair.events.contains(&SessionEvent::SubscriptionLost { sid: 1, code }));
        assert_eq!(pair.events.last(), Some(&SessionEvent::Healed { sid: 2 }));
        assert_eq!((pair.count(MarketState::Live), pair.reconnect), (4, None));
        assert!(!pair.has(|event| matches!(event, SessionEvent::Broken { .. })));
    }
}

#[test]
fn subscriptions_that_die_again_and_again_are_made_ever_more_slowly() {
    let mut pair = Pair::of_books(1, 2).opened();
    for _ in 0..40 {
        pair.venue.kill("orderbook_delta", 25);
        pair.settle();
        while pair.venue.subscriptions.is_empty() {
            assert_eq!(pair.reconnect, None);
            pair.wait(SECOND / 10);
        }
    }
    let took = pair.now.since(Moment::from_nanos(1_000_000_000_000));
    assert!(took > SECOND * 120, "forty subscriptions within {took:?}");
}

#[test]
fn a_repeat_is_dropped() {
    let mut pair = Pair::of_books(1, 2).opened();
    pair.venue.delta("M000");
    let copy = pair.venue.wire[0].clone();
    pair.venue.wire.push_back(copy);
    pair.venue.delta("M000");
    pair.settle();
    assert_eq!(pair.events.last(), Some(&SessionEvent::Repeat { sid: 1, seq: 2 }));
    assert!(!pair.has(|event| matches!(event, SessionEvent::Broken { .. })));
}

#[test]
fn a_jump_on_the_tape_is_told_and_nothing_is_sent() {
    let channels = vec![Channel::OrderbookDelta, Channel::Trade];
    let market_tickers = vec!["M000".into()];
    let config = SessionConfig { market_tickers, channels, ..SessionConfig::default() };
    let mut pair = Pair::new(config).opened();
    pair.venue.trade("M000");
    pair.venue.trade("M000");
    pair.venue.wire.pop_front();
    let before = pair.commands.len();
    pair.settle();
    let broken = SessionEvent::Broken { sid: 2, expected: 1, got: 2, markets: 0 };
    assert_eq!(pair.events.last(), Some(&broken));
    assert_eq!((pair.commands.len(), pair.count(MarketState::Live)), (before, 1));
}

#[test]
fn a_silent_connection_is_given_up_after_25_seconds() {
    let mut pair = Pair::of_books(1, 2).opened();
    pair.wait(SECOND * 300);
    assert_eq!(pair.reconnect, None, "pings are signs of life");
    let heard = pair.now;
    pair.session.handle(Input::Heard, heard);
    assert_eq!(pair.session.next_timeout(), Some(heard.plus(SECOND * 25)));
    pair.session.handle_timeout(heard.plus(Duration::from_millis(24_999)));
    assert_eq!(pair.session.poll(), None);
    pair.session.handle_timeout(heard.plus(SECOND * 25));
    let Some(Output::Reconnect { because }) = pair.session.poll() else { panic!() };
    assert_eq!(because, "the exchange fell silent");
    pair.session.handle(Input::AddMarkets(vec!["X".into()]), heard);
    assert_eq!((pair.session.poll(), pair.session.next_timeout()), (None, None));
}

#[test]
fn a_strange_sid_is_told_once() {
    let mut pair = Pair::of_books(1, 2).opened();
    for seq in 5..9 {
        let text = format!(r#"{{"type":"unsubscribed","sid":77,"seq":{seq}}}"#);
        pair.venue.wire.push_back(text);
    }
    pair.settle();
    assert_eq!(pair.events.last(), Some(&SessionEvent::UnknownSid { sid: 77 }));
    let strange = |event: &&SessionEvent| matches!(event, SessionEvent::UnknownSid { .. });
    assert_eq!(pair.events.iter().filter(strange).count(), 1);
}

proptest! {
    #[test]
    fn whatever_is_lost_every_market_is_live_in_the_end(
        seed: u64,
        batch in 1usize..6,
        steps in proptest::collection::vec(0u8..9, 1..60),
    ) {
        let mut pair = Pair::of_books(7, batch);
        pair.session = Session::new(SessionConfig {
            seed,
            market_tickers: super::venue::tickers(7),
            subscribe_batch: batch,
            ..SessionConfig::default()
        });
        let mut pair = pair.opened();
        for step in steps {
            let alive = pair.venue.subscriptions.contains_key("orderbook_delta");
            match step {
                0 | 1 if alive => pair.venue.lose_one("M000"),
                2 | 3 if alive => pair.venue.delta("M001"),
                4 if alive => pair.venue.kill("orderbook_delta", 25),
                5 => pair.venue.errors.push_back(27),
                6 => { pair.venue.deaf_to.insert("get_snapshot"); }
                7 => pair.venue.deaf_to.clear(),
                _ => pair.wait(SECOND * 3),
            }
            pair.settle();
        }
        pair.venue.deaf_to.clear();
        pair.venue.errors.clear();
        pair.wait(SECOND * 200);
        prop_assert_eq!(pair.reconnect, None);
        pair.venue.delta("M000");
        pair.settle();
        pair.wait(SECOND * 200);
        prop_assert_eq!(pair.reconnect, None);
        prop_assert_eq!(pair.count(MarketState::Live), 7, "{:?} {:?}", pair.sent(), pair.session);
    }

    #[test]
    fn no_sequence_of_frames_panics(
        frames in proptest::collection::vec((0u8..8, 0u32..3, 0u64..9, 0u64..9, 0u32..30), 0..60),
    ) {
        let mut pair = Pair::of_books(3, 2);
        pair.session.handle(Input::Opened, pair.now);
        for (kind, sid, seq, id, code) in frames {
            let head = format!(r#""sid":{sid},"seq":{seq},"id":{id}"#);
            let text = match kind {
                0 => format!(r#"{{"type":"unsubscribed",{head}}}"#),
                1 => format!(r#"{{"type":"ok",{head}}}"#),
                2 => format!(r#"{{"type":"ok",{head},"msg":{{"market_tickers":["M001"]}}}}"#),
                3 => format!(r#"{{"type":"error",{head},"msg":{{"code":{code},"msg":""}}}}"#),
                4 => format!(r#"{{"type":"error","id":{id},"msg":{{"code":{code},"msg":""}}}}"#),
                5 => format!(
                    r#"{{"type":"orderbook_snapshot",{head},"msg":{{"market_ticker":"M000","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001"}}}}"#
                ),
                6 => format!(
                    r#"{{"type":"subscribed","id":{id},"msg":{{"channel":"orderbook_delta","sid":{sid}}}}}"#
                ),
                _ => r#"{"type":"hello"}"#.to_owned(),
            };
            pair.session.handle(Input::Frame(&decode_bytes(text.as_bytes()).unwrap()), pair.now);
            pair.now = pair.now.plus(Duration::from_millis(700));
            pair.session.handle_timeout(pair.now);
            while pair.session.poll().is_some() {}
        }
    }
}
