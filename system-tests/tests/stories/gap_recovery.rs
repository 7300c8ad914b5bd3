//! Every socket was gone for a while. An operator finds the holes, fetches what can be had again, checks it,
//! writes the report, and looks at a book meanwhile; with the real tools, and the truth as the judge.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use demo::fleet::{Fleet, SimOptions};
use demo::verify::Holes;
use serde_json::{Value, json};
use system_tests::Story;

use crate::{LOOK_AGAIN, LOOKS_MAX, PROGRAMS, TOOLS, busiest, market, terminal};

const TOKEN: &str = "of-this-story-only";
/// A test need not wait a minute; a slow machine may need some seconds to subscribe to trades again.
const MARGIN: &str = "10s";

/// How the tools are told where everything is.
struct Desk {
    settings: Vec<(&'static str, String)>,
    folder: PathBuf,
    viewed: String,
}

impl Desk {
    fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let folder = fleet.site.folder.join("desk");
        std::fs::create_dir_all(&folder)?;
        let admin = fleet.gatherers.iter().map(|g| format!("{}=http://{}", g.name, g.http));
        let mut settings = vec![
            ("CLICKHOUSE_URL", fleet.deduplicator.engine.url.clone()),
            ("DATA_DIR", fleet.site.folder_for("deduplicator/data")?),
            ("GATHERER_ADMIN", admin.collect::<Vec<_>>().join(",")),
            ("ADMIN_TOKEN", TOKEN.to_owned()),
            ("REST_RATE", "50".to_owned()),
            ("RECOVERY_MARGIN", MARGIN.to_owned()),
            ("USER", "ada".to_owned()),
        ];
        let venue = fleet.sim()?.settings(&fleet.gatherers[0].name);
        settings.extend(venue.into_iter().filter(|(key, _)| ["REST_URL", "CA_FILE"].contains(key)));
        let viewed = format!("http://{}", fleet.deduplicator.http);
        Ok(Self { settings, folder, viewed })
    }

    fn command(&self, tool: &str, typed: &[&str], without: &[&str]) -> Command {
        let mut command = Command::new(TOOLS);
        command.arg(tool).args(typed).env_clear().current_dir(&self.folder);
        let settings = self.settings.iter().filter(|(key, _)| !without.contains(key));
        command.envs(settings.map(|(key, value)| (key, value)));
        command
    }

    fn run(&self, tool: &str, typed: &[&str], without: &[&str]) -> anyhow::Result<Output> {
        self.command(tool, typed, without).output().with_context(|| format!("{tool} {typed:?}"))
    }

    /// Runs `gap-recovery` and reads its JSON; it must end with `code`.
    fn recovery(&self, typed: &[&str], code: i32) -> anyhow::Result<Value> {
        self.recovery_without(&[], typed, code)
    }

