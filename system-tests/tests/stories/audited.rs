//! A lone gatherer whose connection lies: nobody contradicts it, so the lie gets into the record. The audit finds it
//! out by the exchange's own books and names the markets; what was told is marked as refuted, and the record heals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;

use anyhow::{Context as _, ensure};
use clickhouse::{Client, Row};
use demo::fleet::{Scraped, SimOptions};
use demo::oracle::{Book, Truth, TruthEvent, read_truth};
use exchange::Side;
use serde::Deserialize;
use serde_json::json;
use system_tests::{Story, http};

use crate::{PROGRAMS, market};

const MARKETS: u64 = 20;
const KIND: &str = "get_snapshot";

/// A change, in whole numbers as they stand on the wire: clock, place in it, side, price, size.
type Change = (u64, u16, bool, i32, i64);
/// Side and price, and the size there.
type Place = ((Side, u16), i64);

#[derive(Row, Deserialize)]
struct Told {
    ticker: String,
    clock: u64,
    clock_ord: u16,
    is_no: bool,
    price: i32,
    qty: i64,
    ts: i64,
}

/// A stretch that the record takes back: clocks after the first to the second, and the same in time.
#[derive(Row, Deserialize)]
struct Refuted {
    ticker: String,
    from_clock: u64,
    to_clock: u64,
    from_ts: i64,
    to_ts: i64,
}

/// A false change, and the last clock before it that holds.
struct Lie {
    ticker: String,
    before_clock: u64,
    ts: i64,
}

