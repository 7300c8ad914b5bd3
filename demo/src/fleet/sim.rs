//! The simulated exchange: how it is started, and orders to it while it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::health::client;
use super::keys::Keys;
use super::program::{Launch, Program, Site};
use crate::host::Hosted;

const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A minute.
const MAINTENANCE_LOOKS_MAX: u32 = 1_200;

/// How the exchange behaves.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Deltas a second over all markets.
    pub rate: u32,
    /// Markets.
    pub markets: u32,
    /// Decides everything that is random.
    pub seed: u64,
    /// Recorded frames to play instead of a market of its own.
    pub replay: Option<PathBuf>,
    /// `made-up` or `none`.
    pub replay_clock: String,
    /// Whether the exchange speaks TLS, as the real one does.
    pub tls: bool,
    /// What the gatherers are told to capture.
    pub market_tickers: String,
    /// Further flags.
    pub more: Vec<String>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            rate: 2_000,
            markets: 200,
            seed: 1,
            replay: None,
            replay_clock: "made-up".to_owned(),
            tls: true,
            market_tickers: "all".to_owned(),
            more: Vec::new(),
        }
    }
}

/// The running simulator.
#[derive(Debug)]
pub struct Sim {
    /// Its process.
    pub program: Program,
    /// `127.0.0.1:PORT` of WebSocket, REST and orders.
    pub addr: String,
    /// Its log of everything that happened.
    pub truth: PathBuf,
    keys: BTreeMap<String, Keys>,
    ca_file: Option<PathBuf>,
    market_tickers: String,
}

impl SimOptions {
    fn args(&self) -> Vec<String> {
        let mut args = vec!["--seed".to_owned(), self.seed.to_string()];
        let mut flag = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
        match &self.replay {
            Some(file) => {
                flag("--replay", file.display().to_string());
                flag("--replay-clock", self.replay_clock.clone());
                // Nothing may be played before somebody listens.
                args.push("--start-paused".to_owned());
            }
            None => {
                flag("--markets", self.markets.to_string());
                flag("--rate", self.rate.to_string());
            }
        }
        args.extend(self.more.iter().cloned());
        args
    }
}

impl Sim {
    /// Starts the simulator. Each gatherer gets a key of its own, by which faults find it.
    ///
    /// # Errors
    /// When it does not start, in its own words.
    pub async fn start(
        site: &Site,
        options: &SimOptions,
        gatherers: &[String],
    ) -> anyhow::Result<Self> {
        let folder = PathBuf::from(site.folder_for("exchange")?);
        let keys = gatherers.iter().map(|name| Ok((name.clone(), Keys::make(&folder, name)?)));
        let keys: BTreeMap<String, Keys> = keys.collect::<anyhow::Result<_>>()?;
        let truth = folder.join("truth.ndjson");
        let ca_file = options.tls.then(|| folder.join("ca.pem"));
        let mut args = options.args();
        let mut flag = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
        flag("--listen", "127.0.0.1:0".to_owned());
        flag("--truth", truth.display().to_string());
        flag("--port-file", site.port_file("exchange").display().to_string());
        for key in keys.values() {
            flag("--public-key", key.public.display().to_string());
            flag("--key-id", key.id.clone());
        }
        if let Some(file) = &ca_file {
            flag("--tls-ca-out", file.display().to_string());
            args.push("--tls".to_owned());
        }
        let launch = Launch {
            name: "exchange".to_owned(),
            hosted: Hosted::ExchangeSim,
            args,
            settings: Vec::new(),
        };
        let mut program = Program::start(site, launch)?;
        let addr = program.ready().await?.trim().to_owned();
        let market_tickers = options.market_tickers.clone();
        Ok(Self { program, addr, truth, keys, ca_file, market_tickers })
    }

    /// What the gatherer `name` must be told to capture this exchange.
    pub fn settings(&self, name: &str) -> Vec<(&'static str, String)> {
        let (ws, http) = if self.ca_file.is_some() { ("wss", "https") } else { ("ws", "http") };
        let mut settings = vec![
            ("WS_URL", format!("{ws}://{}/trade-api/ws/v2", self.addr)),
            ("REST_URL", format!("{http}://{}/trade-api/v2", self.addr)),
            ("MARKET_TICKERS", self.market_tickers.clone()),
            // The oracle holds every market of the simulator against the record.
            ("MVE_MARKETS", "include".to_owned()),
            ("MARKETS_REFRESH_SECS", "5".to_owned()),
        ];
        if let Some(key) = self.keys.get(name) {
            settings.push(("PROD_KEYID", key.id.clone()));
            settings.push(("PROD_KEYFILE", key.private.display().to_string()));
        }
        let ca_file = self.ca_file.as_ref();
        settings.extend(ca_file.map(|file| ("CA_FILE", file.display().to_string())));
        settings
    }

    /// Names the connections of one gatherer in a fault.
    ///
    /// # Errors
    /// When there is no such gatherer.
    pub fn connections_of(&self, name: &str) -> anyhow::Result<Value> {
        let key = self.keys.get(name).with_context(|| format!("no gatherer is called {name}"))?;
        Ok(json!({ "key_id": key.id }))
    }

    /// Orders a fault; says how many connections it met.
    ///
    /// # Errors
    /// When the simulator does not accept it.
    pub async fn fault(&self, order: &Value) -> anyhow::Result<u64> {
        let answer = self.post("faults", order).await?;
        answer["connections"].as_u64().context("POST /sim/faults does not say whom it met")
    }

    /// Does something to one market: `{"do":"settle","ticker":"KX..."}`.
    ///
    /// # Errors
    /// When the simulator does not accept it.
    pub async fn market(&self, order: &Value) -> anyhow::Result<()> {
        self.post("markets", order).await.map(drop)
    }

    /// Nothing happens at the exchange from here on; what happened is on its way or delivered.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn pause(&self) -> anyhow::Result<()> {
        self.post("pause", &json!({})).await.map(drop)
    }

    /// Brings the truth log to its file.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn flush(&self) -> anyhow::Result<()> {
        self.post("flush", &json!({})).await.map(drop)
    }

    /// Bytes that wait for a connection, over all of them.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn queued_bytes(&self) -> anyhow::Result<u64> {
        let status = self.status().await?;
        let connections = status["connections"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(connections.iter().filter_map(|c| c["queued_bytes"].as_u64()).sum())
    }

    /// Waits until a maintenance has begun and ended.
    ///
    /// # Errors
    /// When that does not happen, or the simulator does not answer.
    pub async fn closed_and_open_again(&self) -> anyhow::Result<()> {
        for wanted in [true, false] {
            let mut looks = 0;
            while self.status().await?["maintenance"] != wanted {
                looks += 1;
                anyhow::ensure!(looks < MAINTENANCE_LOOKS_MAX, "no maintenance began and ended");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    /// How much of a recording is still to be played; `None` without a recording.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn replay_remaining(&self) -> anyhow::Result<Option<u64>> {
        Ok(self.status().await?["replay_remaining"].as_u64())
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.post("resume", &json!({})).await.map(drop)
    }

    /// What the simulator says about itself and its connections.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> anyhow::Result<Value> {
        let url = self.url("status");
        Ok(client()?.get(&url).send().await.context("GET /sim/status")?.json().await?)
    }

    fn url(&self, what: &str) -> String {
        let scheme = if self.ca_file.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/sim/{what}", self.addr)
    }

    async fn post(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let url = self.url(what);
        let answer = client()?.post(&url).json(body).send().await;
        let answer = answer.with_context(|| format!("POST /sim/{what}"))?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            bail!("POST /sim/{what}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
