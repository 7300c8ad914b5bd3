//! Books over REST, the whole way: from the exchange through every gatherer's spool into the canonical table, each once, over
//! the death of the deduplicator.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Client;
use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

/// Ticker, receipt, and everything the book says.
type Book = (String, i64, String);

const BOOKS: &str = "SELECT gatherer, ticker, toUnixTimestamp64Micro(snapshot_ts),
    toString((source, clock, yes_prices, yes_sizes, no_prices, no_sizes)) FROM orderbook_snapshots";

/// Every row, by who asked.
async fn books(url: &str) -> anyhow::Result<BTreeMap<String, Vec<Book>>> {
    let client = Client::default().with_url(url).with_user("default").with_database("kalshi");
    let rows: Vec<(String, String, i64, String)> = client.query(BOOKS).fetch_all().await?;
    let mut books: BTreeMap<String, Vec<Book>> = BTreeMap::new();
    for (gatherer, ticker, at, content) in rows {
        books.entry(gatherer).or_default().push((ticker, at, content));
    }
    Ok(books)
}

#[tokio::test(flavor = "multi_thread")]
async fn polled_books_reach_the_record_once_and_as_they_were_received() -> anyhow::Result<()> {
    let mut story = Story::of(PROGRAMS, market(61), 3, |plan| {
        plan.gatherer_settings.push(("POLL_EVERY_SECS", "5".to_owned()));
    })
    .await?;
    story.events(1_000).await?;
    story.fleet.deduplicator.kill_and_restart().await?;
    story.fleet.connected().await?;
    story.events(1_000).await?;
    let report = story.verify(Holes::None).await?;
    assert_eq!(report.total(), 0, "{report}");

    let canonical = books(&story.fleet.deduplicator.engine.url).await?;
    assert_eq!(canonical.len(), 3, "every gatherer polls: {:?}", canonical.keys());
    for gatherer in &story.fleet.gatherers {
        let rows = &canonical[&gatherer.name];
        let once: BTreeSet<&Book> = rows.iter().collect();
        assert_eq!(once.len(), rows.len(), "{} has a book twice", gatherer.name);
        let markets: BTreeSet<&str> = rows.iter().map(|(ticker, ..)| ticker.as_str()).collect();
        assert!(markets.len() >= 40, "{} polled {} markets", gatherer.name, markets.len());
        let own = books(&gatherer.engine.url).await?.remove(&gatherer.name).unwrap_or_default();
        let own: BTreeSet<&Book> = own.iter().collect();
        let strange: Vec<_> = once.difference(&own).take(3).collect();
        assert!(strange.is_empty(), "{} never received {strange:?}", gatherer.name);
    }
    story.fleet.stop().await
}
