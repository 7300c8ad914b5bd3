//! Starts a simulated exchange and gatherers in this process, and asks them things. Waits for conditions, never for luck.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Once,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Parser as _;
use proto::Capture;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::Value;
use spool::{Options, Position, Spool, Upto};
use tokio::{sync::oneshot, task::JoinSet, time::sleep};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let search = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("waited for: {what}"))
}

pub(crate) fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().expect("the first");
    });
    reqwest::Client::new()
}

/// A key pair on disk, as an operator has one.
pub(crate) struct Keys {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl Keys {
    pub(crate) fn make(dir: &Path) -> Self {
        /// What stands before the 32 bytes of an Ed25519 public key in a SubjectPublicKeyInfo.
        const SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("our own key");
        let (private, public) = (dir.join("key.pem"), dir.join("key.pub.pem"));
        pem(&private, "PRIVATE KEY", pkcs8.as_ref());
        pem(&public, "PUBLIC KEY", &[SPKI, pair.public_key().as_ref()].concat());
        Self { private, public }
    }
}

fn pem(path: &Path, label: &str, der: &[u8]) {
    let body = STANDARD.encode(der);
    let text = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    fs::write(path, text).expect("a writable folder");
}

/// A simulated exchange, paused when it starts.
pub(crate) struct Venue {
    pub(crate) address: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) keys: Keys,
    _running: JoinSet<()>,
}

