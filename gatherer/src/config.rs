//! What the program needs to know, checked. Nothing is opened or bound here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use exchange::rest::API_ROOT;
use proto::tls::{self, Tls};
use service::{logs::Format, redacted::Secret};
use store::StoreConfig;
use url::Url;

use crate::{
    args::Args,
    choice::Choice,
    parse::{self, Problems},
    upkeep::{self, Upkeep},
};

/// What to do, whole and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this gatherer.
    pub gatherer_id: String,
    /// Folder of everything it keeps.
    pub data_dir: PathBuf,
    /// How it reaches the exchange.
    pub venue: Venue,
    /// What it captures.
    pub markets: Choice,
    /// Markets on one connection.
    pub markets_per_connection: usize,
    /// Time between two whole lists of the markets.
    pub markets_refresh: Duration,
    /// How markets are followed and polled.
    pub upkeep: Upkeep,
    /// Its own ClickHouse.
    pub local_store: LocalStore,
    /// A batch for it ends at this many rows.
    pub batch_rows: usize,
    /// A batch for it ends after this time.
    pub batch_flush: Duration,
    /// Where it listens.
    pub listen: Listen,
    /// Bearer token of /admin, if that is on.
    pub admin_token: Option<Secret>,
    /// Bytes the spool may hold.
    pub spool_quota_bytes: u64,
    /// How long what is acknowledged stays all the same.
    pub retention: Duration,
    /// Filter of the log.
    pub log_level: String,
    /// Form of the log.
    pub log_format: Format,
    /// Folder of log files, if there are to be any.
    pub log_dir: Option<PathBuf>,
}

/// How to reach the exchange.
#[derive(Clone, Debug)]
pub struct Venue {
    /// The WebSocket.
    pub ws_url: Url,
    /// Name in its certificate, if not the URL's host.
    pub ws_hostname: Option<String>,
    /// REST.
    pub rest_url: Url,
    /// Part of the account's REST limit that this gatherer uses, in percent.
    pub rest_percent: u64,
    /// Further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Id of the API key.
    pub key_id: String,
    /// Its private key.
    pub key_file: PathBuf,
}

/// The gatherer's own ClickHouse.
#[derive(Clone, Debug)]
pub enum LocalStore {
    /// None.
    Off,
    /// The embedded engine, in the data folder.
    Embedded {
        /// The database.
        database: String,
    },
    /// A server.
    Server(StoreConfig),
}

/// Where the program listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Deduplicators dial here.
    pub grpc: SocketAddr,
    /// How both sides prove who they are; `None`: plain text.
    pub grpc_tls: Option<Tls>,
    /// /health, /ready, /admin.
    pub http: SocketAddr,
    /// /metrics.
    pub metrics: SocketAddr,
    /// Where to tell the ports.
    pub port_file: Option<PathBuf>,
}

impl Config {
    /// Checks what was typed. Returns every problem at once, so that one restart fixes them all.
    ///
    /// # Errors
    /// One line a problem, each beginning with the variable it is about.
    pub fn from_args(args: Args) -> Result<Self, Vec<String>> {
        let mut problems = Problems::default();
        let venue = venue(&args, &mut problems);
        let listen = listen(&args, &mut problems);
        let p = &mut problems;
        let config = Self {
            gatherer_id: parse::name(p, "GATHERER_ID", &args.gatherer_id),
            data_dir: parse::path(p, "DATA_DIR", &args.data_dir).unwrap_or_default(),
            venue,
            markets: upkeep::choice(&args, p),
            upkeep: upkeep::read(&args, p),
            markets_per_connection: parse::number(
                p,
                "MARKETS_PER_CONNECTION",
                &args.markets_per_connection,
                1..=5_000,
            ) as usize,
            markets_refresh: parse::seconds(
                p,
                "MARKETS_REFRESH_SECS",
                &args.markets_refresh_secs,
                1..=86_400,
            ),
            local_store: local_store(&args, p),
            batch_rows: parse::number(p, "BATCH_ROWS", &args.batch_rows, 1..=1_000_000) as usize,
            batch_flush: parse::seconds(p, "BATCH_FLUSH_SECS", &args.batch_flush_secs, 1..=3_600),
            listen,
            admin_token: (!args.admin_token.is_empty()).then_some(args.admin_token),
            spool_quota_bytes: parse::number(
                p,
                "SPOOL_QUOTA_BYTES",
                &args.spool_quota_bytes,
                SPOOL_QUOTA_BYTES_MIN..=u64::MAX,
            ),
            retention: parse::duration(p, "RETENTION", &args.retention),
            log_level: args.log_level,
            log_dir: parse::optional_path(&args.log_dir),
            log_format: parse::or_default(p, "LOG_FORMAT", args.log_format.parse()),
        };
        problems.none_or(config)
    }

