//! Everything that can go wrong at the start goes wrong here, one clear line each, before anything is captured.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use service::{clock::Clock, http, metrics, ports};
use spool::{Log, Options, Recovered, Spool, Writer};
use tokio::net::TcpListener;

use crate::{
    acks::Acks,
    config::{Config, Listen, Venue},
    dial::Dialer,
    discovery::Known,
    local_store::{self, Local},
    markets, remembered,
    rest::Rest,
    telemetry,
};

/// What the parts are made of.
pub(crate) struct Started {
    pub(crate) clock: Clock,
    pub(crate) rest: Rest,
    pub(crate) dialer: Dialer,
    pub(crate) ports: Ports,
    /// The exchange's markets.
    pub(crate) known: Known,
    pub(crate) writer: Writer,
    pub(crate) log: Log,
    pub(crate) acks: Acks,
    pub(crate) local: Option<Local>,
    pub(crate) metrics: Option<PrometheusHandle>,
}

/// Key, certificates, ports, markets, folder, engine, spool: in this order, so that what fails first leaves nothing
/// behind.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Started> {
    let clock = Clock::start();
    let metrics = recorder();
    let signer = Arc::new(signer(&config.venue)?);
    let rest = Rest::new(&config.venue, Arc::clone(&signer), clock)?;
    let dialer = Dialer::new(&config.venue, &config.gatherer_id, signer, clock)?;
    let ports = Ports::bind(&config.listen).await?;
    let look = markets::first_look(&rest, &config.markets).await?;
    let was_there = config.data_dir.exists();
    let Kept { writer, log, acks, local } = keep_in(config, clock).await.inspect_err(|_| {
        if !was_there {
            // Succeeds only if it is empty: then it was made in vain a moment ago.
            drop(fs::remove_dir(&config.data_dir));
        }
    })?;
    let remembered = remembered::load(&config.data_dir, clock.wall_ns().div_euclid(1_000_000_000));
    let known = Known { look, remembered };
    Ok(Started { clock, rest, dialer, ports, known, writer, log, acks, local, metrics })
}

/// What lies in the data folder.
struct Kept {
    writer: Writer,
    log: Log,
    acks: Acks,
    local: Option<Local>,
}

async fn keep_in(config: &Config, clock: Clock) -> anyhow::Result<Kept> {
    let dir = &config.data_dir;
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot create the folder {} (DATA_DIR)", dir.display()))?;
    let local = local_store::start(config).await?;
    let (writer, log, recovered) = open_spool(config, clock)?;
    telemetry::spool_opened(&recovered);
    let acks = Acks::open(&dir.join("acks"))?;
    Ok(Kept { writer, log, acks, local })
}

fn signer(venue: &Venue) -> anyhow::Result<exchange::Signer> {
    let path = venue.key_file.display();
    let pem = fs::read_to_string(&venue.key_file)
        .with_context(|| format!("cannot read the private key {path} (PROD_KEYFILE)"))?;
    exchange::Signer::from_pem(&venue.key_id, &pem)
        .with_context(|| format!("{path} (PROD_KEYFILE) is not a private key we can sign with"))
}

fn open_spool(config: &Config, clock: Clock) -> anyhow::Result<(Writer, Log, Recovered)> {
    let options = Options {
        quota_bytes: Some(config.spool_quota_bytes),
        record_bytes_max: proto::limits::CAPTURE_BYTES_MAX,
        // A spool begun anew after its disk was lost must not repeat positions of the lost one.
        incarnation_min: u32::try_from(clock.wall_ns() / 1_000_000_000).unwrap_or(1),
        ..Options::default()
    };
    let dir = spool_dir(&config.data_dir);
    Spool::open(&dir, options)
        .with_context(|| format!("cannot open the spool in {} (DATA_DIR)", dir.display()))
}

/// Where the spool is.
pub(crate) fn spool_dir(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("spool")
}

/// One recorder a process, however many gatherers run in it (tests, the demo); `None` if somebody else has installed one.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = metrics::install().ok()?;
            let lists = [metrics::METRICS, store::METRICS, crate::exported::METRICS];
            metrics::describe(&lists, env!("CARGO_PKG_VERSION"));
            Some(recorder)
        })
        .clone()
}

/// The three listeners.
pub(crate) struct Ports {
    pub(crate) grpc: TcpListener,
    pub(crate) http: TcpListener,
    pub(crate) metrics: TcpListener,
}

impl Ports {
    async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        Ok(Self {
            grpc: http::bind(listen.grpc, "GRPC_ADDR").await?,
            http: http::bind(listen.http, "HTTP_ADDR").await?,
            metrics: http::bind(listen.metrics, "METRICS_ADDR").await?,
        })
    }

    /// Tells where it listens, in the log and in the port file.
    pub(crate) fn tell(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let addr = |listener: &TcpListener| -> anyhow::Result<SocketAddr> {
            listener.local_addr().context("a listener without an address")
        };
        let (grpc, http, metrics) = (addr(&self.grpc)?, addr(&self.http)?, addr(&self.metrics)?);
        tracing::info!(component = "program", event = "listening", %grpc, %http, %metrics, "listening");
        match file {
            None => Ok(()),
            Some(path) => {
                let told = json!({
                    "grpc": grpc.to_string(),
                    "http": http.to_string(),
                    "metrics": metrics.to_string(),
                });
                ports::write(path, &told)
            }
        }
    }
}