#[derive(Row, Deserialize)]
struct Level {
    ticker: String,
    is_no: bool,
    price: i32,
    size: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_that_nobody_contradicts_is_found_by_the_audit_and_healed() -> anyhow::Result<()> {
    let sim = SimOptions { rate: 300, markets: MARKETS as u32, ..market(71) };
    let mut story = Story::of(PROGRAMS, sim, 1, |plan| {
        plan.deduplicator_settings.push(("AUDIT_EVERY", "4s".to_owned()));
    })
    .await?;
    let outcome = lie_and_heal(&mut story).await;
    story.kept_if_wrong(outcome)?;
    story.fleet.stop().await
}

async fn lie_and_heal(story: &mut Story) -> anyhow::Result<()> {
    story.events(500).await?;
    for kind in [KIND, "events", "latest_levels"] {
        audited(story, kind, "checked", MARKETS).await?;
        let different = count(story, kind, "different").await?;
        ensure!(different == 0, "a false alarm: {different} of {kind}");
    }

    story.fault(0, json!({"kind": "lie", "how": "size", "seconds": 2})).await?;
    audited(story, KIND, "different", 1).await?;
    whole_round_without_difference(story).await?;
    story.fleet.sim()?.pause().await?;
    story.fleet.caught_up().await?;
    story.fleet.sim()?.flush().await?;

    let scraped = Scraped::of(&story.fleet.deduplicator.metrics).await?;
    let alerts = scraped.sum("audit_differences_total", &format!("kind=\"{KIND}\""));
    ensure!(alerts >= 1.0, "the alert has nothing to see");
    let store = Client::default()
        .with_url(&story.fleet.deduplicator.engine.url)
        .with_user("default")
        .with_database("kalshi");
    let truth =
        read_truth(BufReader::with_capacity(1 << 20, File::open(&story.fleet.sim()?.truth)?))?;
    let refuted = refuted(&store).await?;
    let healed: BTreeSet<String> = refuted.keys().cloned().collect();
    let named = named(story)?;
    ensure!(named == healed, "the log names {named:?}, healed are {healed:?}");
    let lie = told_is_true_or_refuted(&store, &truth, &refuted).await?;
    the_past_leaves_it_out(story, &truth, &lie).await?;
    the_newest_books_are_true(&store, &truth).await
}

async fn count(story: &Story, kind: &str, what: &str) -> anyhow::Result<u64> {
    Ok(story.fleet.deduplicator.health().await?.count(&format!("/audit/{kind}/{what}")))
}

/// Waits until so much more was counted.
async fn audited(story: &mut Story, kind: &str, what: &str, more: u64) -> anyhow::Result<()> {
    let due = count(story, kind, what).await? + more;
    let pointer = format!("/audit/{kind}/{what}");
    story
        .until(&format!("{due} {what} of {kind}"), async |fleet| {
            Ok(fleet.deduplicator.health().await?.count(&pointer) >= due)
        })
        .await
}

/// The lie is over, and every market was shown again since.
async fn whole_round_without_difference(story: &mut Story) -> anyhow::Result<()> {
    loop {
        let before = count(story, KIND, "different").await?;
        audited(story, KIND, "checked", 2 * MARKETS).await?;
        if count(story, KIND, "different").await? == before {
            return Ok(());
        }
    }
}

/// The markets that the alert's log lines name.
fn named(story: &Story) -> anyhow::Result<BTreeSet<String>> {
    let log = std::fs::read_to_string(story.fleet.deduplicator.program.log_file())?;
    let lines = log.lines().filter(|line| line.contains("audit_difference"));
    let market = |line: &str| Some(line.split_once("market=")?.1.split(' ').next()?.to_owned());
    Ok(lines.filter_map(market).collect())
}

async fn refuted(store: &Client) -> anyhow::Result<BTreeMap<String, Vec<Refuted>>> {
    let sql = "SELECT toString(market_ticker) AS ticker, from_clock, to_clock, from_ts, to_ts \
               FROM gaps FINAL WHERE cause = 'divergence'";
    let mut all: BTreeMap<String, Vec<Refuted>> = BTreeMap::new();
    for row in store.query(sql).fetch_all::<Refuted>().await? {
        let healed = "SELECT count() FROM orderbook_events WHERE market_ticker = ? AND clock = ? \
                      AND type = 'snapshot' AND origin = 'get_snapshot'";
        let healed = store.query(healed).bind(&row.ticker).bind(row.to_clock);
        ensure!(healed.fetch_one::<u64>().await? > 0, "no fresh snapshot ends {}", row.ticker);
        all.entry(row.ticker.clone()).or_default().push(row);
    }
    Ok(all)
}

/// Every stored change happened, and every one that happened is stored; but for what is refuted. One of the lies.
async fn told_is_true_or_refuted(
    store: &Client,
    truth: &Truth,
    refuted: &BTreeMap<String, Vec<Refuted>>,
) -> anyhow::Result<Lie> {
    let sql = "SELECT toString(market_ticker) AS ticker, clock, clock_ord, toBool(side = 'no') AS is_no, \
               price, qty, ts FROM orderbook_events WHERE type = 'delta'";
    let mut left: BTreeMap<&str, BTreeSet<Change>> = BTreeMap::new();
    for (ticker, market) in &truth.markets {
        left.insert(ticker, market.events.iter().filter_map(change).collect());
    }
    let nothing = Vec::new();
    let holes = |ticker: &str| refuted.get(ticker).unwrap_or(&nothing).iter();
    let mut lie = None;
    for told in store.query(sql).fetch_all::<Told>().await? {
        let Told { ticker, clock, clock_ord, is_no, price, qty, ts } = told;
        let said = (clock, clock_ord, is_no, price, qty);
        if left.get_mut(&*ticker).is_some_and(|left| left.remove(&said)) {
            continue;
        }
        let hole = holes(&ticker).find(|hole| hole.from_clock < clock && clock <= hole.to_clock);
        let Some(hole) = hole else { anyhow::bail!("{ticker} {said:?} is false and not refuted") };
        let times = hole.from_ts..=hole.to_ts;
        ensure!(times.contains(&ts), "{ticker} {said:?} at {ts}, refuted in time is {times:?}");
        lie = Some(Lie { before_clock: hole.from_clock, ticker, ts });
    }
    let first = "SELECT toString(market_ticker), min(clock) FROM orderbook_events GROUP BY 1";
    for (ticker, first) in store.query(first).fetch_all::<(String, u64)>().await? {
        let left = left.remove(&*ticker).unwrap_or_default();
        for missing in left.into_iter().filter(|change| change.0 > first) {
            let mut holes = holes(&ticker);
            let excused =
                holes.any(|hole| hole.from_clock < missing.0 && missing.0 <= hole.to_clock);
            ensure!(excused, "{ticker} lacks {missing:?}");
        }
    }
    lie.context("the lie never got into the record")
}

/// The book of the moment of a lie is the last one before anything was refuted, and the answer says so.
async fn the_past_leaves_it_out(story: &Story, truth: &Truth, lie: &Lie) -> anyhow::Result<()> {
    let asked = format!("/book/{}?at={}", lie.ticker, lie.ts);
    let told = http::get(&story.fleet.deduplicator.http, &asked).await?.json()?;
    ensure!(told["hole"]["cause"] == "divergence", "{told}");
    let mut due = Book::default();
    let before = truth.markets[&lie.ticker].events.iter();
    before
        .take_while(|event| event.clock() <= lie.before_clock)
        .for_each(|event| event.apply(&mut due));
    let mut held = Vec::new();
    for (name, side) in [("yes", Side::Yes), ("no", Side::No)] {
        for level in told[name].as_array().context("levels")? {
            let whole =
                |at: usize| level[at].as_str().map(|text| text.replace('.', "").parse::<i64>());
            let (price, size) = (whole(0).context("a price")??, whole(1).context("a size")??);
            held.push(((side, u16::try_from(price)?), size));
        }
    }
    let wrong = due.first_difference(&Book::from_levels(held));
    ensure!(wrong.is_none(), "(place, true, ours) is {wrong:?} in {told}");
    Ok(())
}

fn change(event: &TruthEvent) -> Option<Change> {
    let TruthEvent::Delta(delta) = event else { return None };
    Some((delta.clock, delta.ord, delta.side == Side::No, delta.price.into(), delta.change))
}

async fn the_newest_books_are_true(store: &Client, truth: &Truth) -> anyhow::Result<()> {
    let sql = "SELECT toString(market_ticker) AS ticker, toBool(side = 'no') AS is_no, price, size \
               FROM latest_book";
    let mut books: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for level in store.query(sql).fetch_all::<Level>().await? {
        let side = if level.is_no { Side::No } else { Side::Yes };
        let level_of = books.entry(level.ticker).or_default();
        level_of.push(((side, u16::try_from(level.price)?), level.size));
    }
    for (ticker, market) in &truth.markets {
        let held = Book::from_levels(books.remove(ticker).unwrap_or_default());
        let wrong = market.last_book().first_difference(&held);
        ensure!(wrong.is_none(), "{ticker} did not heal: (place, true, ours) is {wrong:?}");
    }
    Ok(())
}
