//! One started program: its process, its log, and how it is ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::usage;
use crate::host::Hosted;

/// A cold engine on a busy machine, or the first fetch of it, is the slowest start.
const READY_MAX: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A program that has not stopped after this is killed, and that is a failure.
const STOP_MAX: Duration = Duration::from_secs(45);
/// The host of an engine looks after it twice a second.
const NOTICED_MAX: Duration = Duration::from_secs(5);

/// Settings of the caller's shell must not leak into what is started.
const OUR_SETTINGS: [&str; 48] = [
    "PROD_KEYID",
    "PROD_KEYFILE",
    "WS_URL",
    "WS_HOSTNAME",
    "REST_URL",
    "MARKET_TICKERS",
    "GATHERER_ID",
    "DATA_DIR",
    "CLICKHOUSE_URL",
    "CLICKHOUSE_USER",
    "CLICKHOUSE_PASSWORD",
    "CLICKHOUSE_DATABASE",
    "BATCH_ROWS",
    "BATCH_FLUSH_SECS",
    "GRPC_ADDR",
    "GRPC_TLS_CERT",
    "GRPC_TLS_KEY",
    "GRPC_TLS_CA",
    "GRPC_INSECURE",
    "HTTP_ADDR",
    "METRICS_ADDR",
    "ADMIN_TOKEN",
    "GATHERERS",
    "PARQUET_DIR",
    "PARQUET_MAX_BYTES",
    "CATALOG_URL",
    "CA_FILE",
    "MARKETS_PER_CONNECTION",
    "MARKETS_REFRESH_SECS",
    "MVE_MARKETS",
    "MARKET_LINGER_SECS",
    "REBALANCE_SECS",
    "POLL_EVERY_SECS",
    "POLL_SLOT",
    "REST_PERCENT",
    "SPOOL_QUOTA_BYTES",
    "RETENTION",
    "PORT_FILE",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "LOG_DIR",
    "DEDUPLICATOR_ID",
    "MARKET_SHARE",
    "HOLE_WAIT",
    "START_WAIT",
    "CONFIRM_WAIT",
    "CHECKPOINT_EVERY",
    "RUST_LOG",
];

/// What to start, under which name, with what.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Names its log and port file.
    pub name: String,
    /// The program.
    pub hosted: Hosted,
    /// Its flags.
    pub args: Vec<String>,
    /// Its settings.
    pub settings: Vec<(&'static str, String)>,
}

/// Where programs are started from and leave their traces.
#[derive(Clone, Debug)]
pub struct Site {
    /// The binary that hosts them (see `host`).
    pub host: PathBuf,
    /// The run's folder: `logs/`, `ports/` and a folder for each program.
    pub folder: PathBuf,
}

/// A program that was started at least once.
#[derive(Debug)]
pub struct Program {
    site: Site,
    launch: Launch,
    child: Option<Child>,
}

impl Site {
    /// Makes the folders.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn prepare(&self) -> anyhow::Result<()> {
        for folder in ["logs", "ports"] {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(())
    }

    /// A folder for one program, made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder_for(&self, name: &str) -> anyhow::Result<String> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        folder.into_os_string().into_string().ok().context("the folder's path is not UTF-8")
    }

    /// Where the program `name` tells its ports.
    pub fn port_file(&self, name: &str) -> PathBuf {
        self.folder.join("ports").join(format!("{name}.json"))
    }

    /// Where the output of the program `name` goes.
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{name}.log"))
    }
}

