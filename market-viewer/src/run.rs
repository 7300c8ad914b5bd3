//! Asks, shows, writes down; until it is told to end.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use service::clock::Clock;
use tokio::time::MissedTickBehavior;

use crate::book::Answer;
use crate::config::Config;
use crate::screen::Screen;
use crate::source::{Source, Told};
use crate::state::{News, State};

/// A key is felt to be answered at once.
const KEYS_EVERY: Duration = Duration::from_millis(40);

/// A line of `--ndjson`.
#[derive(Serialize)]
struct Seen<'a> {
    seen_ms: i64,
    #[serde(flatten)]
    book: &'a Answer,
}

/// Runs until `stop`, a key, or `--changes` changes.
///
/// # Errors
/// When the deduplicator cannot be asked at the start, refuses, or a file cannot be written.
pub(crate) async fn run(config: &Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let source = Source::new(config)?;
    let mut file = config.ndjson.as_deref().map(appended).transpose()?;
    let clock = Clock::start();
    let now_ms = || clock.wall_ns().div_euclid(1_000_000);
    let mut state = State::default();
    // Asked before the terminal is taken, so that what is wrong is told on it as it was.
    let first = match source.ask().await {
        Told::Book(answer, book) => (answer, book),
        Told::Refused(why) | Told::Problem(why) => bail!(why),
    };
    let mut screen = Screen::open(config.is_compact).context("cannot use the terminal")?;
    let news = state.take(*first.1, now_ms());
    write(&mut file, &first.0, state.now_ms)?;
    show(&mut screen, &state, Some(news))?;
    let mut stop = std::pin::pin!(stop);
    let mut asks =
        tokio::time::interval_at(tokio::time::Instant::now() + config.every, config.every);
    asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keys = tokio::time::interval(KEYS_EVERY);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = keys.tick() => {
                if screen.is_ended()? {
                    return Ok(());
                }
                continue;
            }
            _ = asks.tick() => {}
        }
        let mut news = None;
        match source.ask().await {
            Told::Book(answer, book) => {
                news = Some(state.take(*book, now_ms()));
                if news == Some(News::Changed) {
                    write(&mut file, &answer, state.now_ms)?;
                }
            }
            Told::Refused(why) => bail!(why),
            Told::Problem(why) => state.fail(why, now_ms()),
        }
        show(&mut screen, &state, news)?;
        if config.changes_max.is_some_and(|max| state.changes >= max) {
            return Ok(());
        }
    }
}

fn appended(path: &std::path::Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {} (--ndjson)", path.display()))
}

fn write(file: &mut Option<File>, book: &Answer, seen_ms: i64) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let mut line = serde_json::to_string(&Seen { seen_ms, book })?;
    line.push('\n');
    // One write a line: a reader never sees half of one.
    file.write_all(line.as_bytes()).context("cannot write to the file of --ndjson")
}

/// A reader of our lines that has seen enough (`| head`) ends us as asked.
fn show(screen: &mut Screen, state: &State, news: Option<News>) -> anyhow::Result<()> {
    match screen.show(state, news) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot show the book"),
    }
}
