//! Two deduplicators divide the markets behind the same gatherers: together they hold what one that keeps all of
//! them holds, and each event is in one of them. The whole one is compared with the truth as in every story.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use demo::fleet::{Fleet, Launch, Program};
use demo::host::Hosted;
use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

const PARTS: [(&str, &str); 2] = [("1/2", "half_1"), ("2/2", "half_2")];
/// Whose these tables are.
const WHOLE: &str = "kalshi";

/// By market, its deltas as (era, clock, place, content).
type Deltas = BTreeMap<String, BTreeSet<(u16, u64, u16, String)>>;

#[tokio::test(flavor = "multi_thread")]
async fn two_halves_together_are_the_whole() -> anyhow::Result<()> {
    let mut story = Story::of(PROGRAMS, market(57), 2, |_| ()).await?;
    let mut parts = Vec::new();
    for (share, database) in PARTS {
        parts.push(part(&mut story.fleet, share, database).await?);
    }
    story.events(3_000).await?;
    story.fault(0, serde_json::json!({"kind": "cut", "close": false})).await?;
    story.recovered().await?;
    story.events(1_000).await?;
    // While all parts live: gatherers are quiet when every deduplicator they know has acked everything.
    let report = story.verify(Holes::None).await?;
    assert_eq!(report.total(), 0, "the whole one's record is not the truth\n{report}");
    for part in &mut parts {
        part.stop().await?;
    }
    let store = clickhouse::Client::default().with_url(&story.fleet.deduplicator.engine.url);
    compare(&store).await?;
    another_share_is_refused(&mut parts[0]).await?;
    story.fleet.stop().await
}

/// A deduplicator as the fleet's own, but for its share and where it keeps things.
async fn part(fleet: &mut Fleet, share: &str, database: &str) -> anyhow::Result<Program> {
    let mut settings = fleet.deduplicator.program.launch_mut().settings.clone();
    settings.retain(|(name, _)| !["DATA_DIR", "PARQUET_DIR", "PORT_FILE"].contains(name));
    settings.extend([
        ("MARKET_SHARE", share.to_owned()),
        ("CLICKHOUSE_DATABASE", database.to_owned()),
        ("DATA_DIR", fleet.site.folder_for(&format!("{database}/data"))?),
        ("PARQUET_DIR", fleet.site.folder_for(&format!("{database}/parquet"))?),
        ("PORT_FILE", fleet.site.port_file(database).display().to_string()),
    ]);
    let hosted = Hosted::Deduplicator;
    let launch = Launch { name: database.to_owned(), hosted, args: Vec::new(), settings };
    let mut program = Program::start(&fleet.site, launch)?;
    program.ready().await?;
    Ok(program)
}

async fn compare(store: &clickhouse::Client) -> anyhow::Result<()> {
    let whole = deltas(store, WHOLE).await?;
    let mut begins = begins(store, WHOLE).await?;
    let mut together = Deltas::new();
    for (_, database) in PARTS {
        for (market, begin) in self::begins(store, database).await? {
            let before = begins.entry(market).or_default();
            *before = begin.max(*before);
        }
        let part = deltas(store, database).await?;
        assert!(part.len() > 5, "{database} has {} markets", part.len());
        for (market, deltas) in part {
            let before = together.insert(market.clone(), deltas);
            assert!(before.is_none(), "{market} is in both halves");
        }
    }
    let mut compared = 0;
    for (market, deltas) in &whole {
        // A part that begins later begins with a later snapshot; what comes after both is the same.
        let begin = begins[market];
        let after = |of: &BTreeSet<(u16, u64, u16, String)>| -> BTreeSet<_> {
            of.iter().filter(|(_, clock, ..)| *clock > begin).cloned().collect()
        };
        let part = together.get(market).with_context(|| format!("{market} is in no half"))?;
        assert_eq!(after(part), after(deltas), "{market}");
        compared += after(deltas).len();
    }
    assert!(compared > 2_000, "{compared} deltas were compared");
    let trades = async |database: &str| -> anyhow::Result<BTreeSet<String>> {
        let sql = format!("SELECT toString(trade_id) FROM {database}.trades FINAL");
        Ok(store.query(&sql).fetch_all::<String>().await?.into_iter().collect())
    };
    let [one, two] = [trades(PARTS[0].1).await?, trades(PARTS[1].1).await?];
    assert!(one.is_disjoint(&two) && !one.is_empty() && !two.is_empty());
    assert_eq!(&one | &two, trades(WHOLE).await?);
    let wrong = "SELECT count() FROM half_1.orderbook_events WHERE CRC32(market_ticker) % 2 != 0";
    assert_eq!(store.query(wrong).fetch_one::<u64>().await?, 0, "ClickHouse has the same sum");
    Ok(())
}

async fn deltas(store: &clickhouse::Client, database: &str) -> anyhow::Result<Deltas> {
    let sql = format!(
        "SELECT toString(market_ticker), era, clock, clock_ord, \
         concat(toString(side), ' ', toString(price), ' ', toString(qty), ' ', toString(ts)) \
         FROM {database}.orderbook_events FINAL WHERE type = 'delta'"
    );
    let mut deltas = Deltas::new();
    for (market, era, clock, place, content) in
        store.query(&sql).fetch_all::<(String, u16, u64, u16, String)>().await?
    {
        deltas.entry(market).or_default().insert((era, clock, place, content));
    }
    Ok(deltas)
}

/// The clock at which each market's record begins.
async fn begins(
    store: &clickhouse::Client,
    database: &str,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let sql = format!(
        "SELECT toString(market_ticker), min(clock) FROM {database}.orderbook_events \
         WHERE type = 'snapshot' GROUP BY market_ticker"
    );
    Ok(store.query(&sql).fetch_all::<(String, u64)>().await?.into_iter().collect())
}

/// A part that is told another share says so and does not start.
async fn another_share_is_refused(part: &mut Program) -> anyhow::Result<()> {
    part.set("MARKET_SHARE", Some("2/2".to_owned()));
    part.start_again()?;
    let told = part.ready().await.expect_err("another share").to_string();
    assert!(told.contains("holds the markets of share 1/2"), "{told}");
    Ok(())
}