impl Venue {
    pub(crate) async fn open(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = Keys::make(dir.path());
        let public = keys.public.display().to_string();
        let truth = dir.path().join("truth").display().to_string();
        let given =
            ["exchange-sim", "--listen", "127.0.0.1:0", "--public-key", &public, "--truth", &truth];
        let fixed = ["--lifecycle-every", "0", "--start-paused"];
        let args = exchange_sim::Args::parse_from(given.iter().chain(&fixed).chain(more));
        let config = exchange_sim::Config::from_args(args).expect("right");
        let (told, ready) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let for_ever = std::future::pending::<()>();
            exchange_sim::run(config, for_ever, |address| told.send(address).expect("waiting"))
                .await
                .expect("the exchange runs");
        });
        let address = ready.await.expect("the exchange opens").to_string();
        Self { address, dir, keys, _running: running }
    }

    /// Tells the simulator something.
    pub(crate) async fn tell(&self, path: &str, body: &str) -> Value {
        let url = format!("http://{}/sim/{path}", self.address);
        let answer = http().post(url).body(body.to_owned()).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.status());
        serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
    }

    pub(crate) async fn status(&self) -> Value {
        ask(&format!("http://{}/sim/status", self.address)).await.expect("the exchange answers")
    }

    /// A gatherer that captures from here; its data lies in `name` below the venue's folder.
    pub(crate) async fn gatherer(&self, name: &str, more: &[&str]) -> Gatherer {
        Gatherer::start(self.flags(name, more)).await
    }

    /// What such a gatherer is told.
    pub(crate) fn flags(&self, name: &str, more: &[&str]) -> Vec<String> {
        let data = self.data_dir(name).display().to_string();
        let flags = [
            ("--ws-url", format!("ws://{}/trade-api/ws/v2", self.address)),
            ("--rest-url", format!("http://{}/trade-api/v2", self.address)),
            ("--key-id", "test-key".to_owned()),
            ("--key-file", self.keys.private.display().to_string()),
            ("--gatherer-id", name.to_owned()),
            ("--data-dir", data.clone()),
            ("--grpc-addr", "127.0.0.1:0".to_owned()),
            ("--http-addr", "127.0.0.1:0".to_owned()),
            ("--metrics-addr", "127.0.0.1:0".to_owned()),
            ("--port-file", format!("{data}.ports")),
        ];
        let given =
            ["--market-tickers", "all", "--mve-markets", "include", "--clickhouse-url", "none"];
        // Of a flag that is given twice the later counts.
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        flags.chain(given.iter().chain(more).map(ToString::to_string)).collect()
    }

    /// The books that each connection follows.
    pub(crate) async fn subscribed(&self) -> BTreeMap<String, BTreeSet<String>> {
        let told = ask(&format!("http://{}/sim/subscribed", self.address)).await;
        serde_json::from_value(told.expect("the exchange answers")).expect("lists of tickers")
    }

    /// Waits until what all connections follow together satisfies `test`, and returns it.
    pub(crate) async fn until_subscribed(
        &self,
        what: &str,
        test: impl Fn(&BTreeSet<String>) -> bool,
    ) -> BTreeSet<String> {
        until(what, || async {
            let all = self.subscribed().await.into_values().flatten().collect();
            test(&all).then_some(all)
        })
        .await
    }

    /// Waits until REST says that a market has this status.
    pub(crate) async fn until_status(&self, ticker: &str, status: &str) {
        let url = format!("http://{}/trade-api/v2/markets/{ticker}", self.address);
        until(status, || async {
            (ask(&url).await?["market"]["status"].as_str()? == status).then_some(())
        })
        .await;
    }

    /// Everything that happened so far.
    pub(crate) async fn truth(&self) -> Vec<Value> {
        self.tell("flush", "").await;
        let text = fs::read_to_string(self.dir.path().join("truth")).expect("a truth log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Waits until something has happened.
    pub(crate) async fn until_truth(&self, what: &str, test: impl Fn(&Value) -> bool) {
        until(what, || async { self.truth().await.iter().any(&test).then_some(()) }).await;
    }

    /// Nothing happens any more, and everything that was sent has been received.
    pub(crate) async fn settle(&self, gatherers: &[&Gatherer]) {
        self.tell("pause", "").await;
        until("everything to be received", || async {
            let status = self.status().await;
            let connections = status["connections"].as_array()?;
            let sent = |name: &str| -> u64 {
                let agent = format!("kalshi-gatherer/{name}");
                let of = connections.iter().filter(|one| one["user_agent"] == agent.as_str());
                of.filter_map(|one| one["frames_sent"].as_u64()).sum()
            };
            for gatherer in gatherers {
                let received = gatherer.health().await["frames_total"].as_u64()?;
                if received < sent(&gatherer.name) {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A gatherer running in this process.
pub(crate) struct Gatherer {
    pub(crate) name: String,
    pub(crate) grpc: String,
    pub(crate) http: String,
    pub(crate) metrics: String,
    stop: oneshot::Sender<()>,
    running: JoinSet<anyhow::Result<()>>,
}

/// The configuration that these flags make. A flag given twice: the later counts.
pub(crate) fn config(flags: &[String]) -> gatherer::Config {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for pair in flags.chunks_exact(2) {
        last.insert(&pair[0], &pair[1]);
    }
    let words = last.into_iter().flat_map(|(flag, value)| [flag, value]);
    let words = std::iter::once("kalshi-gatherer").chain(words).map(OsString::from);
    gatherer::Config::from_args(gatherer::Args::parse_from(words)).expect("right")
}

impl Gatherer {
    async fn start(flags: Vec<String>) -> Self {
        let config = config(&flags);
        let file = config.listen.port_file.clone().expect("given above");
        let name = config.gatherer_id.clone();
        // What an earlier run of the same gatherer told is no longer true.
        fs::remove_file(&file).unwrap_or_default();
        let (stop, stopped) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(gatherer::run(config, async move { drop(stopped.await) }));
        let ports = until("the gatherer's ports", || {
            let ended = running.try_join_next();
            assert!(ended.is_none(), "the gatherer ended: {ended:?}");
            std::future::ready(fs::read_to_string(&file).ok())
        })
        .await;
        let ports: Value = serde_json::from_str(&ports).expect("JSON");
        let port = |name: &str| format!("http://{}", ports[name].as_str().expect("an address"));
        let (grpc, http, metrics) = (port("grpc"), port("http"), port("metrics"));
        Self { name, grpc, http, metrics, stop, running }
    }

    pub(crate) async fn health(&self) -> Value {
        ask(&format!("{}/health", self.http)).await.expect("health answers")
    }

    /// Waits until health satisfies `test`, and returns it.
    pub(crate) async fn until(&self, what: &str, test: impl Fn(&Value) -> bool) -> Value {
        until(what, || async { Some(self.health().await).filter(|health| test(health)) }).await
    }

    pub(crate) async fn until_frames(&self, frames: u64) -> Value {
        self.until("frames", |health| health["frames_total"].as_u64() >= Some(frames)).await
    }

    /// Asks it to stop and waits until it has, in good order.
    pub(crate) async fn stop(self) {
        self.ended().await.expect("a good stop");
    }

    /// Asks it to stop and returns how it ended.
    pub(crate) async fn ended(mut self) -> anyhow::Result<()> {
        self.stop.send(()).expect("it runs");
        let ended = self.running.join_next().await.expect("it was started");
        ended.expect("no panic")
    }
}

/// JSON from `url`, whatever the status.
pub(crate) async fn ask(url: &str) -> Option<Value> {
    let answer = http().get(url).send().await.ok()?;
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

/// Everything that a stopped gatherer's spool holds.
pub(crate) struct Kept {
    pub(crate) records: Vec<(Position, Vec<u8>)>,
}

impl Kept {
    pub(crate) fn read(data_dir: &Path) -> Self {
        let dir = data_dir.join("spool");
        let (_writer, log, _) = Spool::open(&dir, Options::default()).expect("a whole spool");
        let mut reader = log.read_from(log.oldest()).expect("readable");
        let mut records = Vec::new();
        while let Some(record) = reader.next(Upto::Durable).expect("no damage") {
            records.push((record.at, record.payload.to_vec()));
        }
        Self { records }
    }

    pub(crate) fn captures(&self) -> impl Iterator<Item = Capture<'_>> {
        self.records.iter().map(|(_, payload)| Capture::decode(payload).expect("a capture"))
    }

    /// Frames, with the session of each.
    pub(crate) fn frames(&self) -> Vec<(u64, &str)> {
        self.captures()
            .filter_map(|capture| match capture {
                Capture::Frame { session, bytes, .. } => {
                    Some((session, std::str::from_utf8(bytes).expect("text")))
                }
                _ => None,
            })
            .collect()
    }
}
