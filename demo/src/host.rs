//! Lets one binary be every program: `demo __gatherer ...` is `kalshi-gatherer ...`.
//!
//! So `cargo demo` builds one program, and what it starts are real processes that can be killed.

use std::ffi::OsString;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A hosted program whose parent is gone has this long to stop by itself.
const ORPHAN_STOP_MAX: Duration = Duration::from_secs(20);

/// A program that can be hosted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hosted {
    /// `exchange-sim`
    ExchangeSim,
    /// `kalshi-gatherer`
    Gatherer,
    /// `kalshi-deduplicator`
    Deduplicator,
    /// `clickhouse-dev`
    ClickHouse,
}

impl Hosted {
    const ALL: [Self; 4] =
        [Self::ExchangeSim, Self::Gatherer, Self::Deduplicator, Self::ClickHouse];

    /// The hidden sub-command.
    pub fn sub_command(self) -> &'static str {
        match self {
            Self::ExchangeSim => "__exchange-sim",
            Self::Gatherer => "__gatherer",
            Self::Deduplicator => "__deduplicator",
            Self::ClickHouse => "__clickhouse",
        }
    }

    /// The name of the program's own binary.
    pub fn program(self) -> &'static str {
        match self {
            Self::ExchangeSim => "exchange-sim",
            Self::Gatherer => "kalshi-gatherer",
            Self::Deduplicator => "kalshi-deduplicator",
            Self::ClickHouse => "clickhouse-dev",
        }
    }
}

/// Runs the hosted program if `args` (with the binary's name first) ask for one.
pub fn run_if_asked(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let asked = args.next()?;
    let hosted = Hosted::ALL.into_iter().find(|hosted| asked == hosted.sub_command())?;
    end_with_the_parent();
    let args = std::iter::once(OsString::from(hosted.program())).chain(args);
    Some(match hosted {
        Hosted::ExchangeSim => exchange_sim::main_with(args),
        Hosted::Gatherer => gatherer::main_with(args),
        Hosted::Deduplicator => deduplicator::main_with(args),
        Hosted::ClickHouse => clickhouse_dev::main_with(args),
    })
}

/// The parent holds the other end of our stdin: when that closes, the parent is gone, however it
/// ended, and nobody would ever stop us.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let mut rest = [0; 64];
        while std::io::stdin().lock().read(&mut rest).is_ok_and(|read| read > 0) {}
        kill(Pid::this(), Signal::SIGTERM).unwrap_or_default();
        std::thread::sleep(ORPHAN_STOP_MAX);
        std::process::exit(1);
    });
}
