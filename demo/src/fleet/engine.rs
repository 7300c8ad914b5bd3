//! A ClickHouse engine of the run: started, killed, and started again where it was.

use std::time::Duration;

use anyhow::bail;

use super::health::client;
use super::program::{Launch, Program, Site};
use crate::host::Hosted;

const ANY_PORT: &str = "127.0.0.1:0";
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A killed engine checks its tables when it comes back.
const ANSWERS_MAX: Duration = Duration::from_secs(120);

/// A ClickHouse engine.
#[derive(Debug)]
pub struct Engine {
    /// Its process.
    pub program: Program,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

impl Engine {
    /// Starts an engine for the program `owner`; its tables lie in the owner's folder. With a password its user
    /// is `kalshi`.
    ///
    /// # Errors
    /// When it does not start, in its own words.
    pub async fn start(site: &Site, owner: &str, password: Option<&str>) -> anyhow::Result<Self> {
        let data = site.folder_for(&format!("{owner}/clickhouse"))?;
        let launch = Launch {
            name: format!("{owner}-clickhouse"),
            hosted: Hosted::ClickHouse,
            args: ["--listen", ANY_PORT, "--data", &data]
                .into_iter()
                .chain(password.iter().flat_map(|password| ["--password", password]))
                .map(str::to_owned)
                .collect(),
            settings: Vec::new(),
        };
        let mut program = Program::start(site, launch)?;
        let url = program.logged(told_url).await?;
        // Who writes to it must find it again after a restart.
        let args = &mut program.launch_mut().args;
        if let Some(listen) = args.iter_mut().find(|arg| *arg == ANY_PORT) {
            url.trim_start_matches("http://").clone_into(listen);
        }
        Ok(Self { program, url })
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.program.kill_with_children().await
    }

    /// Starts it again on the same tables and port, without password, with `more` flags this time and from now on.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&mut self, more: &[&str]) -> anyhow::Result<()> {
        let args = &mut self.program.launch_mut().args;
        args.truncate(4);
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        self.program.start_again()?;
        let ping = format!("{}/ping", self.url);
        for _ in 0..ANSWERS_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            if client()?.get(&ping).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.program.has_ended()? {
                return Err(self.program.failed(status));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bail!("{} did not answer within {ANSWERS_MAX:?}", self.program.name())
    }
}

/// `ClickHouse at URL (user ...`, the engine's one line.
fn told_url(log: &str) -> Option<String> {
    let rest = log.lines().rev().find_map(|line| line.strip_prefix("ClickHouse at "))?;
    Some(rest.split_whitespace().next()?.to_owned())
}
