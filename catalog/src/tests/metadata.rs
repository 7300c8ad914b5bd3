//! Metadata: versions, pages, and what does not make a version.

use crate::{Catalog, Changes, EventMeta, Kind, MarketFilter, MarketMeta, SeriesMeta};

fn market(ticker: &str, status: &str) -> MarketMeta {
    MarketMeta {
        ticker: ticker.to_owned(),
        event_ticker: "KXE".to_owned(),
        status: status.to_owned(),
        open_ms: Some(1),
        close_ms: None,
        result: None,
        body: format!(r#"{{"status":"{status}","title":"'quoted' \"öé\" {ticker}"}}"#),
    }
}

pub(super) async fn versions(catalog: &Catalog) {
    let first = [market("KXE-A", "active"), market("KXE-B", "active")];
    let changes = catalog.upsert_markets(&first, 1_000).await.expect("writes");
    assert_eq!(changes, Changes { new: 2, changed: 0 });
    let changes = catalog.upsert_markets(&first, 2_000).await.expect("writes");
    assert_eq!(changes, Changes::default(), "the same metadata are no version");
    let mut closed = market("KXE-A", "closed");
    closed.close_ms = Some(2_500);
    closed.result = Some("yes".to_owned());
    let changes =
        catalog.upsert_markets(std::slice::from_ref(&closed), 3_000).await.expect("writes");
    assert_eq!(changes, Changes { new: 0, changed: 1 });
    let stored = catalog.market("KXE-A").await.expect("reads").expect("is there").stored;
    assert_eq!((stored.version, stored.first_seen_ms, stored.changed_ms), (2, 1_000, 3_000));
    assert_eq!(stored.meta, closed);
    let history = catalog.history(Kind::Market, "KXE-A").await.expect("reads");
    let times: Vec<_> = history.iter().map(|version| (version.version, version.from_ms)).collect();
    assert_eq!(times, [(1, 1_000), (2, 3_000)]);
    assert_eq!((&*history[0].body, &*history[1].body), (&*first[0].body, &*closed.body));
    assert!(catalog.history(Kind::Event, "KXE-A").await.expect("reads").is_empty());
    assert_eq!(catalog.market("KXE-Z").await.expect("reads"), None);
}

pub(super) async fn pages(catalog: &Catalog) {
    let event = EventMeta {
        ticker: "KXE".to_owned(),
        series_ticker: "KX".to_owned(),
        title: Some("What?".to_owned()),
        category: None,
        body: "{}".to_owned(),
    };
    let other =
        EventMeta { ticker: "KYE".to_owned(), series_ticker: "KY".to_owned(), ..event.clone() };
    catalog.upsert_events(&[event.clone(), other], 1).await.expect("writes");
    let changed = EventMeta { body: r#"{"x":1}"#.to_owned(), ..event.clone() };
    let changes = catalog.upsert_events(std::slice::from_ref(&changed), 2).await.expect("writes");
    assert_eq!(changes, Changes { new: 0, changed: 1 });
    assert_eq!(catalog.event("KXE").await.expect("reads").expect("is there").meta, changed);
    let of_series = catalog.events(Some("KX"), "", 10).await.expect("reads");
    assert_eq!((of_series.len(), of_series[0].version), (1, 2));
    let after = catalog.events(None, "KXE", 10).await.expect("reads");
    assert_eq!((after.len(), &*after[0].meta.ticker), (1, "KYE"));

    let series =
        SeriesMeta { ticker: "KX".to_owned(), body: "{}".to_owned(), ..Default::default() };
    catalog.upsert_series(std::slice::from_ref(&series), 1).await.expect("writes");
    let stored = catalog.one_series("KX").await.expect("reads").expect("is there");
    assert_eq!((stored.meta, stored.version), (series, 1));
    assert_eq!(catalog.series("", 10).await.expect("reads").len(), 1);
    assert_eq!(catalog.history(Kind::Series, "KX").await.expect("reads").len(), 1);

    let filter = MarketFilter { status: Some("active".to_owned()), ..MarketFilter::default() };
    let active = catalog.markets(&filter).await.expect("reads");
    assert_eq!((active.len(), &*active[0].stored.meta.ticker), (1, "KXE-B"));
    let filter = MarketFilter {
        event_ticker: Some("KXE".to_owned()),
        after: "KXE-A".to_owned(),
        limit: 1,
        ..MarketFilter::default()
    };
    assert_eq!(catalog.markets(&filter).await.expect("reads").len(), 1);
    let filter = MarketFilter { event_ticker: Some("none".to_owned()), ..MarketFilter::default() };
    assert!(catalog.markets(&filter).await.expect("reads").is_empty());
}

/// More than one transaction takes; a part of it known already.
pub(super) async fn many(catalog: &Catalog) {
    let all: Vec<MarketMeta> =
        (0..1_203).map(|n| market(&format!("KXM-{n:05}"), "active")).collect();
    let changes = catalog.upsert_markets(&all[..700], 10).await.expect("writes");
    assert_eq!(changes, Changes { new: 700, changed: 0 });
    let mut again = all.clone();
    again[3].body = r#"{"other":true}"#.to_owned();
    let changes = catalog.upsert_markets(&again, 20).await.expect("writes");
    assert_eq!(changes, Changes { new: 503, changed: 1 });
    let mut seen = 0;
    let mut filter = MarketFilter { after: "KXM-".to_owned(), limit: 500, ..Default::default() };
    loop {
        let page = catalog.markets(&filter).await.expect("reads");
        seen += page.len();
        let Some(last) = page.last() else { break };
        filter.after.clone_from(&last.stored.meta.ticker);
    }
    assert_eq!(seen, 1_203);
}

pub(super) async fn is_still_there(catalog: &Catalog) {
    assert_eq!(catalog.history(Kind::Market, "KXE-A").await.expect("reads").len(), 2);
}
