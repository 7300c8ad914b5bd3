//! What may be typed: flags, their environment variables and defaults. What they mean is `config`'s.

use std::path::PathBuf;

use clap::Parser;
use service::redacted::Secret;

/// Merges the feeds of several gatherers into one canonical record, in which every event stands
/// once: journal, ClickHouse, Parquet.
///
/// `kalshi-deduplicator health` asks the running program how it is (see
/// `kalshi-deduplicator health --help`).
///
/// Exit codes: 0 stopped as asked, 1 failed, 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "kalshi-deduplicator", version)]
pub struct Args {
    /// The gatherers: `east=http://10.0.1.10:7070,west=http://10.0.2.10:7070`, each under the
    /// GATHERER_ID that it answers with.
    #[arg(long, env = "GATHERERS", default_value = "")]
    pub gatherers: String,

    /// Our name at the gatherers: they keep what is not acknowledged under it.
    #[arg(long, env = "DEDUPLICATOR_ID", default_value = "canonical")]
    pub deduplicator_id: String,

    /// Our certificate (PEM) for gatherers: with its key and the authority, `https` gatherers are followed by mutual TLS.
    #[arg(long, env = "GRPC_TLS_CERT", default_value = "")]
    pub grpc_tls_cert: String,

    /// Private key (PEM) of GRPC_TLS_CERT.
    #[arg(long, env = "GRPC_TLS_KEY", default_value = "")]
    pub grpc_tls_key: String,

    /// Authority (PEM) whose certificates gatherers must show.
    #[arg(long, env = "GRPC_TLS_CA", default_value = "")]
    pub grpc_tls_ca: String,

    /// Follow gatherers on other machines in plain text.
    #[arg(long, env = "GRPC_INSECURE")]
    pub grpc_insecure: bool,

    /// Folder of the journal, the checkpoints, the catalog, and of the embedded ClickHouse.
    #[arg(long, env = "DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// The canonical ClickHouse. Empty: the embedded engine, in DATA_DIR; `none`: no ClickHouse.
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

    /// The Parquet archive: a folder, or `s3://bucket/prefix` (keys from the AWS_ variables). Empty:
    /// `parquet` in DATA_DIR; `none`: no archive.
    #[arg(long, env = "PARQUET_DIR", default_value = "")]
    pub parquet_dir: String,

    /// A Parquet file is closed when it holds this many bytes, or when the day (UTC) changes.
    #[arg(long, env = "PARQUET_MAX_BYTES", default_value = "134217728")]
    pub parquet_max_bytes: String,

    /// The part of the markets that this deduplicator keeps, as 2/3, where several divide them: each has a
    /// DATA_DIR, a ClickHouse and an archive of its own, and keeps its share for good.
    #[arg(long, env = "MARKET_SHARE", default_value = "1/1")]
    pub market_share: String,

    /// The catalog. Empty: `catalog.sqlite` in DATA_DIR; else `sqlite:PATH` or
    /// `postgres://user:password@host/database`.
    #[arg(long, env = "CATALOG_URL", default_value = "", hide_env_values = true)]
    pub catalog_url: Secret,

    /// The exchange's REST interface, for the metadata of markets, events and series: public, no key.
    /// `none`: metadata are not kept.
    #[arg(long, env = "REST_URL", default_value = "https://external-api.kalshi.com/trade-api/v2")]
    pub rest_url: String,

    /// PEM file with further certificate authorities for REST_URL.
    #[arg(long, env = "CA_FILE", default_value = "")]
    pub ca_file: String,

    /// How often metadata are asked for; a market of a lifecycle message is asked about at once.
    #[arg(long, env = "METADATA_EVERY", default_value = "5m")]
    pub metadata_every: String,

    /// Time of one round of the audit over all followed markets: get_snapshot, latest_levels, and the
    /// REST books that gatherers polled, compared with the record. `none`: no audit.
    #[arg(long, env = "AUDIT_EVERY", default_value = "1h")]
    pub audit_every: String,

    /// Where /health, /ready and /book are served.
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: String,

    /// Where /metrics is served.
    #[arg(long, env = "METRICS_ADDR", default_value = "127.0.0.1:9090")]
    pub metrics_addr: String,

    /// Bearer token of /book; without one /book is open.
    #[arg(long, env = "ADMIN_TOKEN", default_value = "", hide_env_values = true)]
    pub admin_token: Secret,

    /// How long a lane that could still fill a gap is waited for before the gap is a hole.
    #[arg(long, env = "HOLE_WAIT", default_value = "30s")]
    pub hole_wait: String,

    /// How long a market's start waits for a snapshot of every gatherer.
    #[arg(long, env = "START_WAIT", default_value = "10s")]
    pub start_wait: String,

    /// How long a first arrival waits for a second lane to say the same.
    #[arg(long, env = "CONFIRM_WAIT", default_value = "50ms")]
    pub confirm_wait: String,

    /// How often the merge's state is written down; gatherers may forget what is older than two.
    #[arg(long, env = "CHECKPOINT_EVERY", default_value = "10s")]
    pub checkpoint_every: String,

    /// File to write the ports to (JSON) once all of them are listened on.
    #[arg(long, env = "PORT_FILE", default_value = "")]
    pub port_file: String,

    /// What is logged: a level, or parts of the program with their levels.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// How it is logged: text or json.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    pub log_format: String,

    /// Folder of log files at DEBUG, one a day, the last 14 kept. Empty: no files.
    #[arg(long, env = "LOG_DIR", default_value = "")]
    pub log_dir: String,
}
