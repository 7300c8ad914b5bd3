//! The audit, and leases: one holder at a time.

use crate::{Action, Catalog, Lease, Leased, RecoveryFilter};

fn action(at_ms: i64, market: Option<&str>) -> Action {
    Action {
        at_ms,
        actor: "operator".to_owned(),
        action: if market.is_some() { "poll" } else { "report" }.to_owned(),
        market_ticker: market.map(str::to_owned),
        from_ms: Some(5),
        to_ms: None,
        dry_run: at_ms % 2 == 1,
        outcome: "ok".to_owned(),
        rows_written: 3,
        detail: "{}".to_owned(),
    }
}

pub(super) async fn audit(catalog: &Catalog) {
    let mut ids = Vec::new();
    for (at_ms, market) in [(1, Some("KXE-A")), (2, None), (3, Some("KXE-B")), (4, Some("KXE-A"))] {
        ids.push(catalog.record_recovery(&action(at_ms, market)).await.expect("writes"));
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let times = async |filter: RecoveryFilter| -> Vec<i64> {
        let found = catalog.recoveries(&filter).await.expect("reads");
        found.iter().map(|recovery| recovery.action.at_ms).collect()
    };
    let all = RecoveryFilter::default;
    assert_eq!(times(all()).await, [4, 3, 2, 1]);
    let market_ticker = Some("KXE-A".to_owned());
    assert_eq!(times(RecoveryFilter { market_ticker, ..all() }).await, [4, 1]);
    let of_action = RecoveryFilter { action: Some("report".to_owned()), ..all() };
    assert_eq!(times(of_action).await, [2]);
    assert_eq!(times(RecoveryFilter { since_ms: 3, ..all() }).await, [4, 3]);
    assert_eq!(times(RecoveryFilter { before_id: Some(ids[2]), limit: 1, ..all() }).await, [2]);
    let first = catalog.recoveries(&all()).await.expect("reads").pop().expect("four");
    assert_eq!(first.action, action(1, Some("KXE-A")));
}

pub(super) async fn leases(catalog: &Catalog) {
    let lease =
        |holder: &str, until_ms, token| Lease { holder: holder.to_owned(), until_ms, token };
    let take = async |holder: &str, now_ms, until_ms| {
        catalog.try_lease("writer", holder, now_ms, until_ms).await.expect("answers")
    };
    assert_eq!(take("a", 0, 10).await, Leased::Ours(lease("a", 10, 1)));
    assert_eq!(take("b", 5, 15).await, Leased::Theirs(lease("a", 10, 1)));
    assert_eq!(take("a", 6, 20).await, Leased::Ours(lease("a", 20, 1)), "extended");
    assert_eq!(take("b", 20, 30).await, Leased::Ours(lease("b", 30, 2)), "it was over");
    assert!(!catalog.release_lease("writer", "a").await.expect("answers"), "not a's any more");
    assert!(catalog.release_lease("writer", "b").await.expect("answers"));
    assert_eq!(catalog.lease("writer").await.expect("answers"), Some(lease("b", 0, 2)));
    assert_eq!(take("a", 21, 40).await, Leased::Ours(lease("a", 40, 3)));
    assert_eq!(
        take("a", 50, 60).await,
        Leased::Ours(lease("a", 60, 4)),
        "it may have been another's"
    );
    assert_eq!(catalog.lease("nobody's").await.expect("answers"), None);
}

pub(super) async fn one_of_many_gets_the_lease(catalog: &Catalog) {
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..8 {
        let catalog = catalog.clone();
        tries.spawn(async move {
            catalog.try_lease("contended", &format!("holder {n}"), 0, 1_000).await.expect("answers")
        });
    }
    let won =
        tries.join_all().await.into_iter().filter(|end| matches!(end, Leased::Ours(_))).count();
    assert_eq!(won, 1);
}
