//! Dealing markets out.

use super::*;

fn set(tickers: impl IntoIterator<Item = impl AsRef<str>>) -> Carried {
    tickers.into_iter().map(|ticker| Arc::from(ticker.as_ref())).collect()
}

fn numbered(count: usize) -> Carried {
    set((0..count).map(|number| format!("KXT-{number}")))
}

/// Every market of the spread, with how often it is carried.
fn carried(spread: &Spread) -> BTreeMap<Arc<str>, usize> {
    let mut carried = BTreeMap::new();
    for market in spread.by_connection.values().flatten() {
        *carried.entry(Arc::clone(market)).or_default() += 1;
    }
    carried
}

fn once_each(wanted: &Carried) -> BTreeMap<Arc<str>, usize> {
    wanted.iter().map(|market| (Arc::clone(market), 1)).collect()
}

#[test]
fn all_are_carried_once_evenly_and_alike_on_every_gatherer() {
    let wanted = numbered(2_000);
    let deal = || {
        let mut spread = Spread::new(500, true);
        let changes = spread.update(&wanted);
        assert_eq!(carried(&spread), once_each(&wanted));
        assert_eq!(changes, (0..4).map(|index| Change::Open { index }).collect::<Vec<_>>());
        spread.by_connection
    };
    let dealt = deal();
    assert_eq!(dealt, deal());
    assert!(dealt.values().all(|markets| markets.len() == 500));
}

#[test]
fn the_same_again_changes_nothing_and_new_ones_move_none() {
    let mut spread = Spread::new(4, true);
    spread.update(&numbered(7));
    assert_eq!(spread.update(&numbered(7)), []);
    let before = spread.home.clone();
    let changes = spread.update(&numbered(12));
    assert!(before.iter().all(|(market, index)| spread.home(market) == Some(*index)));
    assert_eq!(carried(&spread), once_each(&numbered(12)));
    let opened = changes.iter().filter(|change| matches!(change, Change::Open { .. })).count();
    assert_eq!((opened, spread.by_connection.len()), (1, 3));
}

#[test]
fn a_connection_ends_with_its_last_market_but_the_first_stays() {
    let mut spread = Spread::new(1, true);
    spread.update(&numbered(3));
    let changes = spread.update(&Carried::new());
    assert_eq!(
        changes,
        [Change::Close { index: 1 }, Change::Close { index: 2 }, Change::Carry { index: 0 }]
    );
    let mut fixed = Spread::new(1, false);
    fixed.update(&numbered(1));
    assert_eq!(fixed.update(&Carried::new()), [Change::Close { index: 0 }]);
}

#[test]
fn with_nothing_to_carry_the_first_connection_is_open_all_the_same() {
    let mut spread = Spread::new(4, true);
    assert_eq!(spread.update(&Carried::new()), [Change::Open { index: LIFECYCLE }]);
}

#[test]
fn new_markets_go_where_there_is_least_to_carry() {
    let mut spread = Spread::new(10, true);
    spread.update(&numbered(12));
    let loud = spread.carried(0).into_iter().map(|market| (Box::from(&*market), 600));
    let loud: Vec<_> = loud.collect();
    spread.counted(loud, 60.0);
    let more: Carried = numbered(12).into_iter().chain(set(["KXNEW-1", "KXNEW-2"])).collect();
    spread.update(&more);
    assert_eq!((spread.home("KXNEW-1"), spread.home("KXNEW-2")), (Some(1), Some(1)));
}

#[test]
fn what_the_exchange_refuses_goes_elsewhere_and_the_connection_is_full() {
    let mut spread = Spread::new(10, true);
    spread.update(&numbered(10));
    let refused: Vec<String> =
        spread.carried(0).iter().skip(6).map(|market| market.to_string()).collect();
    let changes = spread.refused(0, &refused);
    assert_eq!(changes, [Change::Carry { index: 0 }, Change::Open { index: 1 }]);
    assert_eq!((spread.carried(0).len(), spread.carried(1).len()), (6, 4));
    assert_eq!((spread.room(0), spread.room(1)), (0, 6));
    assert_eq!(carried(&spread), once_each(&numbered(10)));
    let all: Vec<String> = spread.carried(1).iter().map(ToString::to_string).collect();
    assert_eq!(spread.refused(1, &all), []);
}

#[test]
fn rates_fade_and_are_of_carried_markets_only() {
    let mut spread = Spread::new(10, true);
    spread.update(&numbered(2));
    spread.counted([(Box::from("KXT-0"), 600), (Box::from("KXGONE"), 600)], 60.0);
    assert_eq!(spread.loads(), BTreeMap::from([(0, 5.0)]));
    spread.counted([], 60.0);
    assert_eq!(spread.loads(), BTreeMap::from([(0, 2.5)]));
}
