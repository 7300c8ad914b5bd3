//! What the binary does, so that another program can offer it as a sub-command.

use std::{
    ffi::OsString,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{Args, Config, bench, run};

/// What it was told makes no sense.
const EXIT_TOLD_WRONG: u8 = 64;

/// Parses (`args` begins with the program's name), runs until SIGINT or SIGTERM, and says how it
/// ended: 0 stopped as asked, 1 failed, 64 told wrong things.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Another program that embeds this one may have set up its own log already.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(
                EnvFilter::builder()
                    .with_default_directive(tracing::Level::INFO.into())
                    .from_env_lossy(),
            )
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
    );
    if args.get(1).is_some_and(|word| word == "bench-serve") {
        return bench::main_with(args.into_iter().skip(1));
    }
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    match Config::from_args(args) {
        Ok(config) => finish(block_on(run(config, stop_requested(), |_| ()))),
        Err(problems) => {
            for problem in problems {
                say(&format!("exchange-sim: {problem}"));
            }
            ExitCode::from(EXIT_TOLD_WRONG)
        }
    }
}

/// Prints help or what was wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done when even this cannot be written.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(EXIT_TOLD_WRONG) } else { ExitCode::SUCCESS }
}

pub(crate) fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("exchange-sim: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work)
}

fn say(line: &str) {
    // A closed stderr must not turn an exit code into a panic.
    drop(writeln!(std::io::stderr(), "{line}"));
}

async fn stop_requested() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        },
        _ => std::future::pending().await,
    }
}
