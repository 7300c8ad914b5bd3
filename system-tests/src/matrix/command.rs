//! `programs faults`: as many seeds of the matrix as wanted.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use service::clock::Clock;
use service::exit;

use super::{CASES, Ground};

/// Breaks the system in every way of the fault matrix and compares what is stored with the truth.
///
/// Exit codes: 0 everything was as it must be, 1 something was not (the seed is printed), 64 told wrong things.
#[derive(Parser, Clone, Debug)]
#[command(name = "faults", version)]
struct Args {
    /// Decides everything that is random; each further run takes the next
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many runs of each case
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// Only cases whose name contains this
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Every place and file instead of a few by chance, and faults that last longer
    #[arg(long)]
    long: bool,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
    /// Only name the cases
    #[arg(long)]
    list: bool,
}

/// The command, its name first among `args`.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(problem) => {
            problem.print().unwrap_or_default();
            return ExitCode::from(if problem.use_stderr() { exit::TOLD_WRONG } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    exit::code(&runtime.context("cannot start the runtime").and_then(|it| it.block_on(run(&args))))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let host = std::env::current_exe().context("cannot find this program's own file")?;
    let host = host.to_str().context("this program's path is not UTF-8")?;
    let mut failed = 0_u32;
    for (name, about) in CASES.iter().filter(|(name, _)| name.contains(&args.only)) {
        say(&format!("{name}: {about}"))?;
        for seed in (args.seed..args.seed.saturating_add(args.count)).take_while(|_| !args.list) {
            let clock = Clock::start();
            let outcome = Ground::new(host, seed, args.long).run(name).await;
            let took = Duration::from_nanos(clock.mono_ns());
            match outcome {
                Ok(report) => {
                    say(&format!("  seed {seed}: as it must be, {took:.1?}\n{report}"))?;
                }
                Err(error) if args.keep_going => {
                    failed += 1;
                    say(&format!("  seed {seed}: FAILED after {took:.1?}: {error:#}"))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} runs failed");
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("cannot write to standard output")
}
