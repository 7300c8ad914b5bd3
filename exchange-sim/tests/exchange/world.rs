//! One running exchange in a temporary folder, its keys, and its truth.

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Parser as _;
use exchange_sim::{Args, Config};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
};

use crate::client::Client;

/// No condition of a test takes longer than this on a machine that works.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) key: Ed25519KeyPair,
    stop: Option<oneshot::Sender<()>>,
    running: JoinSet<anyhow::Result<()>>,
}

impl World {
    /// Starts an exchange with a few markets and the flags of a test.
    pub(crate) async fn open(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let public = folder.path().join("public.pem");
        std::fs::write(&public, ed25519_pem(key.public_key().as_ref())).unwrap();
        let mut args: Vec<OsString> = ["sim", "--listen", "127.0.0.1:0"].map(Into::into).into();
        if !flags.contains(&"--lifecycle-every") {
            args.extend(["--lifecycle-every".into(), "0".into()]);
        }
        args.extend(["--public-key".into(), public.into()]);
        args.extend(["--truth".into(), folder.path().join("truth").into()]);
        args.extend(flags.iter().map(Into::into));
        let config = Config::from_args(Args::try_parse_from(args).unwrap()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            exchange_sim::run(config, stopped, |address| ready.send(address).unwrap()).await
        });
        let address = address.await.unwrap();
        Self { address, folder, key, stop: Some(stop), running }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self, "kalshi-gatherer/east").await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.http("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.http("POST", path, "", &body.to_string()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    pub(crate) async fn fault(&self, order: Value) -> Value {
        self.post("/sim/faults", &order).await
    }

    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Tickers of the open markets, busiest first.
    pub(crate) async fn tickers(&self) -> Vec<String> {
        let (_, page) = self.get("/trade-api/v2/markets?limit=1000&status=open").await;
        let markets = page["markets"].as_array().unwrap().iter();
        markets.map(|market| market["ticker"].as_str().unwrap().to_owned()).collect()
    }

    /// The truth so far, line by line.
    pub(crate) async fn truth(&self) -> Vec<Value> {
        self.post("/sim/flush", &json!({})).await;
        let text = std::fs::read_to_string(self.path("truth")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks until the condition on `/sim/status` holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let ask = async {
            loop {
                let (_, status) = self.get("/sim/status").await;
                if holds(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, ask).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    /// Stops the exchange and expects that it ends well.
    pub(crate) async fn close(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        let ended = tokio::time::timeout(LIMIT, self.running.join_next()).await;
        ended.expect("stops in time").unwrap().unwrap().unwrap();
    }
}

pub(crate) type Levels = BTreeMap<(String, i64), i64>;

/// The books that the truth leads to: ticker to (clock, levels).
pub(crate) fn books(truth: &[Value]) -> BTreeMap<String, (i64, Levels)> {
    let mut books: BTreeMap<String, (i64, Levels)> = BTreeMap::new();
    for line in truth {
        let kind = line["t"].as_str().unwrap();
        if !matches!(kind, "book" | "delta" | "empty") {
            continue;
        }
        let (clock, levels) = books.entry(line["market"].as_str().unwrap().to_owned()).or_default();
        *clock = line["clock"].as_i64().unwrap_or(-1);
        match kind {
            "delta" => {
                let key =
                    (line["side"].as_str().unwrap().to_owned(), line["price"].as_i64().unwrap());
                let total = levels.get(&key).unwrap_or(&0) + line["delta"].as_i64().unwrap();
                assert!(total >= 0, "{line}");
                levels.insert(key, total);
            }
            _ => {
                levels.clear();
                for level in line["levels"].as_array().into_iter().flatten() {
                    let key = (level[0].as_str().unwrap().to_owned(), level[1].as_i64().unwrap());
                    levels.insert(key, level[2].as_i64().unwrap());
                }
            }
        }
        levels.retain(|_, total| *total != 0);
    }
    books
}

pub(crate) fn ed25519_pem(public: &[u8]) -> String {
    let mut der = vec![0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(public);
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}
