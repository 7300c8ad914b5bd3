//! The program: an engine until a signal, as a library function so that another binary can offer it.

use std::{
    error::Error,
    ffi::OsString,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    error::StartError,
    options::{EngineKind, Options},
    process::ClickHouse,
};

const TOLD_WRONG: u8 = 64;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A ClickHouse for one machine: the embedded engine behind ClickHouse's HTTP interface.
#[derive(Debug, Parser)]
#[command(name = "clickhouse-dev", version)]
struct Args {
    /// Address of the HTTP interface; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// Folder of the tables; a temporary one, removed at the end, if not given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Password of user `kalshi`; without it user `default` needs none (loopback only).
    #[arg(long)]
    password: Option<String>,
    /// Memory the engine may use, in megabytes.
    #[arg(long, default_value_t = 1024)]
    memory_mb: u64,
    /// Memory one query may use, in megabytes; without it as much as the engine.
    #[arg(long)]
    query_memory_mb: Option<u64>,
    /// Folder the fetched engine is kept in; the user's cache folder if not given.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// What runs behind the interface.
    #[arg(long, value_enum, default_value_t = EngineKind::Auto)]
    engine: EngineKind,
}

/// What the program does, with the arguments as the system gives them (its name first).
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(problem) => {
            // Help and version come this way too; if they cannot be printed nobody can be told.
            problem.print().unwrap_or_default();
            return ExitCode::from(if problem.use_stderr() { TOLD_WRONG } else { 0 });
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            let told_wrong = error.downcast_ref().is_some_and(is_told_wrong);
            if told_wrong { ExitCode::from(TOLD_WRONG) } else { ExitCode::FAILURE }
        }
    }
}

fn is_told_wrong(error: &StartError) -> bool {
    matches!(error, StartError::OpenWithoutPassword(_))
}

fn complain(error: &dyn Error) {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
    writeln!(io::stderr(), "clickhouse-dev: {line}").unwrap_or_default();
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before the start, so that a signal during it does not leave an engine behind unseen.
    let (mut interrupt, mut terminate) = runtime.block_on(async {
        Ok::<_, io::Error>((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    let mut engine = ClickHouse::start(Options {
        data: args.data,
        host: args.listen.ip(),
        port: args.listen.port(),
        password: args.password,
        memory_bytes: Some(args.memory_mb << 20),
        query_memory_bytes: args.query_memory_mb.map(|megabytes| megabytes << 20),
        cache: args.cache,
        engine: args.engine,
    })?;
    let (url, user, data) = (engine.url(), engine.user(), engine.data().display());
    writeln!(io::stdout(), "ClickHouse at {url} (user {user}), tables in {data}")?;
    let ended = runtime.block_on(async {
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(None),
                _ = terminate.recv() => return Ok(None),
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if let Some(status) = engine.has_ended()? {
                        return Ok::<_, io::Error>(Some(status));
                    }
                }
            }
        }
    })?;
    match ended {
        None => {
            engine.stop();
            Ok(())
        }
        Some(status) => Err(format!("the engine ended by itself ({status})").into()),
    }
}
