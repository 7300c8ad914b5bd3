//! Waits until everything that was received is stored everywhere, seen from outside.

use std::time::Duration;

use anyhow::bail;

use super::{Fleet, Health};

const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Longer than the longest wait of the merge for a gatherer, and than a slow store's flush.
const QUIET_MAX: Duration = Duration::from_secs(180);

impl Fleet {
    /// Returns when the exchange is quiet and every frame is durable, acknowledged and stored: twice
    /// in a row with the same figures.
    ///
    /// # Errors
    /// What is still behind when the limit is reached, or a program that has ended.
    pub async fn caught_up(&mut self) -> anyhow::Result<()> {
        let mut behind = "nothing was asked yet".to_owned();
        let mut before = None;
        for _ in 0..QUIET_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            self.check_alive()?;
            match self.figures().await {
                Ok(now) if before.as_ref() == Some(&now) => return Ok(()),
                Ok(now) => before = Some(now),
                Err(still) => {
                    behind = format!("{still:#}");
                    before = None;
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("not caught up after {QUIET_MAX:?}: {behind}")
    }

    /// Returns when every gatherer has all its connections and the deduplicator follows it.
    ///
    /// # Errors
    /// Who is not connected at the limit, or a program that has ended.
    pub async fn connected(&mut self) -> anyhow::Result<()> {
        let mut missing = String::new();
        for _ in 0..QUIET_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            self.check_alive()?;
            match self.all_connected().await {
                Ok(()) => return Ok(()),
                Err(still) => missing = format!("{still:#}"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("not connected after {QUIET_MAX:?}: {missing}")
    }

    async fn all_connected(&self) -> anyhow::Result<()> {
        let merged = self.deduplicator.health().await?;
        for gatherer in &self.gatherers {
            let name = &gatherer.name;
            connected(name, &gatherer.health().await?)?;
            if merged.at(&format!("/gatherers/{name}/connected")) != true {
                bail!("the deduplicator does not follow {name}");
            }
        }
        Ok(())
    }

    /// Positions and counts of a fleet that has nothing left to do; an error names what it has.
    async fn figures(&self) -> anyhow::Result<Vec<String>> {
        let mut figures = Vec::new();
        if let Some(sim) = &self.sim {
            let queued = sim.queued_bytes().await?;
            if queued > 0 {
                bail!("the exchange has {queued} bytes to send");
            }
        }
        for gatherer in &self.gatherers {
            let health = gatherer.health().await?;
            let name = &gatherer.name;
            let written = health.text("/spool/written").to_owned();
            same(name, &health, "/spool/durable", &written)?;
            same(name, &health, "/spool/acked", &written)?;
            same(name, &health, "/clickhouse/cursor", &written)?;
            connected(name, &health)?;
            figures.push(format!("{name} {written} {}", health.count("/frames_total")));
        }
        let health = self.deduplicator.health().await?;
        let written = health.text("/journal/written").to_owned();
        same("the deduplicator", &health, "/journal/durable", &written)?;
        same("the deduplicator", &health, "/clickhouse/cursor", &written)?;
        for gatherer in &self.gatherers {
            let backlog = health.count(&format!("/gatherers/{}/backlog_bytes", gatherer.name));
            if backlog > 0 {
                bail!("the deduplicator has {backlog} bytes of {} to take in", gatherer.name);
            }
        }
        let count = |what: &str| health.count(&format!("/canonical/{what}"));
        let silent = count("uncovered").saturating_sub(count("told_uncovered"));
        if silent > 0 {
            bail!("nobody covers {silent} markets, and the record does not say so yet");
        }
        figures.push(format!("deduplicator {} {}", count("events"), count("pending")));
        Ok(figures)
    }
}

fn same(name: &str, health: &Health, pointer: &str, written: &str) -> anyhow::Result<()> {
    let found = health.text(pointer);
    if found != written || written.is_empty() {
        bail!("{name}: {pointer} is {found}, written is {written}");
    }
    Ok(())
}

fn connected(name: &str, health: &Health) -> anyhow::Result<()> {
    let connections = health.list("/connections");
    let up = connections.iter().filter(|c| c["connected"] == true).count();
    if up < connections.len() || up == 0 {
        bail!("{name}: {up} of {} connections are up", connections.len());
    }
    Ok(())
}