    /// One line that says how the program was set up; nothing in it is secret.
    pub fn announce(&self) {
        let clickhouse = match &self.local_store {
            LocalStore::Off => "none".to_owned(),
            LocalStore::Embedded { database } => format!("embedded, database {database}"),
            LocalStore::Server(server) => {
                let url = Url::parse(&server.url);
                let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or("?");
                format!("{host}, user {}, database {}", server.user, server.database)
            }
        };
        let venue = &self.venue;
        tracing::info!(
            component = "program",
            event = "startup_config",
            version = env!("CARGO_PKG_VERSION"),
            gatherer = self.gatherer_id,
            markets = %self.markets,
            markets_per_connection = self.markets_per_connection,
            multivariate = self.markets.combinations,
            markets_refresh_secs = self.markets_refresh.as_secs(),
            poll_every_secs = self.upkeep.poll_every.map_or(0, |every| every.as_secs()),
            ws_url = %venue.ws_url,
            ws_hostname = venue.ws_hostname.as_deref().unwrap_or(""),
            rest_url = %venue.rest_url,
            key_id = venue.key_id,
            key_file = %venue.key_file.display(),
            data_dir = %self.data_dir.display(),
            clickhouse,
            batch_rows = self.batch_rows,
            batch_flush_secs = self.batch_flush.as_secs(),
            grpc = %self.listen.grpc,
            grpc_tls = self.listen.grpc_tls.is_some(),
            http = %self.listen.http,
            metrics = %self.listen.metrics,
            admin = self.admin_token.is_some(),
            spool_quota_bytes = self.spool_quota_bytes,
            retention_secs = self.retention.as_secs(),
            "configuration"
        );
    }
}

/// Room for the largest frame in each of the four segments that a quota is divided into.
const SPOOL_QUOTA_BYTES_MIN: u64 = 32 << 20;

fn venue(args: &Args, problems: &mut Problems) -> Venue {
    if args.key_id.trim().is_empty() {
        problems.add("PROD_KEYID", "not set: the id of your API key at the exchange");
    }
    if args.key_file.is_empty() {
        problems.add("PROD_KEYFILE", "not set: the private key (PEM) of your API key");
    }
    let ws_url = parse::url(problems, "WS_URL", &args.ws_url, &["wss", "ws"]);
    if ws_url.path().trim_matches('/').is_empty() {
        problems.add("WS_URL", "has no path: at the exchange it is /trade-api/ws/v2");
    }
    let ws_hostname = Some(args.ws_hostname.trim().to_owned()).filter(|name| !name.is_empty());
    if let Some(name) = &ws_hostname
        && rustls::pki_types::ServerName::try_from(name.as_str()).is_err()
    {
        problems.add("WS_HOSTNAME", format_args!("{name:?} is not a host name"));
    }
    let rest_url = parse::url(problems, "REST_URL", &args.rest_url, &["https", "http"]);
    if !rest_url.path().trim_end_matches('/').ends_with(API_ROOT) {
        problems.add("REST_URL", format_args!("must end with {API_ROOT}: that path is signed"));
    }
    Venue {
        ws_url,
        ws_hostname,
        rest_url,
        rest_percent: parse::number(problems, "REST_PERCENT", &args.rest_percent, 1..=100),
        ca_file: parse::optional_path(&args.ca_file),
        key_id: args.key_id.trim().to_owned(),
        key_file: args.key_file.clone().into(),
    }
}

fn listen(args: &Args, problems: &mut Problems) -> Listen {
    let settings = tls::Settings {
        cert: &args.grpc_tls_cert,
        key: &args.grpc_tls_key,
        ca: &args.grpc_tls_ca,
        insecure: args.grpc_insecure,
    };
    let listen = Listen {
        grpc: parse::address(problems, "GRPC_ADDR", &args.grpc_addr),
        grpc_tls: Tls::read(&settings, &mut |problem| problems.line(problem)),
        http: parse::address(problems, "HTTP_ADDR", &args.http_addr),
        metrics: parse::address(problems, "METRICS_ADDR", &args.metrics_addr),
        port_file: parse::optional_path(&args.port_file),
    };
    let named_tls =
        !(settings.cert.is_empty() && settings.key.is_empty() && settings.ca.is_empty());
    if !named_tls && let Some(why) = tls::plain_refused(listen.grpc.ip(), &settings) {
        problems.add("GRPC_ADDR", format_args!("{} {why}", listen.grpc));
    }
    let named =
        [("GRPC_ADDR", listen.grpc), ("HTTP_ADDR", listen.http), ("METRICS_ADDR", listen.metrics)];
    for (index, (name, addr)) in named.iter().enumerate() {
        for (other, same) in &named[..index] {
            if addr == same && addr.port() != 0 {
                problems.add(name, format_args!("{addr} is taken by {other}"));
            }
        }
    }
    listen
}

