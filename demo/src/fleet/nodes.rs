//! A gatherer, the deduplicator and their ClickHouse engines: what each is told, where it listens.

use anyhow::Context as _;
use serde_json::Value;

use super::engine::Engine;
use super::health::Health;
use super::program::{Launch, Program, Site};
use crate::host::Hosted;

/// The deduplicator's name among the programs.
pub const DEDUPLICATOR: &str = "deduplicator";
const ANY_PORT: &str = "127.0.0.1:0";

/// A gatherer with its ClickHouse.
#[derive(Debug)]
pub struct Gatherer {
    /// `GATHERER_ID`.
    pub name: String,
    /// Its process.
    pub program: Program,
    /// Its ClickHouse.
    pub engine: Engine,
    /// Deduplicators dial here.
    pub grpc: String,
    /// `/health` and `/ready`.
    pub http: String,
    /// `/metrics`.
    pub metrics: String,
}

/// The deduplicator with the canonical ClickHouse.
#[derive(Debug)]
pub struct Deduplicator {
    /// Its process.
    pub program: Program,
    /// The canonical ClickHouse.
    pub engine: Engine,
    /// `/health` and `/ready`.
    pub http: String,
    /// `/metrics`.
    pub metrics: String,
    /// `PARQUET_DIR`.
    pub parquet: std::path::PathBuf,
}

impl Gatherer {
    /// Starts a gatherer that writes to `engine` and captures what `venue` says.
    ///
    /// # Errors
    /// When it does not start, in its own words.
    pub async fn start(
        site: &Site,
        name: &str,
        engine: Engine,
        venue: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let mut settings = vec![
            ("GATHERER_ID", name.to_owned()),
            ("DATA_DIR", site.folder_for(&format!("{name}/data"))?),
            ("CLICKHOUSE_URL", engine.url.clone()),
            ("GRPC_ADDR", ANY_PORT.to_owned()),
            ("HTTP_ADDR", ANY_PORT.to_owned()),
            ("METRICS_ADDR", ANY_PORT.to_owned()),
            ("PORT_FILE", site.port_file(name).display().to_string()),
        ];
        settings.extend_from_slice(venue);
        let launch =
            Launch { name: name.to_owned(), hosted: Hosted::Gatherer, args: Vec::new(), settings };
        let mut program = Program::start(site, launch)?;
        let ports = program.ready().await?;
        let [grpc, http, metrics] = ["grpc", "http", "metrics"].map(|what| told(&ports, what));
        let (grpc, http, metrics) = (grpc?, http?, metrics?);
        // Whoever dials it, and whoever watches it, must find it again after a restart.
        for (key, value) in &mut program.launch_mut().settings {
            match *key {
                "GRPC_ADDR" => value.clone_from(&grpc),
                "HTTP_ADDR" => value.clone_from(&http),
                "METRICS_ADDR" => value.clone_from(&metrics),
                _ => {}
            }
        }
        Ok(Self { name: name.to_owned(), program, engine, grpc, http, metrics })
    }

    /// Ends it as a power cut would and starts it again, in the same folder, at the same ports.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.program.kill().await?;
        self.restart().await
    }

    /// Starts it again after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.program.start_again()?;
        self.program.ready().await?;
        Ok(())
    }

    /// What its health endpoint says.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> anyhow::Result<Health> {
        Health::of(&self.http).await
    }
}

impl Deduplicator {
    /// Starts the deduplicator on the streams of `gatherers`, writing to `engine`.
    ///
    /// # Errors
    /// When it does not start, in its own words.
    pub async fn start(
        site: &Site,
        engine: Engine,
        gatherers: &[Gatherer],
        more: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let parquet = site.folder_for(&format!("{DEDUPLICATOR}/parquet"))?;
        // With certificates the gatherers answer to TLS only, and these name the host, not its address.
        let secured = more.iter().any(|(name, _)| *name == "GRPC_TLS_CERT");
        let dialled = gatherers.iter().map(|g| match g.grpc.rsplit_once(':') {
            Some((_, port)) if secured => format!("{}=https://localhost:{port}", g.name),
            _ => format!("{}=http://{}", g.name, g.grpc),
        });
        let mut settings = vec![
            ("GATHERERS", dialled.collect::<Vec<_>>().join(",")),
            ("DATA_DIR", site.folder_for(&format!("{DEDUPLICATOR}/data"))?),
            ("CLICKHOUSE_URL", engine.url.clone()),
            ("PARQUET_DIR", parquet.clone()),
            ("HTTP_ADDR", ANY_PORT.to_owned()),
            ("METRICS_ADDR", ANY_PORT.to_owned()),
            ("PORT_FILE", site.port_file(DEDUPLICATOR).display().to_string()),
        ];
        settings.extend_from_slice(more);
        let launch = Launch {
            name: DEDUPLICATOR.to_owned(),
            hosted: Hosted::Deduplicator,
            args: Vec::new(),
            settings,
        };
        let program = Program::start(site, launch)?;
        let (http, metrics) = (String::new(), String::new());
        let mut it = Self { program, engine, http, metrics, parquet: parquet.into() };
        it.learn_ports().await?;
        Ok(it)
    }

    /// Starts it again after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.program.start_again()?;
        self.learn_ports().await
    }

    /// Learns where it listens: it takes new ports at every start.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn learn_ports(&mut self) -> anyhow::Result<()> {
        let ports = self.program.ready().await?;
        (self.http, self.metrics) = (told(&ports, "http")?, told(&ports, "metrics")?);
        Ok(())
    }

    /// Ends it as a power cut would and starts it again in the same folder.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.program.kill().await?;
        self.restart().await
    }

    /// What its health endpoint says.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> anyhow::Result<Health> {
        Health::of(&self.http).await
    }
}

fn told(ports: &str, what: &str) -> anyhow::Result<String> {
    let ports: Value = serde_json::from_str(ports).context("the port file is not JSON")?;
    let told = ports.get(what).and_then(Value::as_str);
    Ok(told.with_context(|| format!("the port file does not name {what}"))?.to_owned())
}
