//! The program as a process: started, asked for its health, stopped or killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::until;

/// A running deduplicator; killed on drop.
pub struct Program {
    child: Child,
    pub http: String,
    pub metrics: String,
}

/// How to start it.
#[derive(Clone)]
pub struct Setting {
    pub dir: PathBuf,
    pub gatherers: String,
    pub clickhouse: String,
    pub database: String,
    pub flags: Vec<String>,
}

pub fn command(setting: &Setting) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalshi-deduplicator"));
    command
        .current_dir(&setting.dir)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
        .args(["--metrics-addr=127.0.0.1:0", "--batch-flush-secs=0.2"])
        .env("HTTP_ADDR", "127.0.0.1:0")
        .arg(format!("--gatherers={}", setting.gatherers))
        .arg(format!("--data-dir={}", setting.dir.join("data").display()))
        .arg(format!("--port-file={}", setting.dir.join("ports.json").display()))
        .arg(format!("--clickhouse-url={}", setting.clickhouse))
        .arg(format!("--clickhouse-database={}", setting.database))
        .arg("--rest-url=none")
        .args(&setting.flags)
        .stdin(Stdio::null());
    command
}

impl Program {
    /// Starts it and waits until it listens.
    pub async fn start(setting: &Setting) -> Self {
        let ports = setting.dir.join("ports.json");
        std::fs::remove_file(&ports).unwrap_or_default();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(setting.dir.join("program.log"))
            .expect("a log");
        let child = command(setting).stderr(log).spawn().expect("the program starts");
        let mut program = Self { child, http: String::new(), metrics: String::new() };
        until("the port file", async || {
            if let Ok(Some(status)) = program.child.try_wait() {
                panic!("it ended at once ({status}):\n{}", program_log(&setting.dir));
            }
            ports.exists()
        })
        .await;
        let text = std::fs::read_to_string(&ports).expect("readable");
        let addresses: Value = serde_json::from_str(&text).expect("JSON");
        program.http = addresses["http"].as_str().expect("an address").to_owned();
        program.metrics = addresses["metrics"].as_str().expect("an address").to_owned();
        program
    }

    pub async fn health(&self) -> Value {
        serde_json::from_str(&get(&self.http, "/health").await).unwrap_or(Value::Null)
    }

    /// Asks it to stop, and waits.
    pub async fn stop(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).expect("it runs");
        until("the program's end", async || self.child.try_wait().expect("ours").is_some()).await;
        self.child.wait().expect("ended")
    }

    /// `kill -9`.
    pub fn crash(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("ended");
    }

    /// User and system time so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let mut ticks = after_name.split_whitespace().skip(11).map(|field| field.parse::<f64>());
        let mut next = || ticks.next().and_then(Result::ok).unwrap_or(0.0);
        // Linux counts in hundredths of a second.
        (next() + next()) / 100.0
    }

    pub fn resident_kb(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0)
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

pub fn program_log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("program.log")).unwrap_or_default()
}

/// The body of `GET path`, whatever the status.
pub async fn get(address: &str, path: &str) -> String {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = answer.await.unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A small chunked answer: the JSON stands between its first brace and its last.
    match (body.find('{'), body.rfind('}')) {
        (Some(from), Some(to)) if path != "/metrics" => body[from..=to].to_owned(),
        _ => body.to_owned(),
    }
}
