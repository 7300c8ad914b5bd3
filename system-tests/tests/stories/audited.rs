//! A lone gatherer whose connection lies: the audit of the record finds it out by the exchange's own books, the record
//! heals, and nothing is accused before. The catalog has learned all markets meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use catalog::{Catalog, CatalogUrl, MarketFilter};
use demo::fleet::SimOptions;
use serde_json::{Value, json};
use system_tests::{Story, http};

use crate::{PROGRAMS, market};

/// Each look asks for every market's book.
const LOOKS: usize = 60;
const LOOK_AGAIN: Duration = Duration::from_secs(2);
const KINDS: [&str; 4] = ["get_snapshot", "events", "latest_levels", "rest"];

/// By side and price in units: what rests, as text.
type Levels = BTreeMap<(bool, i64), String>;

async fn audited(story: &Story, kind: &str, what: &str) -> anyhow::Result<u64> {
    Ok(story.fleet.deduplicator.health().await?.count(&format!("/audit/{kind}/{what}")))
}

/// Waits until so much was counted.
async fn counted(story: &Story, kind: &str, what: &str, least: u64) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        if audited(story, kind, what).await? >= least {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let audit = story.fleet.deduplicator.health().await?.at("/audit").clone();
    anyhow::bail!("never {least} {what} of {kind}: {audit}")
}

fn levels(side: &Value, no: bool, leg: impl Fn(i64) -> i64) -> Levels {
    let level = |level: &Value| {
        let price = level[0].as_str()?.replace('.', "").parse().ok()?;
        Some(((no, leg(price)), level[1].as_str()?.to_owned()))
    };
    side.as_array().into_iter().flatten().filter_map(level).collect()
}

/// Open markets whose book is not the exchange's.
async fn wrong(story: &Story) -> anyhow::Result<Vec<String>> {
    let (sim, ours) = (&story.fleet.sim()?.addr, &story.fleet.deduplicator.http);
    let root = "/trade-api/v2/markets";
    let open = http::get(sim, &format!("{root}?status=open&limit=1000")).await?.json()?;
    let mut wrong = Vec::new();
    for market in open["markets"].as_array().context("markets")? {
        let ticker = market["ticker"].as_str().context("a ticker")?;
        let theirs = http::get(sim, &format!("{root}/{ticker}/orderbook")).await?.json()?;
        let theirs = &theirs["orderbook_fp"];
        let mut expected = levels(&theirs["yes_dollars"], false, |price| price);
        expected.append(&mut levels(&theirs["no_dollars"], true, |price| 10_000 - price));
        let held = http::get(ours, &format!("/book/{ticker}")).await?.json()?;
        let mut found = levels(&held["yes"], false, |price| price);
        found.append(&mut levels(&held["no"], true, |price| price));
        if found != expected {
            wrong.push(ticker.to_owned());
        }
    }
    Ok(wrong)
}

/// Not seen to pass: its one run waited in vain for a `get_snapshot` difference, and the cause is not known.
/// Run by command, `cargo test -p system-tests --test stories audited -- --ignored`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "not seen to pass yet; three minutes, by command"]
async fn a_lie_that_nobody_contradicts_is_found_by_the_audit_and_healed() -> anyhow::Result<()> {
    let more = ["--lifecycle-every", "4"].map(str::to_owned).to_vec();
    let sim = SimOptions { rate: 300, more, ..market(71) };
    let mut story = Story::of(PROGRAMS, sim, 1, |plan| {
        plan.gatherer_settings.push(("POLL_EVERY_SECS", "5".to_owned()));
        let audit = [("AUDIT_EVERY", "4s".to_owned()), ("METADATA_EVERY", "3s".to_owned())];
        plan.deduplicator_settings.extend(audit);
    })
    .await?;
    story.events(1_000).await?;
    for (kind, least) in KINDS.into_iter().zip([40, 40, 40, 20]) {
        counted(&story, kind, "checked", least).await?;
    }
    for kind in KINDS {
        assert_eq!(audited(&story, kind, "different").await?, 0, "a false alarm of {kind}");
    }

    story.fault(0, json!({"kind": "lie", "how": "size", "seconds": 2})).await?;
    counted(&story, "rest", "different", 1).await?;
    story.events(500).await?;
    story.fleet.sim()?.pause().await?;
    let mut left = wrong(&story).await?;
    for _ in 0..LOOKS {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        left = wrong(&story).await?;
    }
    assert!(left.is_empty(), "not healed: {left:?}");
    story.fleet.caught_up().await?;
    let store = clickhouse::Client::default()
        .with_url(&story.fleet.deduplicator.engine.url)
        .with_user("default")
        .with_database("kalshi");
    let healed = "SELECT count() FROM orderbook_events WHERE origin = 'get_snapshot'";
    assert!(store.query(healed).fetch_one::<u64>().await? > 0, "fresh snapshots are in the record");
    let holes = "SELECT count() FROM gaps FINAL";
    assert!(store.query(holes).fetch_one::<u64>().await? > 0, "what was refuted is a hole");

    let file = story.fleet.site.folder.join("deduplicator/data/catalog.sqlite");
    let catalog = Catalog::open(&CatalogUrl::sqlite(file)).await?;
    let markets = catalog.markets(&MarketFilter::default()).await?;
    assert!(markets.len() >= 40, "{} markets", markets.len());
    assert!(markets.iter().any(|market| market.stored.version > 1), "some market changed");
    assert!(markets.iter().any(|market| market.market_id.is_some()), "the feed's name is known");
    let event = &markets[0].stored.meta.event_ticker;
    let multivariate = event.starts_with("KXMVE");
    assert!(multivariate || catalog.event(event).await?.is_some(), "no event {event}");
    assert!(!catalog.series("", 10).await?.is_empty());
    let sessions = catalog.sessions(Some("east"), 100).await?;
    assert!(sessions.iter().any(|session| session.about.contains("url")), "{sessions:?}");
    catalog.close().await;
    story.fleet.stop().await
}
