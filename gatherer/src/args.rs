//! What may be typed: flags, their environment variables and defaults. What they mean is `config`'s.

use std::ffi::OsString;

use clap::Parser;
use service::redacted::Secret;

/// Captures Kalshi's market data on one machine: from the socket into a durable spool, from there into the local
/// ClickHouse and, over gRPC, to the deduplicator.
///
/// `kalshi-gatherer health` asks the running program how it is (see `kalshi-gatherer health --help`).
///
/// Exit codes: 0 stopped as asked, 1 failed, 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "kalshi-gatherer", version)]
pub struct Args {
    /// Id of the API key (a UUID).
    #[arg(long, env = "PROD_KEYID", default_value = "")]
    pub key_id: String,

    /// Private key of the API key: RSA or Ed25519, PEM.
    #[arg(long, env = "PROD_KEYFILE", default_value = "")]
    pub key_file: OsString,

    /// The exchange's WebSocket.
    #[arg(
        long,
        env = "WS_URL",
        default_value = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    )]
    pub ws_url: String,

    /// Name in the WebSocket server's certificate, if it is not the host of WS_URL.
    #[arg(long, env = "WS_HOSTNAME", default_value = "")]
    pub ws_hostname: String,

    /// The exchange's REST interface.
    #[arg(long, env = "REST_URL", default_value = "https://external-api.kalshi.com/trade-api/v2")]
    pub rest_url: String,

    /// PEM file with further certificate authorities for WS_URL and REST_URL.
    #[arg(long, env = "CA_FILE", default_value = "")]
    pub ca_file: OsString,

    /// What to capture: tickers separated by commas, or `all` open markets, or series as `KXBTC*`; `-KXFED*` leaves a
    /// series out.
    #[arg(long, env = "MARKET_TICKERS", default_value = "")]
    pub market_tickers: String,

    /// Whether `all` takes multivariate markets (KXMVE*, combinations that users put together, thousands): include or
    /// exclude.
    #[arg(long, env = "MVE_MARKETS", default_value = "exclude")]
    pub mve_markets: String,

    /// Markets on one WebSocket connection; rebalancing may pass it by a quarter.
    #[arg(long, env = "MARKETS_PER_CONNECTION", default_value = "500")]
    pub markets_per_connection: String,

    /// Seconds between two whole lists of the markets (`all` and series only); between them lifecycle messages and the
    /// clock say what opens and closes.
    #[arg(long, env = "MARKETS_REFRESH_SECS", default_value = "300")]
    pub markets_refresh_secs: String,

    /// Seconds a market is still captured after it closed or was settled.
    #[arg(long, env = "MARKET_LINGER_SECS", default_value = "600")]
    pub market_linger_secs: String,

    /// Seconds between two looks whether connections are evenly busy.
    #[arg(long, env = "REBALANCE_SECS", default_value = "60")]
    pub rebalance_secs: String,

    /// Seconds between two polls of every book over REST; 0: none.
    #[arg(long, env = "POLL_EVERY_SECS", default_value = "900")]
    pub poll_every_secs: String,

    /// This gatherer's place among those that poll, as 2/3: it begins at a third of the time above. Empty: the place
    /// follows from GATHERER_ID.
    #[arg(long, env = "POLL_SLOT", default_value = "")]
    pub poll_slot: String,

    /// Part of the account's REST limit that this gatherer uses, in percent: the fleet shares one account.
    #[arg(long, env = "REST_PERCENT", default_value = "25")]
    pub rest_percent: String,

    /// Name of this gatherer in all records, metrics and logs.
    #[arg(long, env = "GATHERER_ID", default_value = "local")]
    pub gatherer_id: String,

    /// Folder of the spool, of cursors, and of the embedded ClickHouse.
    #[arg(long, env = "DATA_DIR", default_value = "data")]
    pub data_dir: OsString,

    /// The local ClickHouse. Empty: the embedded engine, in DATA_DIR; `none`: no ClickHouse.
    #[arg(long, env = "CLICKHOUSE_URL", default_value = "")]
    pub clickhouse_url: String,

    /// User at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default")]
    pub clickhouse_user: String,

    /// Password at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_PASSWORD", default_value = "", hide_env_values = true)]
    pub clickhouse_password: Secret,

    /// Database at CLICKHOUSE_URL; made if missing.
    #[arg(long, env = "CLICKHOUSE_DATABASE", default_value = "kalshi")]
    pub clickhouse_database: String,

    /// A batch for ClickHouse ends at this many rows.
    #[arg(long, env = "BATCH_ROWS", default_value = "50000")]
    pub batch_rows: String,

    /// A batch for ClickHouse ends after this many seconds.
    #[arg(long, env = "BATCH_FLUSH_SECS", default_value = "2")]
    pub batch_flush_secs: String,

    /// Where deduplicators dial.
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:7070")]
    pub grpc_addr: String,

    /// Our certificate (PEM) for deduplicators: with its key and the authority, gRPC is mutual TLS.
    #[arg(long, env = "GRPC_TLS_CERT", default_value = "")]
    pub grpc_tls_cert: String,

    /// Private key (PEM) of GRPC_TLS_CERT.
    #[arg(long, env = "GRPC_TLS_KEY", default_value = "")]
    pub grpc_tls_key: String,

    /// Authority (PEM) whose certificates deduplicators must show.
    #[arg(long, env = "GRPC_TLS_CA", default_value = "")]
    pub grpc_tls_ca: String,

    /// Accept plain gRPC on an address that other machines reach.
    #[arg(long, env = "GRPC_INSECURE")]
    pub grpc_insecure: bool,

    /// Where /health, /ready and /admin are served.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: String,

    /// Where /metrics is served.
    #[arg(long, env = "METRICS_ADDR", default_value = "127.0.0.1:9090")]
    pub metrics_addr: String,

    /// Bearer token of /admin; without one /admin is off.
    #[arg(long, env = "ADMIN_TOKEN", default_value = "", hide_env_values = true)]
    pub admin_token: Secret,

    /// Bytes the spool may hold. When it is full the sockets are closed.
    #[arg(long, env = "SPOOL_QUOTA_BYTES", default_value = "68719476736")]
    pub spool_quota_bytes: String,

    /// How long acknowledged data stays in the spool all the same: 90s, 30m, 24h or 7d.
    #[arg(long, env = "RETENTION", default_value = "24h")]
    pub retention: String,

    /// File to write the ports to (JSON) once all of them are listened on.
    #[arg(long, env = "PORT_FILE", default_value = "")]
    pub port_file: OsString,

    /// What is logged: a level, or parts of the program with their levels.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// How it is logged: text or json.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    pub log_format: String,

    /// Folder of log files at DEBUG, one a day, the last 14 kept. Empty: no files.
    #[arg(long, env = "LOG_DIR", default_value = "")]
    pub log_dir: OsString,
}
