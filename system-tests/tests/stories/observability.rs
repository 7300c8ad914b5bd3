//! What an operator sees is true: health, metrics, logs and the health sub-command of a running system.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use demo::verify::Holes;
use serde_json::Value;
use service::metrics::Metric;
use system_tests::{Story, http};

use crate::{PROGRAMS, market};

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// For anything that comes by itself on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `look` finds something; fails with what was found last.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
        match look().await {
            Ok(found) => return found,
            Err(seen) => last = seen,
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    panic!("waited in vain: {what}: {last}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_shows_what_it_does() -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    let folder = logs.path().display().to_string();
    let mut story = Story::of(PROGRAMS, market(31), 2, |plan| {
        for settings in [&mut plan.gatherer_settings, &mut plan.deduplicator_settings] {
            settings.push(("LOG_DIR", folder.clone()));
            settings.push(("LOG_FORMAT", "json".to_owned()));
        }
        // Files are closed within the test, and checkpoints made.
        plan.deduplicator_settings.push(("PARQUET_MAX_BYTES", "20000".to_owned()));
        plan.deduplicator_settings.push(("CHECKPOINT_EVERY", "1s".to_owned()));
    })
    .await?;
    story.events(3_000).await?;
    everything_is_exported(&story).await;
    health_proves_the_flow(&story).await;
    a_lost_gatherer_is_told(&mut story).await?;
    story.end(Holes::None).await?;
    logs_are_whole(logs.path())
}

/// Both ways: what runs exports the lists, and nothing else.
async fn everything_is_exported(story: &Story) {
    let shared = [service::metrics::METRICS, store::METRICS].concat();
    for (address, own) in [
        (&story.fleet.gatherers[0].metrics, gatherer::METRICS),
        (&story.fleet.deduplicator.metrics, deduplicator::METRICS),
    ] {
        let listed: BTreeSet<String> =
            [&shared, own].concat().iter().map(|metric: &Metric| metric.name.to_owned()).collect();
        until("the exported metrics are the listed ones", async || {
            let text = http::get(address, "/metrics").await.map_err(|error| error.to_string())?;
            let exported = exported(&text.body);
            let missing: Vec<_> =
                listed.difference(&exported).filter(|name| !is_rare(name)).collect();
            let unknown: Vec<_> = exported.difference(&listed).collect();
            if missing.is_empty() && unknown.is_empty() {
                return Ok(());
            }
            Err(format!("{address}: not exported {missing:?}, not listed {unknown:?}"))
        })
        .await;
    }
}

/// Counters whose label nobody knows before it happens.
fn is_rare(name: &str) -> bool {
    ["gatherer_rest_failures_total"].contains(&name)
}

/// The names in Prometheus text, by their `# TYPE` lines; a name without one is an error of the page.
fn exported(text: &str) -> BTreeSet<String> {
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let typed: BTreeSet<String> =
        typed.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_typed = typed.contains(name) || plain.is_some_and(|plain| typed.contains(plain));
        assert!(is_typed, "{line} has no type");
    }
    typed
}

