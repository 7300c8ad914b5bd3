//! `bench-serve`: how many deltas a second are served to connections that only read.

use std::{
    ffi::OsString,
    io::Write as _,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
};

use crate::{
    auth::Keys,
    clock,
    config::{Config, Generated, Limits, Play},
    faults::Rates,
    program,
};

/// Measures serving: the exchange and its readers in one process, everything else left out
#[derive(Debug, Parser)]
#[command(name = "bench-serve")]
struct BenchArgs {
    /// Deltas per second asked for
    #[arg(long, default_value_t = 50_000.0)]
    rate: f64,
    /// Connections, each subscribed to every market
    #[arg(long, default_value_t = 3)]
    connections: usize,
    #[arg(long, default_value_t = 500)]
    markets: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Also write a truth log there
    #[arg(long, value_name = "FILE")]
    truth: Option<std::path::PathBuf>,
}

pub(crate) fn main_with(args: impl Iterator<Item = OsString>) -> ExitCode {
    match BenchArgs::try_parse_from(args) {
        Ok(args) => program::finish(program::block_on(measure(args))),
        Err(error) => program::usage(&error),
    }
}

async fn measure(args: BenchArgs) -> anyhow::Result<()> {
    let config = config(&args);
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, address) = oneshot::channel();
    let mut parts = JoinSet::new();
    parts.spawn(async move {
        let stopped = async { drop(stopped.await) };
        crate::run(config, stopped, |address| {
            ready.send(address).ok();
        })
        .await
    });
    let address = address.await.context("the exchange did not start")?;
    let tickers = tickers(address).await?;
    let bytes = Arc::new(AtomicU64::new(0));
    for _ in 0..args.connections {
        let stream = subscribe(address, &tickers).await?;
        parts.spawn(read(stream, Arc::clone(&bytes)));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before =
        (deltas(address).await?, bytes.load(Ordering::Relaxed), cpu_ticks()?, clock::now());
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let after = (deltas(address).await?, bytes.load(Ordering::Relaxed), cpu_ticks()?, clock::now());
    let seconds = (after.3.at - before.3.at).as_secs_f64();
    let per_sec = |count: u64| count as f64 / seconds;
    writeln!(
        std::io::stdout(),
        "{:.0} deltas/s to {} connections of {} markets, {:.1} MB/s written, {:.0} % of a core \
         (exchange and readers together)",
        per_sec(after.0 - before.0),
        args.connections,
        args.markets,
        per_sec(after.1 - before.1) / 1e6,
        per_sec(after.2 - before.2),
    )?;
    drop(stop);
    parts.shutdown().await;
    Ok(())
}

/// An exchange without faults that lets everybody in.
fn config(args: &BenchArgs) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        keys: Keys::anyone(),
        tls: None,
        play: Play::Generated(Generated {
            seed: 1,
            markets: args.markets,
            rate: args.rate,
            lifecycle_every_s: 20.0,
        }),
        seed: 1,
        truth: args.truth.clone(),
        faults: Rates::default(),
        port_file: None,
        admin_token: None,
        start_paused: false,
        limits: Limits {
            markets_per_subscription: 1_000_000,
            commands_per_sec: 100.0,
            connection_buffer_bytes: 64 << 20,
            rest_per_sec: 0.0,
        },
    }
}

async fn read(mut stream: TcpStream, bytes: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer).await? {
            0 => anyhow::bail!("the exchange hung up"),
            read => bytes.fetch_add(read as u64, Ordering::Relaxed),
        };
    }
}

/// A bare WebSocket client: one handshake, one masked frame.
async fn subscribe(address: SocketAddr, tickers: &[String]) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let now_ms = clock::now().wall_ms;
    let handshake = format!(
        "GET /trade-api/ws/v2 HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         kalshi-access-key: bench\r\nkalshi-access-timestamp: {now_ms}\r\n\
         kalshi-access-signature: AAAA\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await?;
    let command = serde_json::json!({"id": 1, "cmd": "subscribe", "params": {
        "channels": ["orderbook_delta"], "market_tickers": tickers, "use_yes_price": true}});
    let payload = command.to_string();
    let mut frame = vec![0x81, 0xFF];
    frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload.as_bytes());
    stream.write_all(&frame).await?;
    Ok(stream)
}

async fn tickers(address: SocketAddr) -> anyhow::Result<Vec<String>> {
    let mut tickers = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/trade-api/v2/markets?limit=1000&status=open&cursor={cursor}");
        let page = get(address, &path).await?;
        let markets = page["markets"].as_array().context("no markets")?;
        tickers.extend(
            markets.iter().filter_map(|market| market["ticker"].as_str()).map(str::to_owned),
        );
        cursor = page["cursor"].as_str().unwrap_or_default().to_owned();
        if cursor.is_empty() {
            return Ok(tickers);
        }
    }
}

async fn deltas(address: SocketAddr) -> anyhow::Result<u64> {
    get(address, "/sim/status").await?["deltas"].as_u64().context("no deltas in /sim/status")
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<serde_json::Value> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

/// Processor time of this process in hundredths of a second, from `/proc`.
fn cpu_ticks() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").context("unexpected /proc/self/stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    Ok(ticks(11).context("no utime")? + ticks(12).context("no stime")?)
}
