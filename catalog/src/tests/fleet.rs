//! Gatherers, sessions, names: what comes again changes nothing.

use uuid::Uuid;

use crate::{Catalog, MarketId};

pub(super) async fn gatherers_and_sessions(catalog: &Catalog) {
    let url = "http://10.0.0.1:7070";
    catalog.note_gatherer(("west", url, ""), false, 50).await.expect("writes");
    catalog.note_gatherer(("east", url, "1.0"), true, 100).await.expect("writes");
    catalog.note_gatherer(("east", url, ""), false, 200).await.expect("writes");
    let gatherers = catalog.gatherers().await.expect("reads");
    assert_eq!(gatherers.len(), 2);
    let east = &gatherers[0];
    assert_eq!((&*east.name, &*east.version, east.connected), ("east", "1.0", false));
    assert_eq!((east.first_seen_ms, east.last_seen_ms), (100, 200));

    let session = 1 << 32 | 1;
    for _ in 0..2 {
        catalog.open_session("east", session, 10, r#"{"markets":3}"#).await.expect("writes");
    }
    catalog.close_session("east", session, 20, "cut").await.expect("writes");
    catalog.close_session("east", session, 30, "later").await.expect("writes");
    catalog.open_session("east", session + 1, 40, "{}").await.expect("writes");
    // One whose beginning was never seen.
    catalog.close_session("west", 7, 35, "gone").await.expect("writes");
    let sessions = catalog.sessions(None, 10).await.expect("reads");
    let order: Vec<u64> = sessions.iter().map(|session| session.session).collect();
    assert_eq!(order, [session + 1, 7, session]);
    let first = &catalog.sessions(Some("east"), 10).await.expect("reads")[1];
    assert_eq!(
        (first.opened_ms, first.closed_ms, first.reason.as_deref()),
        (10, Some(20), Some("cut"))
    );
    assert_eq!(first.about, r#"{"markets":3}"#);
    assert_eq!(catalog.sessions(None, 1).await.expect("reads").len(), 1);
    assert!(catalog.open_session("east", u64::MAX, 1, "").await.is_err(), "beyond the column");
}

pub(super) async fn market_ids(catalog: &Catalog) {
    let id = |n: u32| MarketId {
        ticker: format!("KXE-{}", char::from(b'A' + u8::try_from(n).expect("small"))),
        market_id: Uuid::from_u128(0xabc + u128::from(n)),
        canonical_sid: n + 1,
    };
    catalog.note_market_ids(&[id(0), id(1), id(2)]).await.expect("writes");
    catalog.note_market_ids(&[id(1)]).await.expect("writes");
    catalog.note_market_ids(&[]).await.expect("nothing to do");
    let market = catalog.market("KXE-B").await.expect("reads").expect("is there");
    assert_eq!(market.market_id, Some(id(1).market_id));
}
