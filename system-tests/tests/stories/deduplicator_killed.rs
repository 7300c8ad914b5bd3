//! The deduplicator dies as by a power cut and goes on from its journal: nothing twice, nothing missing. Somebody
//! looks at a book meanwhile and sees it go on by itself.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, ensure};
use demo::verify::Holes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use system_tests::Story;

use crate::{PROGRAMS, TOOLS, busiest, market};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_deduplicator_goes_on_where_it_was() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(14)).await?;
    // Who looks at it must find it again.
    let http = story.fleet.deduplicator.http.clone();
    story.fleet.deduplicator.program.set("HTTP_ADDR", Some(http));
    let viewer = Viewer::of(&story).await?;
    for _ in 0..2 {
        story.events(2_000).await?;
        story.fleet.deduplicator.kill_and_restart().await?;
        story.fleet.connected().await?;
        let seen = viewer.seen()?.len();
        story.until("the viewer sees changes", async |_| Ok(viewer.seen()?.len() > seen)).await?;
    }
    story.events(2_000).await?;
    viewer.ends()?;
    story.end(Holes::None).await?;
    Ok(())
}

/// A `market-viewer` that writes down what it sees.
struct Viewer {
    child: Child,
    lines: PathBuf,
    said: PathBuf,
}

impl Viewer {
    async fn of(story: &Story) -> anyhow::Result<Self> {
        let folder = &story.fleet.site.folder;
        let (lines, said) = (folder.join("seen.ndjson"), folder.join("logs/market-viewer.log"));
        let ticker = busiest(&story.fleet).await?;
        let url = format!("http://{}", story.fleet.deduplicator.http);
        let mut command = Command::new(TOOLS);
        command.args(["market-viewer", "--rate", "20", "--ticker", &ticker, "--url", &url]);
        command.arg("--ndjson").arg(&lines).env_clear();
        command.stdout(File::create(folder.join("seen.txt"))?).stderr(File::create(&said)?);
        Ok(Self { child: command.spawn().context("market-viewer")?, lines, said })
    }

    /// The numbers of the books in its file.
    fn seen(&self) -> anyhow::Result<Vec<u64>> {
        let lines = fs::read_to_string(&self.lines).unwrap_or_default();
        let seq = |line: &str| {
            serde_json::from_str::<Value>(line)?["seq"].as_u64().context("a book without seq")
        };
        lines.lines().map(seq).collect()
    }

    /// It was not ended by the kills and saw every book once and in order.
    fn ends(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT)?;
        let status = self.child.wait()?;
        let said = fs::read_to_string(&self.said)?;
        ensure!(status.success(), "{status}: {said}");
        let seen = self.seen()?;
        ensure!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
        // A restart that is quick enough is only a late answer: its port listens before it is asked again.
        let told = |what: &str| said.matches(what).count();
        ensure!(told("asking on") == told("answered again"), "{said}");
        Ok(())
    }
}

/// A story that fails must not leave it behind.
impl Drop for Viewer {
    fn drop(&mut self) {
        // Either fails if it has ended already.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