fn local_store(args: &Args, problems: &mut Problems) -> LocalStore {
    let database = args.clickhouse_database.trim().to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if database.is_empty() || !database.bytes().all(plain) {
        let problem = format_args!("{database:?} must be letters, digits and underscores");
        problems.add("CLICKHOUSE_DATABASE", problem);
    }
    match args.clickhouse_url.trim() {
        "" => LocalStore::Embedded { database },
        "none" | "off" => LocalStore::Off,
        url => {
            parse::url(problems, "CLICKHOUSE_URL", url, &["http", "https"]);
            LocalStore::Server(StoreConfig {
                url: url.to_owned(),
                user: args.clickhouse_user.clone(),
                password: args.clickhouse_password.clone(),
                database,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const RIGHT: [&str; 7] =
        ["kalshi-gatherer", "--key-id", "k", "--key-file", "k.pem", "--market-tickers", "A,B"];

    fn with(more: &[&str]) -> Result<Config, Vec<String>> {
        let args = RIGHT.iter().chain(more);
        Config::from_args(Args::try_parse_from(args).expect("known flags"))
    }

    #[test]
    fn the_defaults_stand_where_nothing_is_said() {
        let config = with(&[]).expect("right");
        assert_eq!(config.venue.ws_url.path(), "/trade-api/ws/v2");
        assert_eq!(config.retention, Duration::from_secs(86_400));
        assert!(matches!(config.local_store, LocalStore::Embedded { .. }));
        assert!(config.admin_token.is_none());
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let args = [
            ("--key-id", ""),
            ("--ws-url", "https://x.example"),
            ("--rest-url", "nonsense"),
            ("--market-tickers", "A,,B C*D"),
            ("--gatherer-id", "../up"),
            ("--batch-rows", "0"),
            ("--batch-flush-secs", "soon"),
            ("--grpc-addr", "localhost"),
            ("--http-addr", "127.0.0.1:1"),
            ("--metrics-addr", "127.0.0.1:1"),
            ("--spool-quota-bytes", "1"),
            ("--retention", "1y"),
            ("--clickhouse-url", "tcp://x:9000"),
            ("--clickhouse-database", "a`b"),
            ("--log-format", "xml"),
        ];
        let flat: Vec<&str> = args.iter().flat_map(|(flag, value)| [*flag, value]).collect();
        let typed = Args::try_parse_from(["kalshi-gatherer"].iter().chain(&flat)).expect("flags");
        let problems = Config::from_args(typed).expect_err("all wrong");
        let named: Vec<&str> = problems
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, _)| name)
            .collect();
        for name in [
            "PROD_KEYID",
            "PROD_KEYFILE",
            "WS_URL",
            "REST_URL",
            "MARKET_TICKERS",
            "GATHERER_ID",
            "BATCH_ROWS",
            "BATCH_FLUSH_SECS",
            "GRPC_ADDR",
            "METRICS_ADDR",
            "SPOOL_QUOTA_BYTES",
            "RETENTION",
            "CLICKHOUSE_URL",
            "CLICKHOUSE_DATABASE",
            "LOG_FORMAT",
        ] {
            assert!(named.contains(&name), "{name} is not named in {problems:#?}");
        }
    }

    #[test]
    fn plain_grpc_for_other_machines_must_be_asked_for() {
        let open = ["--grpc-addr", "0.0.0.0:7070"];
        let problems = with(&open).expect_err("open to everybody");
        assert!(problems.len() == 1 && problems[0].starts_with("GRPC_ADDR"), "{problems:?}");
        let config = with(&[&open[..], &["--grpc-insecure"]].concat()).expect("asked for");
        assert!(config.listen.grpc_tls.is_none());
    }

    #[test]
    fn none_turns_the_local_store_off() {
        for word in ["none", "off"] {
            let config = with(&["--clickhouse-url", word]).expect("right");
            assert!(matches!(config.local_store, LocalStore::Off));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with(&["--admin-token", "hunter2", "--clickhouse-password", "hunter3"]);
        let shown = format!("{:?}", config.expect("right"));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