impl Program {
    /// Starts a program; [`Program::ready`] says when it listens.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn start(site: &Site, launch: Launch) -> anyhow::Result<Self> {
        let mut program = Self { site: site.clone(), launch, child: None };
        program.start_again()?;
        Ok(program)
    }

    /// Starts it once more, as before; its log goes on.
    ///
    /// # Errors
    /// When it still runs, or the process cannot be made.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let name = &self.launch.name;
        if self.child.is_some() {
            bail!("{name} still runs");
        }
        match fs::remove_file(self.port_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove the port file of {name}"));
            }
            _ => {}
        }
        let log = self.log()?;
        let mut command = Command::new(&self.site.host);
        command.arg(self.launch.hosted.sub_command()).args(&self.launch.args);
        for setting in OUR_SETTINGS {
            command.env_remove(setting);
        }
        command.envs(self.launch.settings.iter().map(|(key, value)| (key, value)));
        // Its own group: Ctrl-C at a terminal reaches the demo only, which stops all in order.
        command.process_group(0).kill_on_drop(true);
        // In its own folder, so that a `.env` in the caller's is not read.
        command.current_dir(&self.site.folder).stdin(Stdio::piped());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        self.child = Some(child);
        Ok(())
    }

    fn log(&self) -> anyhow::Result<File> {
        let path = self.log_file();
        let options = File::options().create(true).append(true).open(&path);
        options.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// What it is started with; a change holds from the next start on.
    pub fn launch_mut(&mut self) -> &mut Launch {
        &mut self.launch
    }

    /// Where its output goes.
    pub fn log_file(&self) -> PathBuf {
        self.site.log_file(&self.launch.name)
    }

    fn port_file(&self) -> PathBuf {
        self.site.port_file(&self.launch.name)
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// How it ended, if it did so without being asked to.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        Ok(child.try_wait()?)
    }

    /// Waits until it has told its ports, and gives what it wrote.
    ///
    /// # Errors
    /// When it ends before, with the last line of its log, or takes too long.
    pub async fn ready(&mut self) -> anyhow::Result<String> {
        let path = self.port_file();
        self.wait_for(move |_| fs::read_to_string(&path).ok().filter(|text| !text.is_empty())).await
    }

    /// Waits until `found` finds what it looks for in the program's log.
    ///
    /// # Errors
    /// As [`Program::ready`].
    pub async fn logged<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        self.wait_for(|log| found(&fs::read_to_string(log).ok()?)).await
    }

    async fn wait_for<T>(&mut self, look: impl Fn(&Path) -> Option<T>) -> anyhow::Result<T> {
        let log = self.log_file();
        let waiting = async {
            loop {
                if let Some(found) = look(&log) {
                    return Ok(found);
                }
                if let Some(status) = self.has_ended()? {
                    self.child = None;
                    return Err(self.failed(status));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match tokio::time::timeout(READY_MAX, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("{} was not ready within {READY_MAX:?}: {}", self.name(), self.said()),
        }
    }

    /// Why it ended, in its own words.
    pub fn failed(&self, status: ExitStatus) -> anyhow::Error {
        anyhow::anyhow!("{} ended ({status}): {}", self.launch.name, self.said())
    }

    /// The last line of its log.
    pub fn said(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(no output)").to_owned()
    }

    /// Ends it as a power cut would, and waits for that.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.with_context(|| format!("cannot kill {}", self.launch.name))?;
        }
        Ok(())
    }

    /// Ends what it started, then itself, as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill_with_children(&mut self) -> anyhow::Result<()> {
        let started = self.pid().map(usage::children).unwrap_or_default();
        for pid in started {
            // One that has ended meanwhile is what is wanted.
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL).unwrap_or_default();
        }
        // It takes note of its child's end, so that nothing of it is left when we go on.
        if let Some(child) = &mut self.child
            && tokio::time::timeout(NOTICED_MAX, child.wait()).await.is_ok()
        {
            self.child = None;
        }
        self.kill().await
    }

    /// Waits until it has ended without being asked to.
    ///
    /// # Errors
    /// When it still runs at the limit.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let Some(child) = &mut self.child else { bail!("{} does not run", self.launch.name) };
        // Waiting closes it otherwise, and a hosted program takes that for its parent's end.
        let stdin = child.stdin.take();
        let Ok(status) = tokio::time::timeout(limit, child.wait()).await else {
            bail!("{} still runs after {limit:?}: {}", self.launch.name, self.said());
        };
        drop(stdin);
        self.child = None;
        Ok(status?)
    }

    /// Sets or, with `None`, removes a setting; it holds from the next start on.
    pub fn set(&mut self, name: &'static str, value: Option<String>) {
        self.launch.settings.retain(|(known, _)| *known != name);
        self.launch.settings.extend(value.map(|value| (name, value)));
    }

    /// Holds the process where it is, or lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.launch.name))?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        Ok(())
    }

    /// Asks it to stop and waits for that.
    ///
    /// # Errors
    /// When it did not stop in time (it is killed then), or ended with a failure.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let (None, Some(pid)) = (child.try_wait()?, child.id()) {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        let Ok(status) = tokio::time::timeout(STOP_MAX, child.wait()).await else {
            child.kill().await?;
            bail!("{} did not stop within {STOP_MAX:?}: {}", self.launch.name, self.said());
        };
        let status = status?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }
}
