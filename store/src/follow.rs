//! The loop that carries a log into ClickHouse: borders, rows, send until confirmed, cursor.
//!
//! A batch is never dropped: it is sent again under the same token until the server confirms it or
//! the program stops. The log keeps what is not stored.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schema::rows::{SinkCursor, UnixMillis};
use service::clock::Clock;
use spool::{Log, Position, Reader};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::batch::{Borders, Intent, Reading};
use crate::connect::Store;
use crate::error::StoreError;
use crate::identity;
use crate::pieces::Pieces;
use crate::retry::Attempts;

/// Records read before other tasks of the thread get their turn.
const READ_BURST: usize = 512;
/// How many retries of an ended program's batch are waited for at a stop.
const TRIES_AT_STOP: u32 = 3;

/// Turns records into rows and writes them. The same records must always give the same rows.
pub trait Rows: Send {
    /// Takes in the record at `at`.
    ///
    /// # Errors
    /// When the record cannot be understood: the loop stops rather than skip it.
    fn push(&mut self, at: Position, payload: &[u8]) -> anyhow::Result<()>;

    /// How many rows are waiting.
    fn rows(&self) -> usize;

    /// Writes all waiting rows under `token`; called again with the same token until it succeeds.
    fn write(
        &self,
        store: &Store,
        token: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets the waiting rows: they are stored.
    fn clear(&mut self);
}

/// How a log is followed.
pub struct FollowConfig {
    /// The sink's name: its cursor in `sink_cursor`, its intent file, its log field.
    pub name: String,
    /// Folder of the intent file and the log's identity; belongs to the log.
    pub dir: PathBuf,
    /// A batch ends at this many rows.
    pub batch_rows: usize,
    /// A batch ends after this time, if it holds anything.
    pub flush_every: Duration,
    /// The tables that the database must hold; brought about before the first batch.
    pub role: schema::Role,
    /// The program's clock.
    pub clock: Clock,
}

/// Where the sink stands.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Everything below is stored; `None` until the store was first reached.
    pub cursor: Option<Position>,
    /// Rows stored since the start of the program.
    pub rows_total: u64,
    /// Wall time (ns) at which the newest batch was confirmed; 0 for none.
    pub stored_wall_ns: i64,
    /// The failure that is being retried, if one is.
    pub last_error: Option<String>,
    /// Wall time (ns) since when it is being retried.
    pub retrying_since_wall_ns: Option<i64>,
}

/// Follows `log` until `stop`, then stores what is durable by then, if the store answers.
///
/// # Errors
/// When the log is damaged or was trimmed past the cursor, or the intent file cannot be written.
pub async fn follow<R: Rows>(
    store: &Store,
    log: Log,
    config: FollowConfig,
    rows: R,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = identity::of(&config.dir)?;
    let intent = Intent::open(&config.dir, &config.name)?;
    let sink = format!("{}-{identity}", config.name);
    let pieces = Arc::new(Pieces::open(&config.dir, &config.name)?);
    let store = &store.cut_by(Arc::clone(&pieces));
    let advanced = Arc::new(Notify::new());
    let waker = Arc::clone(&advanced);
    log.on_advance(Box::new(move |_| waker.notify_one()));
    let mut follower =
        Follower { store, log, config, rows, progress, stop, sink, intent, pieces, advanced };
    if !follower.migrated().await? {
        return Ok(());
    }
    let Some(cursor) = follower.stored_cursor().await? else { return Ok(()) };
    follower.run(cursor).await
}

struct Follower<'a, R> {
    store: &'a Store,
    log: Log,
    config: FollowConfig,
    rows: R,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
    sink: String,
    intent: Intent,
    pieces: Arc<Pieces>,
    advanced: Arc<Notify>,
}

