//! What the program needs, made from what was typed; every mistake is reported at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use catalog::CatalogUrl;
use proto::tls::{self, Tls};
use service::logs::Format;
use service::redacted::Secret;
use store::StoreConfig;

use crate::args::Args;
use crate::parse::{duration, gatherers, positive, word};

/// One gatherer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GathererAddress {
    /// The name it answers with.
    pub name: String,
    /// Where it listens.
    pub url: String,
}

/// Where the canonical tables are.
#[derive(Clone, Debug)]
pub enum ClickHouse {
    /// Nowhere: journal and archive only.
    Off,
    /// In an engine of our own, in `DATA_DIR`.
    Embedded {
        /// Its database.
        database: String,
    },
    /// In a server.
    Server(StoreConfig),
}

/// Where Parquet files go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArchivePlace {
    /// A folder.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket(String),
}

/// The archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archive {
    /// Where.
    pub place: ArchivePlace,
    /// A file is closed at this size.
    pub max_bytes: u64,
}

/// The exchange's REST interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rest {
    /// With its root path, without a slash at the end.
    pub url: String,
    /// Further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// How often metadata are asked for.
    pub every: Duration,
}

/// Everything the program needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name at the gatherers.
    pub name: String,
    /// Whom to follow; at least one, names differ.
    pub gatherers: Vec<GathererAddress>,
    /// How we and gatherers prove who we are; `None`: plain text.
    pub grpc_tls: Option<Tls>,
    /// Our folder.
    pub data_dir: PathBuf,
    /// The canonical tables.
    pub clickhouse: ClickHouse,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Age of a batch.
    pub flush_every: Duration,
    /// The archive, if there is to be one.
    pub archive: Option<Archive>,
    /// What is known beside the events.
    pub catalog: CatalogUrl,
    /// The exchange's REST interface, for metadata; `None`: not asked.
    pub rest: Option<Rest>,
    /// How often the record is compared with what it should be; `None`: never.
    pub audit_every: Option<Duration>,
    /// `/health`, `/ready`, `/book`.
    pub http_addr: SocketAddr,
    /// `/metrics`.
    pub metrics_addr: SocketAddr,
    /// Guards `/book` where set.
    pub admin_token: Secret,
    /// The merge's waits and bounds.
    pub merge: merge::Config,
    /// The rhythm of checkpoints.
    pub checkpoint_every: Duration,
    /// Where to tell our ports.
    pub port_file: Option<PathBuf>,
    /// What is logged.
    pub log_level: String,
    /// How.
    pub log_format: Format,
    /// Folder of log files, if there are to be any.
    pub log_dir: Option<PathBuf>,
}

impl Config {
    /// Checks what was typed.
    ///
    /// # Errors
    /// Every problem at once, so that one restart fixes them all.
    pub fn from_args(args: Args) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);
        let merge = merge::Config {
            hole_wait: duration("--hole-wait", &args.hole_wait, &mut note),
            start_wait: duration("--start-wait", &args.start_wait, &mut note),
            confirm_wait: duration("--confirm-wait", &args.confirm_wait, &mut note),
            share: args.market_share.trim().parse().unwrap_or_else(|error| {
                note(format!("MARKET_SHARE: {error}"));
                merge::Share::default()
            }),
            ..merge::Config::default()
        };
        let grpc = tls::Settings {
            cert: &args.grpc_tls_cert,
            key: &args.grpc_tls_key,
            ca: &args.grpc_tls_ca,
            insecure: args.grpc_insecure,
        };
        let grpc_tls = Tls::read(&grpc, &mut note);
        let config = Self {
            name: named(word("DEDUPLICATOR_ID", &args.deduplicator_id, &mut note), merge.share),
            gatherers: gatherers(&args.gatherers, (grpc_tls.as_ref(), &grpc), &mut note),
            grpc_tls,
            clickhouse: clickhouse(&args, &mut note),
            batch_rows: positive("BATCH_ROWS", &args.batch_rows, &mut note) as usize,
            flush_every: seconds("BATCH_FLUSH_SECS", &args.batch_flush_secs, &mut note),
            archive: archive(&args, &mut note),
            catalog: catalog(&args, &mut note),
            rest: rest(&args, &mut note),
            audit_every: match args.audit_every.trim() {
                "none" => None,
                every => Some(duration("--audit-every", every, &mut note)),
            },
            http_addr: address("HTTP_ADDR", &args.http_addr, &mut note),
            metrics_addr: address("METRICS_ADDR", &args.metrics_addr, &mut note),
            merge,
            checkpoint_every: duration("--checkpoint-every", &args.checkpoint_every, &mut note),
            log_format: args.log_format.parse().unwrap_or_else(|error| {
                note(format!("LOG_FORMAT: {error}"));
                Format::Text
            }),
            log_level: args.log_level,
            log_dir: Some(args.log_dir).filter(|path| !path.is_empty()).map(PathBuf::from),
            admin_token: args.admin_token,
            port_file: Some(args.port_file).filter(|path| !path.is_empty()).map(PathBuf::from),
            data_dir: args.data_dir,
        };
        if config.http_addr == config.metrics_addr && config.http_addr.port() != 0 {
            problems.push(format!("HTTP_ADDR and METRICS_ADDR are both {}", config.http_addr));
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// Gatherers keep what each name has not acked: two parts must never share one.
fn named(id: String, share: merge::Share) -> String {
    if share.is_whole() { id } else { format!("{id}-{}", share.to_string().replace('/', "of")) }
}

fn address(name: &str, text: &str, note: &mut impl FnMut(String)) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        note(format!("{name}: {text:?} is not an address such as 127.0.0.1:8080"));
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

fn seconds(name: &str, text: &str, note: &mut impl FnMut(String)) -> Duration {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Duration::from_secs_f64(seconds),
        _ => {
            note(format!("{name}: {text:?} is not a number of seconds above 0, up to 3600"));
            Duration::ZERO
        }
    }
}

