//! What the catalog holds of a running system: metadata that follow the exchange, with their history, who captured it
//! and over which sessions, the archive's files and the operator's repairs. In SQLite, and in PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use catalog::testing::Postgres;
use catalog::{Catalog, CatalogUrl, Kind, MarketFilter, RecoveryFilter};
use demo::fleet::{Fleet, SimOptions};
use serde_json::{Value, json};
use system_tests::{Story, http};

use crate::{PROGRAMS, market};

/// The binary that hosts the tools.
const TOOLS: &str = env!("CARGO_BIN_EXE_tools");
const TOKEN: &str = "of-this-story-only";
const ROOT: &str = "/trade-api/v2";

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_follows_the_exchange_in_sqlite() -> anyhow::Result<()> {
    catalogued(None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_follows_the_exchange_in_postgresql() -> anyhow::Result<()> {
    let Some(server) = tokio::task::spawn_blocking(Postgres::start).await? else { return Ok(()) };
    catalogued(Some(server.url("postgres"))).await?;
    tokio::task::spawn_blocking(|| drop(server)).await.context("the server's end")
}

/// `url`: `CATALOG_URL`; none is the file in DATA_DIR.
async fn catalogued(url: Option<String>) -> anyhow::Result<()> {
    let more = ["--lifecycle-every", "1"].map(str::to_owned).to_vec();
    // Without TLS, so that the story can ask the exchange's REST interface too.
    let sim = SimOptions { rate: 200, markets: 20, more, tls: false, ..market(73) };
    let given = url.clone();
    let mut story = Story::of(PROGRAMS, sim, 2, |plan| {
        plan.gatherer_settings.push(("ADMIN_TOKEN", TOKEN.to_owned()));
        plan.deduplicator_settings.push(("METADATA_EVERY", "3s".to_owned()));
        plan.deduplicator_settings.extend(given.map(|url| ("CATALOG_URL", url)));
    })
    .await?;
    let outcome = runs(&mut story, url).await;
    story.kept_if_wrong(outcome)
}

async fn runs(story: &mut Story, url: Option<String>) -> anyhow::Result<()> {
    let file = story.fleet.site.folder.join("deduplicator/data/catalog.sqlite");
    let place = match &url {
        Some(url) => url.parse::<CatalogUrl>().map_err(anyhow::Error::msg)?,
        None => CatalogUrl::sqlite(&file),
    };
    story.events(300).await?;
    story.fault(0, json!({"kind": "cut", "close": false})).await?;
    story.recovered().await?;
    let catalog = Catalog::open(&place).await?;
    let first = catalog.markets(&MarketFilter::default()).await?;
    let first = first.first().context("no market is known after the first round")?;
    polled(&story.fleet, &first.stored.meta.ticker, url.as_deref())?;
    archived(story, &catalog).await?;
    // One that ends after it was open, and one that changes and goes on.
    story
        .until("markets that changed and markets that ended", async |_| {
            let markets = catalog.markets(&MarketFilter::default()).await?;
            let changed = |market: &&catalog::Market| market.stored.version > 1;
            let ended = markets.iter().filter(changed).any(|m| m.stored.meta.result.is_some());
            let open = |m: &catalog::Market| m.stored.meta.status == "active";
            Ok(ended && markets.iter().filter(changed).any(open))
        })
        .await?;
    story.fleet.sim()?.pause().await?;
    let addr = story.fleet.sim()?.addr.clone();
    let mut last = Vec::new();
    story
        .until("metadata as the exchange tells them", async |_| {
            last = behind(&catalog, &addr).await?;
            Ok(last.is_empty())
        })
        .await
        .with_context(|| format!("the last difference: {last:?}"))?;
    metadata_have_history(&catalog).await?;
    story.fleet.caught_up().await?;
    story.fleet.deduplicator.program.stop().await?;
    fleet_is_known(&catalog).await?;
    repairs_are_known(&catalog).await?;
    archive_is_listed(&catalog, &story.fleet.deduplicator.parquet).await?;
    catalog.close().await;
    ensure!(file.exists() == url.is_none(), "the catalog is not where it was told to be");
    Ok(())
}

/// One that is settled and archived before anybody asks how it ended.
async fn archived(story: &mut Story, catalog: &Catalog) -> anyhow::Result<()> {
    let filter = MarketFilter { status: Some("active".to_owned()), ..MarketFilter::default() };
    let active = catalog.markets(&filter).await?;
    let ticker = &active.last().context("no market is active")?.stored.meta.ticker;
    for order in ["settle", "archive"] {
        story.fleet.sim()?.market(&json!({"do": order, "ticker": ticker})).await?;
    }
    story
        .until("the end of a market in the archive", async |_| {
            let market = catalog.market(ticker).await?.context("it was known")?;
            Ok(market.stored.meta.status == "finalized")
        })
        .await
}

/// An operator has books polled, of a market and of one that there is not.
fn polled(fleet: &Fleet, ticker: &str, url: Option<&str>) -> anyhow::Result<()> {
    let admin = fleet.gatherers.iter().map(|g| format!("{}=http://{}", g.name, g.http));
    let data = fleet.site.folder_for("deduplicator/data")?;
    let venue = fleet.sim()?.settings(&fleet.gatherers[0].name);
    let venue = venue.into_iter().filter(|(key, _)| *key == "REST_URL");
    let run = |ticker: &str| {
        let mut command = Command::new(TOOLS);
        command.args(["gap-recovery", "--json", "poll", ticker]).env_clear();
        command.env("CLICKHOUSE_URL", &fleet.deduplicator.engine.url).env("DATA_DIR", &data);
        command.env("GATHERER_ADMIN", admin.clone().collect::<Vec<_>>().join(","));
        command.env("ADMIN_TOKEN", TOKEN).env("USER", "ada").envs(venue.clone());
        command.envs(url.map(|url| ("CATALOG_URL", url)));
        command.output().context("gap-recovery")
    };
    let done = run(ticker)?;
    ensure!(done.status.success(), "{done:?}");
    let refused = run("NO-SUCH-MARKET")?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    Ok(())
}

/// Markets whose status, result or times in the catalog are not the exchange's. A market that was never open while
/// the system ran need not be known.
async fn behind(catalog: &Catalog, addr: &str) -> anyhow::Result<Vec<String>> {
    let told = http::get(addr, &format!("{ROOT}/markets?limit=1000")).await?.json()?;
    let known = catalog.markets(&MarketFilter::default()).await?;
    let known: BTreeMap<&str, _> =
        known.iter().map(|market| (&*market.stored.meta.ticker, &market.stored.meta)).collect();
    let mut behind = Vec::new();
    for market in told["markets"].as_array().context("markets")? {
        let ticker = market["ticker"].as_str().context("a ticker")?;
        let Some(held) = known.get(ticker) else {
            behind.extend((market["status"] == "active").then(|| format!("{ticker} is unknown")));
            continue;
        };
        let body: Value = serde_json::from_str(&held.body)?;
        for field in ["status", "result", "open_time", "close_time", "event_ticker"] {
            if body[field] != market[field] {
                let (ours, theirs) = (&body[field], &market[field]);
                behind.push(format!("{ticker} {field}: {ours}, at the exchange {theirs}"));
            }
        }
        if market["status"].as_str() != Some(&held.status) {
            behind.push(format!("{ticker} is {}, not {}", held.status, market["status"]));
        }
    }
    Ok(behind)
}

async fn metadata_have_history(catalog: &Catalog) -> anyhow::Result<()> {
    let markets = catalog.markets(&MarketFilter::default()).await?;
    ensure!(markets.iter().any(|market| market.market_id.is_some()), "no name of the feed");
    for market in &markets {
        let stored = &market.stored;
        let history = catalog.history(Kind::Market, &stored.meta.ticker).await?;
        let versions: Vec<u64> = history.iter().map(|version| version.version).collect();
        let due: Vec<u64> = (1..=stored.version).collect();
        ensure!(versions == due, "{}: versions {versions:?}", stored.meta.ticker);
        let bodies = history.windows(2).all(|two| two[0].body != two[1].body);
        let times = history.is_sorted_by_key(|version| version.from_ms);
        ensure!(bodies && times, "{}: {history:?}", stored.meta.ticker);
        ensure!(history.last().map(|last| &last.body) == Some(&stored.meta.body));
    }
    let events = catalog.events(None, "", 1_000).await?;
    let series: BTreeSet<String> =
        catalog.series("", 1_000).await?.into_iter().map(|series| series.meta.ticker).collect();
    for event in &events {
        ensure!(series.contains(&event.meta.series_ticker), "no series of {event:?}");
    }
    let listed: BTreeSet<&String> = events.iter().map(|event| &event.meta.ticker).collect();
    for market in markets.iter().filter(|market| market.stored.meta.status == "active") {
        let event = &market.stored.meta.event_ticker;
        ensure!(listed.contains(event), "no event {event}");
    }
    Ok(())
}

async fn fleet_is_known(catalog: &Catalog) -> anyhow::Result<()> {
    let gatherers = catalog.gatherers().await?;
    let known: Vec<_> = gatherers.iter().map(|one| (&*one.name, one.version.is_empty())).collect();
    ensure!(known == [("east", false), ("west", false)], "{gatherers:?}");
    let sessions = catalog.sessions(Some("east"), 100).await?;
    let ended = sessions.iter().filter(|one| one.closed_ms.is_some() && one.reason.is_some());
    ensure!(ended.count() >= 1 && sessions.len() >= 2, "a session was cut: {sessions:?}");
    ensure!(sessions.iter().all(|one| one.about.contains("url")), "{sessions:?}");
    ensure!(!catalog.sessions(Some("west"), 100).await?.is_empty());
    Ok(())
}

async fn repairs_are_known(catalog: &Catalog) -> anyhow::Result<()> {
    let polls = catalog.recoveries(&RecoveryFilter::default()).await?;
    let said: BTreeSet<_> =
        polls.iter().map(|poll| (&*poll.action.action, &*poll.action.actor)).collect();
    ensure!(said == BTreeSet::from([("poll", "ada")]), "{polls:?}");
    let well = polls.iter().filter(|poll| poll.action.outcome == "ok").count();
    ensure!((well, polls.len()) == (1, 2), "one was done and one refused: {polls:?}");
    Ok(())
}

/// The files on disk are those that the manifest lists, with the bytes it tells.
async fn archive_is_listed(catalog: &Catalog, folder: &Path) -> anyhow::Result<()> {
    let files = catalog.archive_files(None, 0, i64::MAX).await?;
    let totals = catalog.archive_totals().await?;
    ensure!(totals.rows > 0 && totals.files == files.len() as u64, "{totals:?}");
    let datasets: BTreeSet<&str> = files.iter().map(|file| &*file.dataset).collect();
    for dataset in ["orderbook", "trades", "tickers"] {
        ensure!(datasets.contains(dataset), "nothing of {dataset}: {datasets:?}");
    }
    for file in &files {
        let path = folder.join(&file.path);
        let bytes = std::fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        ensure!(bytes == file.bytes && file.rows > 0, "{file:?} has {bytes} bytes");
        ensure!(file.sha256.len() == 64 && file.min_ts_ms <= file.max_ts_ms, "{file:?}");
    }
    let mut there = BTreeSet::new();
    below(folder, folder, &mut there)?;
    let listed: BTreeSet<String> = files.into_iter().map(|file| file.path).collect();
    ensure!(there == listed, "on disk {there:?}, listed {listed:?}");
    Ok(())
}

fn below(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            below(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}
