//! What may be typed: commands, flags, their environment variables and defaults. What they mean is
//! `config`'s.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use service::redacted::Secret;

/// Lists the holes of the canonical record, fetches again what the exchange still has, and says what
/// is lost for good.
///
/// HOLE is a market's ticker, or one hole of it as `list` prints it: TICKER@ERA:CLOCK. A time is
/// 2026-11-21T08:00:00Z, 2026-11-21, an age such as 90m, 24h or 7d, or now.
///
/// Exit codes: 0 done and nothing is wrong, 1 failed or something is wrong, 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "gap-recovery", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Prints one JSON document instead of a table.
    #[arg(long, global = true)]
    pub json: bool,

    /// The canonical ClickHouse, the one that the deduplicator writes to.
    #[arg(long, env = "CLICKHOUSE_URL", default_value = "", global = true)]
    pub clickhouse_url: String,

    /// User at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default", global = true)]
    pub clickhouse_user: String,

    /// Password at CLICKHOUSE_URL.
    #[arg(
        long,
        env = "CLICKHOUSE_PASSWORD",
        default_value = "",
        hide_env_values = true,
        global = true
    )]
    pub clickhouse_password: Secret,

    /// Database at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_DATABASE", default_value = "kalshi", global = true)]
    pub clickhouse_database: String,

    /// The exchange's REST interface. What is asked for is public: no key is needed.
    #[arg(
        long,
        env = "REST_URL",
        default_value = "https://external-api.kalshi.com/trade-api/v2",
        global = true
    )]
    pub rest_url: String,

    /// PEM file with further certificate authorities for REST_URL and GATHERER_ADMIN.
    #[arg(long, env = "CA_FILE", default_value = "", global = true)]
    pub ca_file: OsString,

    /// Requests a second to REST_URL. The smallest account has 20, which the gatherers share.
    #[arg(long, env = "REST_RATE", default_value = "5", global = true)]
    pub rest_rate: String,

    /// The gatherers' HTTP addresses: `east=http://10.0.1.10:8080,west=http://10.0.2.10:8080`.
    #[arg(long, env = "GATHERER_ADMIN", default_value = "", global = true)]
    pub gatherer_admin: String,

    /// Bearer token of the gatherers' /admin.
    #[arg(long, env = "ADMIN_TOKEN", default_value = "", hide_env_values = true, global = true)]
    pub admin_token: Secret,

    /// The catalog, which keeps the audit. Empty: `catalog.sqlite` in DATA_DIR.
    #[arg(long, env = "CATALOG_URL", default_value = "", global = true)]
    pub catalog_url: String,

    /// The deduplicator's folder, where its catalog is.
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true)]
    pub data_dir: PathBuf,

    /// Who does it, for the audit and for `repaired_by`.
    #[arg(long, env = "USER", default_value = "operator", global = true)]
    pub by: String,

    /// How far around a hole trades are looked for, and how old a trade must be before it is called
    /// missing; so a hole is not settled before its end is twice as old.
    #[arg(long, env = "RECOVERY_MARGIN", default_value = "60s", global = true)]
    pub margin: String,
}

/// Which holes.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Which {
    /// Only these (HOLE: TICKER or TICKER@ERA:CLOCK); none: all markets.
    #[arg(value_name = "HOLE")]
    pub holes: Vec<String>,

    /// Only holes that end after this time.
    #[arg(long, default_value = "")]
    pub since: String,

    /// Only holes that begin before this time.
    #[arg(long, default_value = "")]
    pub until: String,
}

/// A command.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Lists holes, oldest first.
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Only holes in these states: open, repaired, permanent, or all.
        #[arg(long, default_value = "open")]
        state: String,
    },
    /// Shows everything that is known about single holes.
    Show {
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// Fetches order books over REST now, by a gatherer, or directly when none answers.
    Poll {
        /// The markets.
        #[arg(value_name = "TICKER", required = true)]
        tickers: Vec<String>,
        /// Says what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Repairs holes: checks the snapshot after each, fetches its trades again, settles its state.
    Trades {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Only holes in these states: open, repaired, permanent, or all.
        #[arg(long, default_value = "open")]
        state: String,
        /// Instead of holes: the trades of the named markets from FROM to TO, as far as they are older
        /// than the margin.
        #[arg(long, value_name = "FROM..TO", default_value = "")]
        span: String,
        /// Fetches and compares, but writes nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Checks that repaired holes are repaired: snapshot, trades, and the book of now against REST.
    Verify {
        /// Which.
        #[command(flatten)]
        which: Which,
    },
    /// Writes the holes as a list of incidents, by day and market, that can be published.
    Report {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Folder for DAY.md and DAY.json, of every day (UTC) on which one of the holes begins. A day
        /// is always written whole, with all of its holes. Without it the text is printed, of the
        /// holes asked for alone.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}
