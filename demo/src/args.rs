//! What may be typed, and whether it makes sense together.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::fleet::{Live, SimOptions, Venue};

/// The whole way on this machine: an exchange, gatherers, the deduplicator, their ClickHouse engines
/// and a Parquet archive, with a live table.
///
/// Exit codes: 0 stopped as asked (and, with --verify, everything as it must be), 1 failed, 64 told
/// wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "demo", version)]
pub struct Args {
    /// End by itself after this many seconds
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// At the end, compare ClickHouse and Parquet with what the exchange really did, event by event
    #[arg(long)]
    pub verify: bool,
    /// While it runs, kill a gatherer, cut sockets, drop, repeat and corrupt frames: one gatherer at
    /// a time. Implies --verify
    #[arg(long)]
    pub chaos: bool,
    /// Play recorded frames instead of a made-up market (JSON, or a frame a line, also gzipped)
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Clocks of a replay: made-up (one per market and exchange time) or none, as recorded
    #[arg(long, value_name = "KIND", default_value = "made-up")]
    pub replay_clock: String,
    /// How many times faster than recorded; 0 is as fast as possible
    #[arg(long, value_name = "X", default_value = "1")]
    pub replay_speed: String,
    /// Capture the real exchange, read-only, with PROD_KEYID, PROD_KEYFILE and MARKET_TICKERS from
    /// the environment or `.env`. Not tried where this was built: the exchange was out of reach
    #[arg(long)]
    pub live: bool,
    /// Order book deltas a second of the simulated exchange, over all markets
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rate: u32,
    /// Markets of the simulated exchange
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub markets: u32,
    /// Decides what the simulated exchange does, and when --chaos strikes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many gatherers capture it
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub gatherers: usize,
    /// Keep everything in this folder (new or empty) instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Do not remove the temporary folder at the end
    #[arg(long)]
    pub keep: bool,
    /// ADMIN_TOKEN of the gatherers: with one, they poll a book when an operator asks
    #[arg(long, value_name = "TOKEN", default_value = "")]
    pub admin_token: String,
    /// How the programs log, in the folder's `logs/`: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: String,
    /// Id of the API key (--live)
    #[arg(long, env = "PROD_KEYID", default_value = "", hide_env_values = true)]
    pub key_id: String,
    /// Private key file of the API key (--live)
    #[arg(long, env = "PROD_KEYFILE", default_value = "", hide_env_values = true)]
    pub key_file: String,
    /// What to capture: tickers separated by commas, series as `KXBTC*`, or `all` (--live)
    #[arg(long, env = "MARKET_TICKERS", default_value = "", hide_env_values = true)]
    pub market_tickers: String,
    /// WebSocket of the exchange (--live); empty: production
    #[arg(long, env = "WS_URL", default_value = "", hide_env_values = true)]
    pub ws_url: String,
    /// REST of the exchange (--live); empty: production
    #[arg(long, env = "REST_URL", default_value = "", hide_env_values = true)]
    pub rest_url: String,
}

