//! Books over REST, the whole way: from the exchange through every gatherer's spool into the canonical table, each once, over
//! the death of the deduplicator. The audit finds each of them in the record, and tells of one that never was.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use clickhouse::Client;
use demo::fleet::Fleet;
use demo::verify::Holes;
use system_tests::{Story, Victim};

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

/// What the exchange showed is found; then a book of nobody is put among the polled ones.
async fn audited(story: &mut Story) -> anyhow::Result<()> {
    let count = async |fleet: &Fleet, what: &str| -> anyhow::Result<u64> {
        Ok(fleet.deduplicator.health().await?.count(&format!("/audit/rest/{what}")))
    };
    let checked = async |fleet: &Fleet| Ok(count(fleet, "checked").await? >= 20);
    story.until("twenty REST books are looked for", checked).await?;
    let different = count(&story.fleet, "different").await?;
    ensure!(different == 0, "a false alarm: {different} REST books");

    let url = &story.fleet.deduplicator.engine.url;
    let client = Client::default().with_url(url).with_user("default").with_database("kalshi");
    let market = "SELECT toString(ticker) FROM orderbook_snapshots WHERE notEmpty(yes_sizes) \
                  ORDER BY snapshot_ts DESC LIMIT 1";
    let market: String = client.query(market).fetch_one().await?;
    // A hundred a second for twenty seconds: a look takes a sample, and most of it must be these.
    let invented = "INSERT INTO orderbook_snapshots SELECT * EXCEPT (n) REPLACE ('nobody' AS gatherer, \
                    addMilliseconds(now64(6), 10 * n) AS snapshot_ts, \
                    arrayMap(size -> size + 1, yes_sizes) AS yes_sizes) \
                    FROM (SELECT *, arrayJoin(range(2000)) AS n FROM (SELECT * FROM \
                    orderbook_snapshots WHERE ticker = ? AND notEmpty(yes_sizes) LIMIT 1))";
    client.query(invented).bind(&market).execute().await?;
    let differs = async |fleet: &Fleet| Ok(count(fleet, "different").await? > 0);
    story.until("the invented book is found out", differs).await?;
    let market = format!("market={market} ");
    story.logged(Victim::Deduplicator, &["audit_difference", "kind=rest", &market]).await?;
    let gone = "ALTER TABLE orderbook_snapshots DELETE WHERE gatherer = 'nobody' \
                SETTINGS mutations_sync = 1";
    client.query(gone).execute().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn polled_books_reach_the_record_once_and_as_they_were_received() -> anyhow::Result<()> {
    let mut story = Story::of(PROGRAMS, market(61), 3, |plan| {
        plan.gatherer_settings.push(("POLL_EVERY_SECS", "5".to_owned()));
        plan.deduplicator_settings.push(("AUDIT_EVERY", "5s".to_owned()));
    })
    .await?;
    story.events(1_000).await?;
    story.fleet.deduplicator.kill_and_restart().await?;
    story.fleet.connected().await?;
    story.events(1_000).await?;
    let outcome = audited(&mut story).await;
    story.kept_if_wrong(outcome)?;
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
