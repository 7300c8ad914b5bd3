//! What was typed, and what the simulator needs: every mistake is reported at once.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

use crate::{
    auth::Keys,
    book::Scale,
    faults::Rates,
    replay::{Manner, ReplayClock},
};

/// A simulated Kalshi: WebSocket and REST on one port, with faults on request and a truth log.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "exchange-sim",
    version,
    after_help = "`exchange-sim bench-serve --help`: \
    measures how many deltas a second are served to three connections."
)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9443", value_name = "HOST:PORT")]
    pub listen: String,
    /// Public key of a client (SPKI PEM, RSA or Ed25519); may be repeated
    #[arg(long, value_name = "PEM")]
    pub public_key: Vec<PathBuf>,
    /// Key id that belongs to the --public-key at the same place; without any, every id is known
    #[arg(long, value_name = "ID")]
    pub key_id: Vec<String>,
    /// Speak TLS with a certificate made at the start
    #[arg(long)]
    pub tls: bool,
    /// Where to write the CA certificate of --tls (PEM)
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub tls_ca_out: Option<PathBuf>,
    /// Another name or address the certificate of --tls is good for; may be repeated
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub tls_name: Vec<String>,
    /// How many markets trade at the start
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub markets: usize,
    /// Order book deltas per second, over all markets
    #[arg(long, default_value_t = 500.0, value_name = "DELTAS_PER_SEC")]
    pub rate: f64,
    /// Seed of everything random: the same seed gives the same events
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Mean seconds between lifecycle changes (markets close, open, change); 0 for none
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    pub lifecycle_every: f64,
    /// Write every event, one JSON line each, before any client gets it
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Faults that happen by themselves: drop, repeat, corrupt, reorder (chance per frame), cut,
    /// stall (mean seconds between), stall-seconds; as in drop=0.0005,cut=60
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub faults: String,
    /// Write the bound HOST:PORT here when ready
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// Play recorded frames instead of generating events
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Clocks of a replay: made up (one per market and exchange time), or none
    #[arg(long, value_enum, default_value = "made-up")]
    replay_clock: ReplayClock,
    /// How many times faster than recorded; 0 is as fast as possible
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub replay_speed: f64,
    /// The recording was made with use_yes_price
    #[arg(long)]
    pub replay_yes_price: bool,
    /// Require this Bearer token on /sim/*
    #[arg(long, value_name = "T")]
    pub admin_token: Option<String>,
    /// Produce no events until POST /sim/resume
    #[arg(long)]
    pub start_paused: bool,
    /// REST requests per second and client address before 429; 0 for no limit
    #[arg(long, default_value_t = 0.0, value_name = "PER_SEC")]
    pub rest_rate: f64,
    /// Markets one subscription may hold before error 26
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub max_markets_per_subscription: usize,
    /// Commands per second and connection before error 27
    #[arg(long, default_value_t = 100.0, value_name = "PER_SEC")]
    pub commands_per_sec: f64,
    /// Bytes that may wait for a slow reader before error 25
    #[arg(long, default_value_t = 64 << 20, value_name = "BYTES")]
    pub connection_buffer: usize,
}

/// What limits a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) markets_per_subscription: usize,
    pub(crate) commands_per_sec: f64,
    pub(crate) connection_buffer_bytes: usize,
    /// 0 for none.
    pub(crate) rest_per_sec: f64,
}

/// Settings of the generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generated {
    pub(crate) seed: u64,
    pub(crate) markets: usize,
    pub(crate) rate: f64,
    pub(crate) lifecycle_every_s: f64,
}

#[derive(Clone, Debug)]
pub(crate) enum Play {
    Generated(Generated),
    Recorded(PathBuf, Manner),
}

#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) ca_out: Option<PathBuf>,
    pub(crate) names: Vec<String>,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) keys: Keys,
    pub(crate) tls: Option<Tls>,
    pub(crate) play: Play,
    pub(crate) seed: u64,
    pub(crate) truth: Option<PathBuf>,
    pub(crate) faults: Rates,
    pub(crate) port_file: Option<PathBuf>,
    pub(crate) admin_token: Option<String>,
    pub(crate) start_paused: bool,
    pub(crate) limits: Limits,
}

impl Config {
    /// Checks what was typed; returns every problem at once.
    pub fn from_args(args: Args) -> Result<Self, Vec<String>> {
        let mut problems = numbers(&args);
        let listen = args.listen.parse::<SocketAddr>();
        if let Err(error) = &listen {
            problems.push(format!("--listen {}: {error}", args.listen));
        }
        let keys = Keys::load(&args.public_key, &args.key_id).unwrap_or_else(|mut found| {
            problems.append(&mut found);
            Keys::default()
        });
        let faults = Rates::parse(&args.faults).unwrap_or_else(|mut found| {
            problems.append(&mut found);
            Rates::default()
        });
        if let Some(path) = args.replay.as_ref().filter(|path| !path.is_file()) {
            problems.push(format!("--replay {}: no such file", path.display()));
        }
        let (Ok(listen), true) = (listen, problems.is_empty()) else { return Err(problems) };
        Ok(Self {
            listen,
            keys,
            play: play(&args),
            tls: args.tls.then_some(Tls { ca_out: args.tls_ca_out, names: args.tls_name }),
            seed: args.seed,
            truth: args.truth,
            faults,
            port_file: args.port_file,
            admin_token: args.admin_token,
            start_paused: args.start_paused,
            limits: Limits {
                markets_per_subscription: args.max_markets_per_subscription,
                commands_per_sec: args.commands_per_sec,
                connection_buffer_bytes: args.connection_buffer,
                rest_per_sec: args.rest_rate,
            },
        })
    }
}

fn play(args: &Args) -> Play {
    let scale = if args.replay_yes_price { Scale::YesLeg } else { Scale::NoLeg };
    let manner = Manner { clock: args.replay_clock, speed: args.replay_speed, scale };
    match &args.replay {
        Some(path) => Play::Recorded(path.clone(), manner),
        None => Play::Generated(Generated {
            seed: args.seed,
            markets: args.markets,
            rate: args.rate,
            lifecycle_every_s: args.lifecycle_every,
        }),
    }
}

/// Numbers that make no sense.
fn numbers(args: &Args) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |holds: bool, text: &str| {
        if !holds {
            problems.push(text.to_owned());
        }
    };
    let within = |value: f64, max: f64| (0.0..=max).contains(&value);
    expect((1..=200_000).contains(&args.markets), "--markets must lie between 1 and 200000");
    expect(within(args.rate, 1e7), "--rate must lie between 0 and 10000000");
    expect(within(args.lifecycle_every, 1e7), "--lifecycle-every must not be negative");
    expect(within(args.replay_speed, 1e6), "--replay-speed must lie between 0 and 1000000");
    expect(within(args.rest_rate, 1e6), "--rest-rate must lie between 0 and 1000000");
    expect(args.commands_per_sec >= 1.0, "--commands-per-sec must be at least 1");
    expect(args.max_markets_per_subscription > 0, "--max-markets-per-subscription must be > 0");
    expect(args.connection_buffer >= 4096, "--connection-buffer must be at least 4096");
    problems
}