fn clickhouse(args: &Args, note: &mut impl FnMut(String)) -> ClickHouse {
    let database = word("CLICKHOUSE_DATABASE", &args.clickhouse_database, note);
    match args.clickhouse_url.trim() {
        "none" => ClickHouse::Off,
        "" => ClickHouse::Embedded { database },
        url => {
            // URLs are logged and shown: what is secret has settings of its own.
            if url.contains('@') {
                note(
                    "CLICKHOUSE_URL: has a user or password in it; they go into CLICKHOUSE_USER \
                      and CLICKHOUSE_PASSWORD"
                        .to_owned(),
                );
            } else if !(url.starts_with("http://") || url.starts_with("https://")) {
                note(format!("CLICKHOUSE_URL: {url:?} is not an http:// or https:// address"));
            }
            ClickHouse::Server(StoreConfig {
                url: url.to_owned(),
                user: args.clickhouse_user.clone(),
                password: args.clickhouse_password.clone(),
                database,
            })
        }
    }
}

fn archive(args: &Args, note: &mut impl FnMut(String)) -> Option<Archive> {
    let max_bytes = positive("PARQUET_MAX_BYTES", &args.parquet_max_bytes, note);
    let place = match args.parquet_dir.trim() {
        "none" => return None,
        "" => ArchivePlace::Folder(args.data_dir.join("parquet")),
        url if url.starts_with("s3://") => ArchivePlace::Bucket(url.to_owned()),
        url if url.contains("://") => {
            note(format!("PARQUET_DIR: {url:?} is neither a folder nor s3://bucket/prefix"));
            return None;
        }
        folder => ArchivePlace::Folder(PathBuf::from(folder)),
    };
    Some(Archive { place, max_bytes })
}

fn catalog(args: &Args, note: &mut impl FnMut(String)) -> CatalogUrl {
    let default = || CatalogUrl::sqlite(args.data_dir.join("catalog.sqlite"));
    match args.catalog_url.expose().trim() {
        "" => default(),
        url => url.parse().unwrap_or_else(|error| {
            note(format!("CATALOG_URL: {error}"));
            default()
        }),
    }
}

fn rest(args: &Args, note: &mut impl FnMut(String)) -> Option<Rest> {
    let url = args.rest_url.trim();
    if url == "none" {
        return None;
    }
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        note(format!("REST_URL: {url:?} is not an http:// or https:// address"));
    }
    let ca_file = Some(&args.ca_file).filter(|path| !path.is_empty()).map(PathBuf::from);
    let every = duration("--metadata-every", &args.metadata_every, note);
    Some(Rest { url: url.trim_end_matches('/').to_owned(), ca_file, every })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn config(args: &[&str]) -> Result<Config, Vec<String>> {
        let all = ["kalshi-deduplicator"].iter().chain(args);
        Config::from_args(Args::try_parse_from(all).expect("flags are known"))
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let problems = config(&[
            "--gatherers=east=ftp://x,east,west=http://10.0.1.1:7070",
            "--hole-wait=soon",
            "--batch-rows=0",
            "--http-addr=here",
            "--parquet-dir=gs://bucket",
            "--catalog-url=mysql://x",
            "--log-format=xml",
            "--market-share=3/2",
            "--clickhouse-url=localhost:8123",
        ])
        .expect_err("all of them are wrong");
        for name in [
            "GATHERERS",
            "--hole-wait",
            "BATCH_ROWS",
            "HTTP_ADDR",
            "PARQUET_DIR",
            "CATALOG_URL",
            "LOG_FORMAT",
            "MARKET_SHARE",
            "CLICKHOUSE_URL",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(name)), "{name}: {problems:?}");
        }
    }

    #[test]
    fn parts_have_names_of_their_own() {
        let named = |share: &str| {
            let share = format!("--market-share={share}");
            config(&["--grpc-insecure", "--gatherers=east=http://a:1", &share]).expect("good").name
        };
        assert_eq!([named("1/1"), named("2/3")], ["canonical", "canonical-2of3"]);
    }

    #[test]
    fn nobody_to_follow_is_a_mistake() {
        let problems = config(&[]).expect_err("GATHERERS is empty");
        assert!(problems[0].contains("GATHERERS"), "{problems:?}");
    }

    #[test]
    fn the_defaults_need_gatherers_only() {
        let config = config(&["--grpc-insecure", "--gatherers=east=http://a:1,west=http://b:2"])
            .expect("good");
        assert_eq!(config.gatherers.len(), 2);
        assert_eq!(config.merge.hole_wait, Duration::from_secs(30));
        assert!(matches!(config.clickhouse, ClickHouse::Embedded { .. }));
        let archive = config.archive.expect("on by default");
        assert_eq!(archive.place, ArchivePlace::Folder("data/parquet".into()));
    }
}