impl<R: Rows> Follower<'_, R> {
    async fn run(&mut self, mut cursor: Position) -> anyhow::Result<()> {
        self.progress.send_modify(|progress| progress.cursor = Some(cursor));
        let mut reader =
            self.log.read_from(cursor).with_context(|| format!("reading the log from {cursor}"))?;
        loop {
            let Some(borders) = self.gather(&mut reader, cursor).await? else { return Ok(()) };
            if !self.store_batch(borders).await? {
                return Ok(());
            }
            cursor = borders.to;
        }
    }

    /// Fills the next batch and fixes its borders. `None`: asked to stop, and nothing is left.
    async fn gather(
        &mut self,
        reader: &mut Reader,
        from: Position,
    ) -> anyhow::Result<Option<Borders>> {
        let begun = self.intent.begun_at(from)?;
        let mut reading = Reading::begin(from, begun.map(|begun| begun.to));
        if let Some(begun) = begun {
            self.read(reader, &mut reading).await?;
            self.pieces.begin(&begun.token(&self.sink), false)?;
            return Ok(Some(begun));
        }
        let started_ns = self.config.clock.mono_ns();
        loop {
            self.read(reader, &mut reading).await?;
            let left = self.until_flush(started_ns);
            let filled = !reading.is_empty();
            if self.is_full() || (filled && left.is_zero()) {
                break;
            }
            if self.stop.is_cancelled() {
                if filled {
                    break;
                }
                return Ok(None);
            }
            self.wait(filled.then_some(left)).await;
        }
        let borders = reading.borders();
        self.intend(borders).await?;
        self.pieces.begin(&borders.token(&self.sink), true)?;
        failpoint::hit("store.intended");
        Ok(Some(borders))
    }

    /// Writes the borders down. A disk that takes nothing is asked again: who captures must not end
    /// because a batch cannot begin.
    async fn intend(&self, borders: Borders) -> anyhow::Result<()> {
        let mut attempts = Attempts::default();
        while let Err(error) = self.intent.begin(borders) {
            let (pause, attempt) = (attempts.failed(), attempts.count());
            if self.stop.is_cancelled() {
                return Err(error.context("the last batch cannot be begun; the log keeps it"));
            }
            let error = format!("{error:#}");
            tracing::warn!(
                component = "store",
                event = "intent_retry",
                sink = self.config.name,
                attempt,
                error,
                "a batch cannot be begun; it stays in the log"
            );
            let wall_ns = self.config.clock.wall_ns();
            self.progress.send_modify(|progress| {
                progress.last_error = Some(error);
                progress.retrying_since_wall_ns.get_or_insert(wall_ns);
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Reads what is durable: to the end of a batch that was begun, or until the batch is full.
    async fn read(&mut self, reader: &mut Reader, reading: &mut Reading) -> anyhow::Result<()> {
        let mut burst = 0;
        while !reading.is_whole() && (reading.was_begun() || !self.is_full()) {
            let Some(record) = reading.next(reader)? else { return Ok(()) };
            self.rows
                .push(record.at, record.payload)
                .with_context(|| format!("the record at {}", record.at))?;
            burst += 1;
            if burst % READ_BURST == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows.rows() >= self.config.batch_rows
    }

    fn until_flush(&self, started_ns: u64) -> Duration {
        let passed = self.config.clock.mono_ns().saturating_sub(started_ns);
        self.config.flush_every.saturating_sub(Duration::from_nanos(passed))
    }

    async fn wait(&self, at_most: Option<Duration>) {
        tokio::select! {
            () = self.advanced.notified() => {}
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(at_most.unwrap_or(Duration::MAX)), if at_most.is_some() => {}
        }
    }

    /// Sends until confirmed. `false`: asked to stop, and the store does not answer.
    async fn store_batch(&mut self, borders: Borders) -> anyhow::Result<bool> {
        let token = borders.token(&self.sink);
        let started_ns = self.config.clock.mono_ns();
        let mut attempts = Attempts::default();
        while let Err(error) = self.try_batch(borders, &token).await {
            let pause = attempts.failed();
            self.failed(&error, attempts.count());
            if self.stop.is_cancelled() && attempts.count() >= TRIES_AT_STOP {
                self.given_up(&error, attempts.count());
                return Ok(false);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => {}
            }
        }
        self.stored(borders, started_ns);
        if attempts.count() > 0 {
            let (sink, attempts) = (&self.config.name, attempts.count());
            tracing::info!(
                component = "store",
                event = "insert_recovered",
                sink,
                attempts,
                "stored"
            );
        }
        Ok(true)
    }

    fn given_up(&self, error: &StoreError, attempts: u32) {
        tracing::error!(
            component = "store",
            event = "insert_failed",
            sink = self.config.name,
            category = error.category().as_str(),
            attempts,
            "the program stops before the store took the batch; the log keeps it"
        );
    }

    async fn try_batch(&self, borders: Borders, token: &str) -> Result<(), StoreError> {
        self.pieces.attempt();
        self.rows.write(self.store, token).await?;
        failpoint::hit("store.cursor-due");
        let cursor = SinkCursor {
            sink: self.sink.as_str().into(),
            position_incarnation: borders.to.incarnation,
            position_offset: borders.to.offset,
            updated: UnixMillis(self.config.clock.wall_ns() / 1_000_000),
        };
        self.store.insert("sink_cursor", &[cursor], token).await
    }

    fn stored(&mut self, borders: Borders, started_ns: u64) {
        let took_ns = self.config.clock.mono_ns().saturating_sub(started_ns);
        let rows = self.rows.rows() as u64;
        self.rows.clear();
        metrics::counter!("writer_inserts_total").increment(1);
        metrics::counter!("writer_rows_total").increment(rows);
        metrics::histogram!("writer_flush_duration_seconds")
            .record(Duration::from_nanos(took_ns).as_secs_f64());
        let wall_ns = self.config.clock.wall_ns();
        self.progress.send_modify(|progress| {
            progress.cursor = Some(borders.to);
            progress.rows_total += rows;
            progress.stored_wall_ns = wall_ns;
            progress.last_error = None;
            progress.retrying_since_wall_ns = None;
        });
    }

    fn failed(&self, error: &StoreError, attempt: u32) {
        let category = error.category().as_str();
        let text = format!("{:#}", anyhow::anyhow!("{error}: {}", source_of(error)));
        metrics::counter!("writer_errors_total", "type" => category).increment(1);
        tracing::warn!(
            component = "store",
            event = "insert_retry",
            sink = self.config.name,
            category,
            attempt,
            error = text,
            "the store did not take a batch; it stays in the log and is sent again"
        );
        let wall_ns = self.config.clock.wall_ns();
        self.progress.send_modify(|progress| {
            progress.last_error = Some(text);
            progress.retrying_since_wall_ns.get_or_insert(wall_ns);
        });
    }

    /// Brings the database to our schema. `false`: asked to stop before the store answered.
    async fn migrated(&mut self) -> anyhow::Result<bool> {
        let mut attempts = Attempts::default();
        loop {
            match self.store.migrate(self.config.role).await {
                Ok(()) => return Ok(true),
                Err(error @ StoreError::Schema(_)) => return Err(error.into()),
                Err(error) => {
                    if self.give_up_after(&error, &mut attempts).await {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Where this sink of this log stands, by the store itself; the log's beginning if it never
    /// wrote. `None`: asked to stop before the store answered.
    async fn stored_cursor(&mut self) -> anyhow::Result<Option<Position>> {
        let mut attempts = Attempts::default();
        loop {
            let query = self.store.client().query(schema::SINK_CURSOR).bind(&self.sink);
            match query.fetch_optional::<SinkCursor>().await {
                Ok(None) => return Ok(Some(self.log.oldest())),
                Ok(Some(row)) => {
                    return Ok(Some(Position {
                        incarnation: row.position_incarnation,
                        offset: row.position_offset,
                    }));
                }
                Err(source) => {
                    let error = StoreError::statement("read sink_cursor", source);
                    if self.give_up_after(&error, &mut attempts).await {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reports a failure and pauses. `true`: asked to stop meanwhile.
    async fn give_up_after(&self, error: &StoreError, attempts: &mut Attempts) -> bool {
        let pause = attempts.failed();
        self.failed(error, attempts.count());
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none()
    }
}

fn source_of(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}