    fn recovery_without(
        &self,
        without: &[&str],
        typed: &[&str],
        code: i32,
    ) -> anyhow::Result<Value> {
        let typed = [&["--json"], typed].concat();
        let output = self.run("gap-recovery", &typed, without)?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (said(&output.stdout), said(&output.stderr));
        ensure!(output.status.code() == Some(code), "{typed:?}: {}\n{out}{err}", output.status);
        ensure!(!err.contains(TOKEN) && !out.contains(TOKEN), "a secret was printed");
        Ok(serde_json::from_str(&out).unwrap_or(Value::Null))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn sum(holes: &Value, what: &str) -> u64 {
    list(holes).iter().filter_map(|hole| hole[what].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_repairs_what_all_sockets_missed() -> anyhow::Result<()> {
    // No market is born while nobody listens: what happened before its first snapshot is no hole.
    let more = ["--lifecycle-every", "0"].map(str::to_owned).to_vec();
    let sim = SimOptions { markets: 10, more, ..market(19) };
    let mut story = Story::of(PROGRAMS, sim, 1, |plan| {
        plan.deduplicator_settings.push(("HOLE_WAIT", "3s".to_owned()));
        plan.gatherer_settings.push(("ADMIN_TOKEN", TOKEN.to_owned()));
    })
    .await?;
    let desk = Desk::of(&story.fleet)?;
    story.events(1_000).await?;
    look_at_a_book(&desk, &story.fleet).await?;
    story.fleet.sim()?.fault(&json!({"kind": "refuse", "status": 503, "seconds": 4})).await?;
    story.fault(0, json!({"kind": "cut", "close": false})).await?;
    a_hole_is_known(&story.fleet).await?;
    story.recovered().await?;
    story.events(1_000).await?;
    // At rest, so that nothing is still on its way when it is called missing.
    story.fleet.sim()?.pause().await?;
    story.fleet.caught_up().await?;

    // The exchange asks for patience first; the tools have some.
    story.fleet.sim()?.fault(&json!({"kind": "limit", "seconds": 3})).await?;
    let holes = repair(&desk).await?;
    given_up(&desk, &story.fleet).await?;
    tampered_with(&desk, &story.fleet).await?;
    published(&desk, &holes)?;
    polled(&desk, &holes)?;
    before_anybody_listened(&desk, &holes)?;
    let report = story.end(Holes::Justified).await?;
    let stored = report.counted("ClickHouse trades");
    ensure!(stored == report.counted("true trades"), "trades are still missing\n{report}");
    ensure!(report.counted("Parquet trades") < stored, "no trade was ever missing\n{report}");
    Ok(())
}

async fn a_hole_is_known(fleet: &Fleet) -> anyhow::Result<()> {
    for _ in 0..LOOKS_MAX {
        if fleet.deduplicator.health().await?.count("/canonical/holes") > 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    anyhow::bail!("no hole was recorded")
}

/// The viewer sees changes, on lines and in its file.
async fn look_at_a_book(desk: &Desk, fleet: &Fleet) -> anyhow::Result<()> {
    let ticker = busiest(fleet).await?;
    let typed = ["--ticker", &ticker, "--rate", "20", "--changes", "3", "--ndjson", "seen.ndjson"];
    let typed = [&typed[..], &["--url", &desk.viewed]].concat();
    let output = desk.run("market-viewer", &typed, &["ADMIN_TOKEN"])?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.lines().count() == 4, "{output:?}");
    ensure!(said.lines().all(|line| line.contains(&ticker) && line.contains(" bid ")), "{said}");
    let seen = std::fs::read_to_string(desk.folder.join("seen.ndjson"))?;
    let seqs = seen.lines().map(|line| Ok(serde_json::from_str::<Value>(line)?["seq"].as_u64()));
    let seqs = seqs.collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(seqs.len() == 4 && seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let unknown = ["--ticker", "NO-SUCH-MARKET", "--url", &desk.viewed];
    let output = desk.run("market-viewer", &unknown, &["ADMIN_TOKEN"])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    Ok(())
}

/// List, dry run, repair, repair again.
async fn repair(desk: &Desk) -> anyhow::Result<Value> {
    let holes = desk.recovery(&["list"], 0)?;
    ensure!(!list(&holes).is_empty(), "no hole is listed");
    let mut rehearsed = desk.recovery(&["trades", "--dry-run"], 0)?;
    for _ in 0..LOOKS_MAX {
        // The holes end when the sockets came back; they are settled once they are old enough.
        if list(&rehearsed["holes"]).iter().all(|hole| hole["is"] == "repaired") {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        rehearsed = desk.recovery(&["trades", "--dry-run"], 0)?;
    }
    ensure!(rehearsed["trades_written"] == 0 && rehearsed["states_written"] == 0, "{rehearsed}");
    ensure!(sum(&rehearsed["holes"], "fetched_again") > 0, "nothing is missing: {rehearsed}");
    ensure!(list(&desk.recovery(&["list"], 0)?).len() == list(&holes).len(), "a dry run wrote");

    let done = desk.recovery(&["trades"], 0)?;
    ensure!(list(&done["holes"]).iter().all(|hole| hole["is"] == "repaired"), "{done}");
    ensure!(done["states_written"] == list(&holes).len(), "{done}");
    ensure!(done["trades_written"].as_u64() > Some(0), "{done}");
    let again = desk.recovery(&["trades"], 0)?;
    ensure!(list(&again["holes"]).is_empty(), "{again}");
    let all = desk.recovery(&["trades", "--state", "all"], 0)?;
    ensure!(list(&all["holes"]).len() == list(&holes).len(), "{all}");
    ensure!(all["trades_written"] == 0 && all["states_written"] == 0, "{all}");
    ensure!(list(&desk.recovery(&["verify"], 0)?).len() == list(&holes).len());
    Ok(holes)
}

/// A trade that vanishes from the store is noticed and brought back, even of a repaired hole.
async fn tampered_with(desk: &Desk, fleet: &Fleet) -> anyhow::Result<()> {
    let gone = "ALTER TABLE trades DELETE WHERE trade_id = (SELECT min(trade_id) FROM trades \
                WHERE recovered) SETTINGS mutations_sync = 1, allow_nondeterministic_mutations = 1";
    store(fleet).query(gone).execute().await?;
    let verified = desk.recovery(&["verify"], 1)?;
    let wrong: Vec<&Value> = list(&verified).iter().filter(|v| v["is_right"] == false).collect();
    ensure!(wrong.len() == 1, "{verified}");
    let id = wrong[0]["hole"].as_str().context("no id")?;
    ensure!(
        wrong[0]["trades"].as_str().is_some_and(|said| said.ends_with("missing")),
        "{verified}"
    );
    let back = desk.recovery(&["trades", id], 0)?;
    ensure!(back["trades_written"] == 1 && back["states_written"] == 0, "{back}");
    desk.recovery(&["verify", id], 0)?;
    let shown = desk.recovery(&["show", id], 0)?;
    let shown = &shown[0];
    ensure!(
        shown["hole"]["repaired_by"].as_str().is_some_and(|by| by.starts_with("ada ")),
        "{shown}"
    );
    ensure!(shown["trades"]["recovered"].as_u64() > Some(0), "{shown}");
    ensure!(shown["snapshot"]["seq"].is_u64(), "{shown}");
    let audit = list(&shown["audit"]);
    ensure!(audit.iter().all(|entry| entry["by"] == "ada"), "{shown}");
    // Each intent stands before what was done, and both tell the same rows.
    let rows = |outcome: &str| {
        let told = audit.iter().filter(|entry| entry["outcome"] == outcome);
        told.map(|entry| entry["rows"].as_u64().unwrap_or_default()).collect::<Vec<u64>>()
    };
    ensure!(audit[0]["outcome"] == "begun" && rows("ok").len() == 2, "{shown}");
    ensure!(rows("begun").iter().sum::<u64>() == rows("ok").iter().sum::<u64>(), "{shown}");
    Ok(())
}

/// A market that the exchange does not know any more: open while its book is not in the record, then
/// permanent. Nothing of it stays.
async fn given_up(desk: &Desk, fleet: &Fleet) -> anyhow::Result<()> {
    let run = async |sql: &str| store(fleet).query(sql).execute().await;
    let hole = "INSERT INTO gaps (market_ticker, era, from_clock, to_clock, from_ts, to_ts, cause, state, \
                repaired_by, version) VALUES ('GONE-1', 0, 5, 9, now64(3) - 3600, now64(3) - 3590, 'made', \
                'open', '', 1)";
    let snapshot = "INSERT INTO orderbook_events (type, seq, market_ticker, side, price, qty, ts, ingest_ts, \
                    era, clock, origin) VALUES ('snapshot', 8, 'GONE-1', 'yes', 0, 0, now64(3) - 3589, \
                    now64(6) - 3589, 0, 9, 'live')";
    let is = |done: &Value| done["holes"][0]["is"].as_str().map(str::to_owned);
    run(hole).await?;
    ensure!(is(&desk.recovery(&["trades", "GONE-1"], 0)?).as_deref() == Some("open"));
    run(snapshot).await?;
    let done = desk.recovery(&["trades", "GONE-1"], 0)?;
    ensure!(is(&done).as_deref() == Some("permanent"), "{done}");
    ensure!(list(&desk.recovery(&["list", "--state", "permanent"], 0)?).len() == 1);
    for table in ["gaps", "orderbook_events"] {
        let gone = "DELETE WHERE market_ticker = 'GONE-1' SETTINGS mutations_sync = 1";
        run(&format!("ALTER TABLE {table} {gone}")).await?;
    }
    Ok(())
}

/// The report of the day, twice the same bytes.
fn published(desk: &Desk, holes: &Value) -> anyhow::Result<()> {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(path)).with_context(|| path.to_owned());
    let files = desk.recovery(&["report", "--out", "report"], 0)?;
    let name = |name: &Value| Some(desk.folder.join(name.as_str()?).display().to_string());
    let names: Vec<String> = list(&files).iter().filter_map(name).collect();
    let first = names.iter().map(|name| read(name)).collect::<anyhow::Result<Vec<_>>>()?;
    desk.recovery(&["report", "--out", "report"], 0)?;
    let second = names.iter().map(|name| read(name)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(first == second && !first.is_empty(), "a report is not reproducible");
    // Who asks for one market does not take the others from what is published.
    let ticker = holes[0]["ticker"].as_str().context("no ticker")?;
    desk.recovery(&["report", ticker, "--out", "report"], 0)?;
    let third = names.iter().map(|name| read(name)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(third == first, "a part of a day was published as the whole: {third:?}");
    let days = first.iter().zip(&names).filter(|(_, name)| name.ends_with(".json"));
    let counted =
        days.map(|(text, _)| Ok(serde_json::from_str::<Value>(text)?["repaired"].as_u64()));
    let counted: u64 = counted.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().sum();
    ensure!(counted == list(holes).len() as u64, "{first:?}");
    Ok(())
}

/// What was traded before the first subscription is in no hole, nor near one if the start took long; it is
/// fetched by name, and once.
fn before_anybody_listened(desk: &Desk, holes: &Value) -> anyhow::Result<()> {
    let tickers = list(holes).iter().filter_map(|hole| hole["ticker"].as_str());
    let typed: Vec<&str> =
        ["trades"].into_iter().chain(tickers).chain(["--span", "1h..now"]).collect();
    desk.recovery(&typed, 0)?;
    let again = desk.recovery(&typed, 0)?;
    ensure!(sum(&again["markets"], "trades") > 0, "{again}");
    ensure!(sum(&again["markets"], "fetched_again") == 0, "{again}");
    Ok(())
}

/// By a gatherer, by REST where there is none, and refused where there is no market.
fn polled(desk: &Desk, holes: &Value) -> anyhow::Result<()> {
    let ticker = holes[0]["ticker"].as_str().context("no ticker")?;
    let by = |polled: &Value| polled[0]["by"].as_str().map(str::to_owned);
    ensure!(by(&desk.recovery(&["poll", ticker], 0)?).as_deref() == Some("east"));
    let direct = desk.recovery_without(&["GATHERER_ADMIN"], &["poll", ticker], 0)?;
    ensure!(by(&direct).as_deref() == Some("direct"), "{direct}");
    let shown = desk.recovery(&["show", ticker], 0)?;
    let books = list(&shown[0]["books"]);
    ensure!(books.iter().any(|book| book["by"] == "gap-recovery"), "{shown}");
    let unknown = desk.recovery(&["poll", "NO-SUCH-MARKET"], 1)?;
    ensure!(unknown[0]["error"].is_string(), "{unknown}");
    desk.recovery(&["trades", "--state", "broken"], 64)?;
    // A person sees how far it is.
    let drawn = terminal::drawn(desk.command("gap-recovery", &["poll", ticker], &[]))?;
    ensure!(drawn.contains("polling [") && drawn.contains(" 0/1 "), "{drawn:?}");
    Ok(())
}

/// The canonical ClickHouse.
fn store(fleet: &Fleet) -> Client {
    Client::default().with_url(&fleet.deduplicator.engine.url).with_database("kalshi")
}