/// What the run is, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The exchange.
    pub venue: Venue,
    /// How many gatherers.
    pub gatherers: usize,
    /// Further settings of every gatherer.
    pub gatherer_settings: Vec<(&'static str, String)>,
    /// Further settings of the deduplicator.
    pub deduplicator_settings: Vec<(&'static str, String)>,
    /// When it ends by itself.
    pub seconds: Option<u64>,
    /// Whether to compare at the end.
    pub verify: bool,
    /// Whether to damage, by this seed.
    pub chaos: Option<u64>,
    /// Where everything is kept; `None`: a temporary folder.
    pub data: Option<PathBuf>,
    /// Whether a temporary folder stays.
    pub keep: bool,
}

/// More than one per name is only useful to see how it scales.
const GATHERERS_MAX: usize = 8;

impl Config {
    /// Checks what was typed.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub fn from_args(args: &Args) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, text: &str| {
            if !holds {
                problems.push(text.to_owned());
            }
        };
        expect(!(args.live && args.replay.is_some()), "--live and --replay exclude each other");
        expect(
            !(args.live && (args.verify || args.chaos)),
            "--verify and --chaos need the simulated exchange: nobody knows the real one's truth",
        );
        expect(
            (1..=GATHERERS_MAX).contains(&args.gatherers),
            &format!("--gatherers must lie between 1 and {GATHERERS_MAX}"),
        );
        expect(args.markets > 0, "--markets must be at least 1");
        expect(args.seconds != Some(0), "--seconds must be at least 1");
        let kinds = ["made-up", "none"];
        expect(kinds.contains(&args.replay_clock.as_str()), "--replay-clock is made-up or none");
        let formats = ["text", "json"];
        expect(formats.contains(&args.log_format.as_str()), "--log-format is text or json");
        let speed = args.replay_speed.parse::<f64>();
        expect(speed.is_ok_and(|x| x >= 0.0), "--replay-speed must be a number, 0 or more");
        if args.live {
            expect(!args.key_id.is_empty(), "--live: PROD_KEYID is not set");
            expect(!args.market_tickers.is_empty(), "--live: MARKET_TICKERS is not set");
            let file = &args.key_file;
            let told = if file.is_empty() {
                "--live: PROD_KEYFILE is not set".to_owned()
            } else {
                format!("--live: PROD_KEYFILE {file}: no such file")
            };
            expect(Path::new(file).is_file(), &told);
        }
        if let Some(file) = &args.replay {
            expect(file.is_file(), &format!("--replay {}: no such file", file.display()));
        }
        if let Some(folder) = &args.data {
            problems.extend(unusable(folder));
        }
        if problems.is_empty() { Ok(Self::checked(args)) } else { Err(problems) }
    }

    fn checked(args: &Args) -> Self {
        let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let venue = if args.live {
            Venue::Live(Live {
                key_id: args.key_id.clone(),
                key_file: absolute(Path::new(&args.key_file)),
                market_tickers: args.market_tickers.clone(),
                ws_url: optional(&args.ws_url),
                rest_url: optional(&args.rest_url),
            })
        } else {
            let replay = args.replay.as_deref().map(absolute);
            let speed = ["--replay-speed".to_owned(), args.replay_speed.clone()];
            Venue::Simulated(SimOptions {
                rate: args.rate,
                markets: args.markets,
                seed: args.seed,
                more: if replay.is_some() { speed.to_vec() } else { Vec::new() },
                replay,
                replay_clock: args.replay_clock.clone(),
                ..SimOptions::default()
            })
        };
        let log_format = ("LOG_FORMAT", args.log_format.clone());
        let token = optional(&args.admin_token).map(|token| ("ADMIN_TOKEN", token));
        Self {
            venue,
            gatherers: args.gatherers,
            gatherer_settings: std::iter::once(log_format.clone()).chain(token).collect(),
            deduplicator_settings: vec![log_format],
            seconds: args.seconds,
            verify: args.verify || args.chaos,
            chaos: args.chaos.then_some(args.seed),
            data: args.data.as_deref().map(absolute),
            keep: args.keep,
        }
    }
}

/// Why a folder cannot take a run: an old run in it would be mixed with the new one.
fn unusable(folder: &Path) -> Option<String> {
    if !folder.exists() {
        return None;
    }
    let named = folder.display();
    match std::fs::read_dir(folder) {
        Err(error) => Some(format!("--data {named}: {error}")),
        Ok(mut entries) => {
            entries.next().map(|_| format!("--data {named}: not empty; give a new folder"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(typed: &[&str]) -> Vec<String> {
        let args = Args::try_parse_from(["demo"].iter().chain(typed)).expect("known flags");
        Config::from_args(&args).err().unwrap_or_default()
    }

    #[test]
    fn what_makes_sense_is_taken() {
        assert!(problems(&[]).is_empty());
        assert!(problems(&["--seconds", "60", "--chaos", "--rate", "5000"]).is_empty());
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let typed =
            ["--gatherers", "0", "--seconds", "0", "--replay", "/no/such", "--data", "/proc"];
        assert_eq!(problems(&typed).len(), 4, "{:?}", problems(&typed));
        let live = ["--live", "--verify", "--key-id", "", "--key-file", "", "--market-tickers", ""];
        assert_eq!(problems(&live).len(), 4, "{:?}", problems(&live));
    }
}
