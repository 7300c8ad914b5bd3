//! What the stories share: a whole system in a temporary folder, and the comparison at its end.

pub mod browser;
pub mod http;
pub mod load;
pub mod matrix;
pub mod mount;
mod proxy;
mod strikes;

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use demo::chaos;
use demo::fleet::{Fleet, Plan, SimOptions};
use demo::oracle::Report;
use demo::verify::{Holes, Outcome};
use tempfile::TempDir;

use mount::SmallDisk;
pub use proxy::{Line, Proxy};
pub use strikes::{Proxies, Victim};

/// Twenty processes, most of which wait most of the time, are enough for two cores: so many stories
/// at a time, in whatever process they run.
const STORIES_MAX: usize = 2;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What a busy machine may take for a few thousand events.
const EVENTS_MAX: Duration = Duration::from_secs(120);

/// A running system.
pub struct Story {
    /// Its programs.
    pub fleet: Fleet,
    killed: Vec<String>,
    /// Unmounted before the folder is removed.
    disks: Vec<SmallDisk>,
    folder: TempDir,
    /// Held while it runs.
    _turn: File,
}

impl Story {
    /// Starts a system of three gatherers on a simulated exchange and waits until it is connected.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn begin(host: &str, sim: SimOptions) -> anyhow::Result<Self> {
        Self::of(host, sim, 3, |_| ()).await
    }

    /// Starts a system of so many gatherers; `change` may change the plan before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn of(
        host: &str,
        sim: SimOptions,
        gatherers: usize,
        change: impl FnOnce(&mut Plan),
    ) -> anyhow::Result<Self> {
        let turn = turn()?;
        let folder = tempfile::Builder::new().prefix("kalshi-story-").tempdir()?;
        let mut plan =
            Plan::simulated(PathBuf::from(host), folder.path().to_owned(), sim, gatherers);
        // Acks follow checkpoints, and every story ends by waiting for all acks.
        plan.deduplicator_settings.push(("CHECKPOINT_EVERY", "1s".to_owned()));
        change(&mut plan);
        let fleet = Fleet::start(&plan, |_| ()).await?;
        let mut story = Self { fleet, killed: Vec::new(), disks: Vec::new(), folder, _turn: turn };
        story.kept(|story| Box::pin(async { story.fleet.connected().await })).await?;
        story.fleet.sim()?.resume().await?;
        Ok(story)
    }

    /// Runs on until the record has so many events more.
    ///
    /// # Errors
    /// When it does not get them, or a program ends.
    pub async fn events(&mut self, more: u64) -> anyhow::Result<()> {
        let count = |health: demo::fleet::Health| health.count("/canonical/events");
        let before = count(self.fleet.deduplicator.health().await?);
        for _ in 0..EVENTS_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            self.fleet.check_alive()?;
            if count(self.fleet.deduplicator.health().await?) >= before + more {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("no {more} events within {EVENTS_MAX:?}")
    }

    /// Waits until every lane is whole.
    ///
    /// # Errors
    /// When one stays broken.
    pub async fn recovered(&mut self) -> anyhow::Result<()> {
        chaos::recovered(&mut self.fleet).await
    }

    /// Ends a gatherer as by a power cut and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn kill_gatherer(&mut self, who: usize) -> anyhow::Result<()> {
        self.killed.push(self.fleet.gatherers[who].name.clone());
        self.fleet.gatherers[who].kill_and_restart().await
    }

    /// Orders a fault for the connections of one gatherer; `order` names everything but them. One that is
    /// connecting again is waited for: a fault that meets nobody proves nothing.
    ///
    /// # Errors
    /// When the simulator refuses, or the gatherer stays away.
    pub async fn fault(&self, who: usize, mut order: serde_json::Value) -> anyhow::Result<()> {
        let (sim, name) = (self.fleet.sim()?, &self.fleet.gatherers[who].name);
        order["connection"] = sim.connections_of(name)?;
        for _ in 0..EVENTS_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            if sim.fault(&order).await? > 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("{name} has no connection for {EVENTS_MAX:?}: {order} met nobody")
    }

    /// Keeps a disk mounted to the story's end, and says where it is.
    pub fn keep(&mut self, disk: SmallDisk) -> PathBuf {
        let folder = disk.folder().to_owned();
        self.disks.push(disk);
        folder
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it never is, or a program ends.
    pub async fn until(
        &mut self,
        what: &str,
        mut is_so: impl AsyncFnMut(&Fleet) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for _ in 0..EVENTS_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            self.fleet.check_alive()?;
            if is_so(&self.fleet).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("{what}: not within {EVENTS_MAX:?}")
    }

    /// A figure of the deduplicator about a gatherer.
    ///
    /// # Errors
    /// When the deduplicator does not answer.
    pub async fn figure(&self, who: usize, what: &str) -> anyhow::Result<u64> {
        let pointer = format!("/gatherers/{}/{what}", self.fleet.gatherers[who].name);
        Ok(self.fleet.deduplicator.health().await?.count(&pointer))
    }

    /// Waits until a figure of the deduplicator about a gatherer is not zero.
    ///
    /// # Errors
    /// When it stays zero.
    pub async fn noticed(&self, who: usize, what: &str) -> anyhow::Result<()> {
        for _ in 0..EVENTS_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            if self.figure(who, what).await? > 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("the deduplicator never noticed any {what}")
    }

    /// Lets the exchange rest, waits until everything is stored, stops the deduplicator, compares.
    ///
    /// # Errors
    /// When something does not get quiet or cannot be read. The folder is kept then.
    pub async fn verify(&mut self, holes: Holes) -> anyhow::Result<Report> {
        self.kept(|story| {
            Box::pin(async move {
                story.fleet.sim()?.pause().await?;
                story.fleet.caught_up().await?;
                story.fleet.sim()?.flush().await?;
                story.fleet.deduplicator.program.stop().await?;
                Outcome::of(&story.fleet, &story.killed)?.verify(holes).await
            })
        })
        .await
    }

    /// The whole end: compares, asserts that nothing is wrong, stops everything.
    ///
    /// # Errors
    /// When something is wrong. The folder is kept then, and named.
    pub async fn end(mut self, holes: Holes) -> anyhow::Result<Report> {
        let report = self.verify(holes).await?;
        if report.total() > 0 {
            self.folder.disable_cleanup(true);
            let folder = self.folder.path().display();
            bail!("the record is not the truth; see {folder}\n{report}");
        }
        self.fleet.stop().await?;
        Ok(report)
    }

    /// Keeps the folder, and names it, if the outcome is a failure.
    ///
    /// # Errors
    /// The outcome's.
    pub fn kept_if_wrong<T>(&mut self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        if outcome.is_err() {
            self.folder.disable_cleanup(true);
        }
        outcome.with_context(|| format!("the logs are in {}", self.folder.path().display()))
    }

    /// Keeps the folder, with its logs, when what is tried fails.
    async fn kept<T>(
        &mut self,
        what: impl for<'a> FnOnce(
            &'a mut Self,
        )
            -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<T>> + 'a>>,
    ) -> anyhow::Result<T> {
        let outcome = what(self).await;
        self.kept_if_wrong(outcome)
    }
}

/// Waits for one of the other stories of this machine to end.
fn turn() -> anyhow::Result<File> {
    loop {
        for place in 0..STORIES_MAX {
            let path = std::env::temp_dir().join(format!("kalshi-stories-{place}.lock"));
            let file =
                File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