async fn health_proves_the_flow(story: &Story) {
    let address = &story.fleet.deduplicator.http;
    let health = until("rows are ingested", async || {
        let answer = http::get(address, "/health").await.map_err(|error| error.to_string())?;
        let health = answer.json().map_err(|error| error.to_string())?;
        let rows = health["clickhouse"]["rows_ingested_last_5m"].as_u64().unwrap_or(0);
        let is_well = answer.code == 200 && health["status"] == "ok";
        if rows > 0 && is_well { Ok(health) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(health["reasons"], Value::Array(Vec::new()));
    let east = &health["gatherers"]["east"];
    assert_eq!(east["connected"], true, "{health}");
    assert!(east["frames"].as_u64() > Some(0), "{health}");
    assert!(east["lag_seconds"].is_f64() && east["backlog_bytes"].is_u64(), "{health}");
    assert!(east["last_frame_ms_ago"].is_i64() || east["last_frame_ms_ago"].is_u64(), "{health}");
    assert_eq!(http::get(address, "/ready").await.expect("it answers").code, 200);
    let before = health["canonical"]["events"].as_u64();
    until("totals grow", async || {
        let answer = http::get(address, "/health").await.map_err(|error| error.to_string())?;
        let health = answer.json().map_err(|error| error.to_string())?;
        if health["canonical"]["events"].as_u64() > before { Ok(()) } else { Err(answer.body) }
    })
    .await;
    let gatherer = http::get(&story.fleet.gatherers[0].http, "/health").await.expect("it answers");
    let gatherer = gatherer.json().expect("JSON");
    assert_eq!(gatherer["status"], "ok", "{gatherer}");
    assert!(gatherer["frames_last_5m"].as_u64() > Some(0), "{gatherer}");
    let page = http::get(address, "/").await.expect("the page");
    assert!(
        page.head.contains("default-src 'none'") && page.body.contains("<h1>"),
        "{}",
        page.head
    );
    let status =
        http::get(address, "/status.json").await.expect("it answers").json().expect("JSON");
    assert!(status["history"]["events_per_second"].is_array(), "{status}");
}

async fn a_lost_gatherer_is_told(story: &mut Story) -> anyhow::Result<()> {
    let deduplicator = story.fleet.deduplicator.http.clone();
    let east = story.fleet.gatherers[0].http.clone();
    assert_eq!(probe("__gatherer", &east, &[])?, (Some(0), "ok".to_owned()));
    assert_eq!(probe("__deduplicator", &deduplicator, &["--strict"])?, (Some(0), "ok".to_owned()));
    assert_eq!(
        probe("__deduplicator", &deduplicator, &["--ready"])?,
        (Some(0), "ready".to_owned())
    );
    story.fleet.gatherers[0].program.kill().await?;
    until("the loss is told", async || {
        let answer =
            http::get(&deduplicator, "/health").await.map_err(|error| error.to_string())?;
        let told = answer.body.contains("gatherer east is not connected");
        if told && answer.code == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    let (code, line) = probe("__deduplicator", &deduplicator, &[])?;
    assert!(code == Some(0) && line.starts_with("degraded: ") && line.contains("east"), "{line}");
    let (code, line) = probe("__deduplicator", &deduplicator, &["--strict"])?;
    assert_eq!(code, Some(1), "{line}");
    let (code, line) = probe("__gatherer", &east, &[])?;
    assert!(code == Some(1) && line.starts_with("no answer: "), "{line}");
    // It is dead already; this starts it again and notes for the comparison that it was killed.
    story.kill_gatherer(0).await?;
    story.recovered().await
}

/// Runs the health sub-command: its exit code, and the line that it prints.
fn probe(program: &str, address: &str, flags: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let mut child = Command::new(PROGRAMS)
        .args([program, "health", "--http-addr", address])
        .args(flags)
        // The hosting binary ends what it hosts when its own stdin closes.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the sub-command starts")?;
    let held = child.stdin.take();
    let output = child.wait_with_output()?;
    drop(held);
    Ok((output.status.code(), String::from_utf8(output.stdout)?.trim().to_owned()))
}

/// Every line is one JSON object of the promised form; a run tells its life in order.
fn logs_are_whole(folder: &std::path::Path) -> anyhow::Result<()> {
    let mut programs = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        programs.insert(name.split('.').next().unwrap_or_default().to_owned());
        let text = std::fs::read_to_string(&path)?;
        let mut events = Vec::new();
        for line in text.lines() {
            let said: Value =
                serde_json::from_str(line).with_context(|| format!("{name}: {line}"))?;
            for field in ["ts", "level", "component", "event"] {
                assert!(
                    said[field].as_str().is_some_and(|text| !text.is_empty()),
                    "{field}: {line}"
                );
            }
            assert!(
                said["ts"].as_str().is_some_and(|ts| ts.len() == 24 && ts.ends_with('Z')),
                "{line}"
            );
            if said["level"] != "DEBUG" {
                events.push(said["event"].as_str().unwrap_or_default().to_owned());
            }
        }
        let has = |event: &str| events.iter().any(|said| said == event);
        for event in [
            "startup_config",
            "heartbeat",
            "received_signal",
            "shutdown_requested",
            "shutdown_complete",
        ] {
            assert!(has(event), "{name} lacks {event}: {events:?}");
        }
        if name.starts_with("gatherer") {
            assert!(has("ws_connecting") && has("ws_connected"), "{name}: {events:?}");
            assert!(text.contains("\"event\":\"frame_sampled\""), "no frame was sampled");
        }
        assert!(events.len() < 600, "{} lines above DEBUG in {name}: {events:?}", events.len());
    }
    assert_eq!(programs, ["deduplicator", "gatherer"].map(str::to_owned).into());
    Ok(())
}
