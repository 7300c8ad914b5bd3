//! The status page in a real browser. Needs Chromium, so it runs by `bash .ci/browser`, which installs it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use demo::verify::Holes;
use serde_json::Value;
use system_tests::Story;
use system_tests::browser::{Browser, Look};

use crate::{PROGRAMS, market};

const LOOK_AGAIN: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
/// From the kill to the word on the page.
const TOLD_MAX: Duration = Duration::from_secs(5);

const DESK: Look = Look { name: "desk-light", width: 1280, scheme: "light" };
const LOOKS: [Look; 4] = [
    DESK,
    Look { name: "desk-dark", width: 1280, scheme: "dark" },
    Look { name: "phone-light", width: 390, scheme: "light" },
    Look { name: "phone-dark", width: 390, scheme: "dark" },
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: `bash .ci/browser` installs it and runs this"]
async fn the_status_page_is_live_readable_and_tells_a_killed_gatherer() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(41)).await?;
    story.events(2_000).await?;
    let folder = tempfile::tempdir()?;
    let browser = Browser::start(folder.path()).await?;
    browser.look(DESK).await?;
    browser.open(&format!("http://{}/", story.fleet.deduplicator.http)).await?;
    renders_and_updates(&browser).await?;
    shows_a_chosen_market(&browser).await?;
    for look in LOOKS {
        browser.look(look).await?;
        fits(&browser, look).await?;
        keep(&browser, look.name).await?;
    }
    browser.look(DESK).await?;
    tells_a_killed_gatherer(&browser, &mut story).await?;
    let console = browser.console().await?;
    ensure!(console.is_empty(), "the page complained: {console:?}");
    tells_that_nobody_answers(&browser, &mut story).await?;
    browser.close().await?;
    story.end(Holes::None).await?;
    Ok(())
}

/// Waits until a script returns true; fails with what another says about the page.
async fn until(
    browser: &Browser,
    what: &str,
    script: &str,
    most: Duration,
) -> anyhow::Result<Duration> {
    let began = now();
    while now() - began < most {
        if browser.run(&format!("return {script}")).await? == Value::Bool(true) {
            return Ok(now() - began);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let page = browser.run("return document.body.innerText").await?;
    anyhow::bail!("{what}: not within {most:?}; the page says {page}")
}

#[expect(clippy::disallowed_methods, reason = "what is tested is how long a person waits")]
fn now() -> Instant {
    Instant::now()
}

async fn text(browser: &Browser, id: &str) -> anyhow::Result<String> {
    let value = browser.run(&format!("return document.getElementById('{id}').textContent")).await?;
    Ok(value.as_str().context("an element without text")?.to_owned())
}

async fn renders_and_updates(browser: &Browser) -> anyhow::Result<()> {
    let ok = "document.getElementById('status-word').textContent === 'ok'";
    until(browser, "the status", ok, PATIENCE).await?;
    let rows = "document.querySelectorAll('#gatherers tr .state.ok').length === 3";
    until(browser, "three connected gatherers", rows, PATIENCE).await?;
    let flows = "document.querySelectorAll('#busiest tr').length > 5 && document.querySelector('#spark .line') !== null";
    until(browser, "busy markets and a line of rates", flows, PATIENCE).await?;
    let events = text(browser, "events").await?;
    let grown = format!("document.getElementById('events').textContent !== '{events}'");
    until(browser, "the total of events grows", &grown, PATIENCE).await?;
    let stores = "document.querySelectorAll('.stores .state.ok').length === 2";
    until(browser, "both stores work", stores, PATIENCE).await?;
    Ok(())
}

async fn shows_a_chosen_market(browser: &Browser) -> anyhow::Result<()> {
    let chosen = browser
        .run("const b = document.querySelectorAll('#busiest button')[2]; b.click(); return b.textContent")
        .await?;
    let chosen = chosen.as_str().context("a ticker")?.to_owned();
    let shown = format!(
        "document.getElementById('book-ticker').textContent === '{chosen}' && document.getElementById('book-note').textContent.includes('seq')"
    );
    until(browser, "its book", &shown, PATIENCE).await?;
    let ladder = "document.querySelectorAll('#bids tr').length + document.querySelectorAll('#asks tr').length > 0 && document.querySelector('#depth path') !== null";
    until(browser, "a ladder and a depth chart", ladder, PATIENCE).await?;
    let note = text(browser, "book-note").await?;
    let moved =
        format!("document.getElementById('book-note').textContent !== {}", Value::from(note));
    until(browser, "the book moves", &moved, PATIENCE).await?;
    Ok(())
}

/// Nothing is wider than the screen, every figure has its words, and the colours follow the scheme.
async fn fits(browser: &Browser, look: Look) -> anyhow::Result<()> {
    let wide = browser.run("return document.documentElement.scrollWidth").await?;
    ensure!(wide.as_u64() <= Some(u64::from(look.width)), "{}: {wide} pixels wide", look.name);
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await?;
    let is_dark = ground == "rgb(14, 17, 21)";
    ensure!(is_dark == (look.scheme == "dark"), "{}: the ground is {ground}", look.name);
    let mute = browser
        .run("return [...document.querySelectorAll('svg')].filter((it) => !it.getAttribute('aria-label')).length + [...document.querySelectorAll('input')].filter((it) => !document.querySelector(`label[for=\"${it.id}\"]`)).length")
        .await?;
    ensure!(mute == 0, "{mute} pictures or fields have no words");
    Ok(())
}

async fn keep(browser: &Browser, name: &str) -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os("SCREENSHOTS").map(PathBuf::from) else { return Ok(()) };
    std::fs::write(folder.join(format!("{name}.png")), browser.screenshot().await?)?;
    Ok(())
}

async fn tells_a_killed_gatherer(browser: &Browser, story: &mut Story) -> anyhow::Result<()> {
    let name = story.fleet.gatherers[1].name.clone();
    story.fleet.gatherers[1].program.kill().await?;
    let told = format!(
        "[...document.querySelectorAll('#gatherers tr')].some((row) => row.dataset.key === '{name}' && row.textContent.includes('not connected')) && document.getElementById('status-word').textContent === 'degraded'"
    );
    let took = until(browser, "a killed gatherer", &told, TOLD_MAX).await?;
    eprintln!("the page told the killed gatherer after {took:?}");
    ensure!(text(browser, "reasons").await?.contains(&format!("gatherer {name} is not connected")));
    keep(browser, "desk-light-killed").await?;
    story.kill_gatherer(1).await?;
    story.recovered().await?;
    let well = "document.querySelectorAll('#gatherers tr .state.ok').length === 3";
    until(browser, "it is back", well, PATIENCE).await.map(drop)
}

async fn tells_that_nobody_answers(browser: &Browser, story: &mut Story) -> anyhow::Result<()> {
    story.fleet.deduplicator.program.kill().await?;
    let told =
        "document.getElementById('status-word').textContent === 'deduplicator does not answer'";
    until(browser, "no answer", told, PATIENCE).await?;
    story.fleet.deduplicator.kill_and_restart().await
}
