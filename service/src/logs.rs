//! One line per event: on stderr at the level that was asked for, and, where there is a LOG_DIR, in files that
//! rotate by day, at DEBUG. What a line looks like is `line`'s.

mod limit;
mod line;

use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context as _;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use self::line::Line;

pub use self::limit::Limit;

/// Days whose files are kept; older ones are deleted.
const FILES_MAX: usize = 14;
/// Lines on their way to the file. Policy shed and count: a slow disk must not hold the feed.
const LINES_MAX: usize = 16_384;
/// Our own parts at DEBUG; of the libraries under us only what they call INFO, for they log every packet.
const FILE_LEVEL: &str = "info,catalog=debug,deduplicator=debug,exchange=debug,gatherer=debug,merge=debug,\
                          proto=debug,schema=debug,service=debug,spool=debug,store=debug";

/// The target of what ends a program: `exit` says it on the console itself, so that no filter can hide it.
pub(crate) const LAST_WORDS: &str = "last_words";

/// How many lines the file did not get.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("unknown log format {other:?}: use text or json")),
        }
    }
}

/// Writes the last lines to the file when it is dropped; `None` inside: there is no file.
#[must_use = "dropping it ends the log file"]
pub struct Guard(Option<WorkerGuard>);

impl Guard {
    /// Whether lines go to a file too.
    pub fn has_file(&self) -> bool {
        self.0.is_some()
    }
}

/// Starts logging on stderr at `level` (an `EnvFilter` expression such as `info` or `info,merge=debug`).
/// A second call in one process (tests) changes nothing.
pub fn init(level: &str, format: Format) {
    let console = fmt::layer().event_format(Line(format)).with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(console.with_filter(on_console(level)));
    // The only failure is "already started", which is what a test process looks like.
    subscriber.try_init().unwrap_or_default();
}

/// A panic is a line like any other, with its place; what it ends is told by the parts.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(
            component = "program",
            event = "panic",
            at,
            said,
            "a part of the program panicked"
        );
    }));
}

/// Starts logging on stderr and, if there is a `dir`, to `dir/PROGRAM.YYYY-MM-DD.log`.
///
/// # Errors
/// When the folder cannot be made or written to.
pub fn start(
    program: &str,
    level: &str,
    format: Format,
    dir: Option<&Path>,
) -> anyhow::Result<Guard> {
    log_panics();
    let Some(dir) = dir else {
        init(level, format);
        return Ok(Guard(None));
    };
    let unwritable = || format!("cannot write log files in {} (LOG_DIR)", dir.display());
    // The appender complains of a folder that is not there yet, on stderr and in its own words.
    std::fs::create_dir_all(dir).with_context(unwritable)?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(program)
        .filename_suffix("log")
        .max_log_files(FILES_MAX)
        .build(dir)
        .with_context(unwritable)?;
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(files);
    DROPPED.get_or_init(|| writer.error_counter());
    let console = fmt::layer().event_format(Line(format)).with_writer(std::io::stderr);
    let file = fmt::layer().event_format(Line(format)).with_writer(writer);
    let subscriber = tracing_subscriber::registry()
        .with(console.with_filter(on_console(level)))
        .with(file.with_filter(filter(FILE_LEVEL)));
    subscriber.try_init().unwrap_or_default();
    Ok(Guard(Some(guard)))
}

/// Lines that the file could not take in time.
pub(crate) fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Writes what `event` logs on stderr as JSON, past every filter and whether or not logging was started.
pub(crate) fn straight(event: impl FnOnce()) {
    let console = fmt::layer().event_format(Line(Format::Json)).with_writer(std::io::stderr);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(console), event);
}

fn on_console(level: &str) -> impl Filter<Registry> + use<> {
    filter(level).and(filter_fn(|metadata| metadata.target() != LAST_WORDS))
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
