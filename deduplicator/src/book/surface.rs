//! `GET /book/{ticker}`: as the merge holds it now, or with `?at=` as the stored record has it then.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use service::clock::Clock;
use spool::{Log, Position, Upto};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use super::stored::{self, Hole};
use super::{Book, stored::Head};
use crate::pipeline::{About, Question};
use crate::status::Status;

/// The pipeline answers within a batch or is stuck.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A moment that is not stored yet is waited for so long.
const STORED_MAX: Duration = Duration::from_secs(10);
/// What is stored reaches back from now at least by the sink's lag and this: receipts and exchange
/// times differ, and gatherers' clocks from ours.
const MARGIN_MS: i64 = 5_000;

/// The stored record, to be asked about the past.
#[derive(Clone)]
pub(crate) struct Past {
    pub(crate) store: Store,
    pub(crate) log: Log,
    pub(crate) progress: watch::Receiver<store::Progress>,
    pub(crate) clock: Clock,
}

/// What stands behind the question mark.
#[derive(Deserialize)]
pub(crate) struct At {
    at: Option<String>,
}

#[derive(Serialize)]
struct PastBook {
    #[serde(flatten)]
    book: Book,
    at_ms: i64,
    hole: Option<ShownHole>,
}

#[derive(Serialize)]
struct ShownHole {
    era: u16,
    from_clock: u64,
    to_clock: u64,
    from_ts_ms: i64,
    to_ts_ms: i64,
    cause: String,
    state: String,
}

impl From<Hole> for ShownHole {
    fn from(hole: Hole) -> Self {
        Self {
            era: hole.era,
            from_clock: hole.from_clock,
            to_clock: hole.to_clock,
            from_ts_ms: hole.from_ts.0,
            to_ts_ms: hole.to_ts.0,
            cause: hole.cause,
            state: hole.state,
        }
    }
}

/// Answers.
pub(crate) async fn answer(
    (questions, status): (&mpsc::Sender<Question>, &watch::Receiver<Status>),
    past: Option<&Past>,
    ticker: String,
    at: At,
) -> Response {
    let Some(at) = at.at else { return live(questions, ticker).await };
    let Some(past) = past else {
        return refusal(StatusCode::CONFLICT, "there is no ClickHouse to ask about the past");
    };
    let Some(at_ms) = moment(&at) else {
        return refusal(StatusCode::BAD_REQUEST, "at is neither RFC 3339 nor Unix milliseconds");
    };
    let now_ms = past.clock.wall_ns().div_euclid(1_000_000);
    if at_ms > now_ms {
        return refusal(StatusCode::BAD_REQUEST, "at lies in the future");
    }
    let lag = status.borrow().clickhouse.as_ref().map_or(f64::MAX, |shown| shown.lag_seconds);
    let behind_ms = (lag.min(1e9) * 1e3) as i64 + MARGIN_MS;
    if at_ms > now_ms - behind_ms && !past.stored().await {
        let told = "that moment is not in ClickHouse yet: see /health";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, told);
    }
    match past.book(&ticker, at_ms).await {
        Ok(Some(book)) => Json(book).into_response(),
        Ok(None) => refusal(StatusCode::NOT_FOUND, "nothing is known of this market at that time"),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(component = "book", event = "past_book_failed", error, ticker);
            refusal(StatusCode::SERVICE_UNAVAILABLE, "ClickHouse does not answer")
        }
    }
}

async fn live(questions: &mpsc::Sender<Question>, ticker: String) -> Response {
    let (answer, answered) = oneshot::channel();
    let question = Question::Book { about: About::Ticker(ticker), answer };
    let asked = async {
        questions.send(question).await.ok()?;
        answered.await.ok()
    };
    match tokio::time::timeout(ANSWER_MAX, asked).await {
        Ok(Some(Some(held))) => Json(held.shown()).into_response(),
        Ok(Some(None)) => refusal(StatusCode::NOT_FOUND, "no such market"),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "the pipeline does not answer"),
    }
}

fn refusal(code: StatusCode, told: &'static str) -> Response {
    (code, format!("{told}\n")).into_response()
}

/// RFC 3339, or Unix milliseconds.
fn moment(text: &str) -> Option<i64> {
    let stamp = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    text.parse().ok().or_else(stamp)
}

impl Past {
    /// Waits until everything that the merge has said by now is stored: what it said a moment ago is
    /// in the journal's buffer and cannot be read yet.
    pub(crate) async fn stored(&self) -> bool {
        let said = self.log.appended();
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|progress| {
            progress.cursor.is_some_and(|cursor| cursor >= said || self.is_end(cursor, said))
        });
        tokio::time::timeout(STORED_MAX, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// A restart begins a new incarnation of the journal: while nothing is in it, the end of the one
    /// before is the end.
    fn is_end(&self, cursor: Position, said: Position) -> bool {
        let Ok(mut rest) = self.log.read_from(cursor) else { return false };
        said.offset == 0 && matches!(rest.next(Upto::Durable), Ok(None))
    }

    async fn book(
        &self,
        ticker: &str,
        at_ms: i64,
    ) -> Result<Option<PastBook>, clickhouse::error::Error> {
        let client = self.store.client();
        let Some((head, hole)) = stored::standing_at(client, ticker, at_ms).await? else {
            return Ok(None);
        };
        let Some(book) = stored::book_at_seq(client, ticker, head.seq).await? else {
            return Ok(None);
        };
        let Head { seq, era, clock, ts, market_id } = head;
        let [yes, no] = stored::sides(&book);
        let (market_ticker, clock) = (ticker.to_owned(), Some(clock));
        let book = Book { market_ticker, market_id, seq, era, clock, ts_ms: ts.0, yes, no };
        Ok(Some(PastBook { book, at_ms, hole: hole.map(ShownHole::from) }))
    }
}

#[cfg(test)]
mod tests {
    use service::redacted::Secret;
    use spool::{Options, Spool};
    use store::{Progress, StoreConfig};

    use super::*;

    #[tokio::test]
    async fn what_waits_in_the_journals_buffer_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        // No group commit comes in between.
        let options = Options { commit_every: Duration::from_secs(3_600), ..Options::default() };
        let (mut writer, log, _) = Spool::open(dir.path(), options).expect("a new log");
        writer.append(b"first").expect("room");
        let cursor = Some(writer.commit().expect("a healthy disk"));
        let said = writer.append(b"second").expect("room").next;
        let (stored, progress) = watch::channel(Progress { cursor, ..Progress::default() });
        let store = Store::new(&StoreConfig {
            url: "http://127.0.0.1:1".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            database: "none".to_owned(),
        });
        let store = store.expect("a URL");
        let past = Past { store, log, progress, clock: Clock::start() };
        let mut waits = std::pin::pin!(past.stored());
        let mut look = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waits.as_mut().poll(&mut look).is_pending(), "the second is not stored");
        stored.send_replace(Progress { cursor: Some(said), ..Progress::default() });
        assert!(waits.await);
    }

    #[test]
    fn a_moment_is_written_in_two_ways() {
        assert_eq!(moment("1789000000123"), Some(1_789_000_000_123));
        assert_eq!(moment("2026-09-10T00:26:40.123Z"), Some(1_789_000_000_123));
        assert_eq!(moment("2026-09-10T02:26:40.123+02:00"), Some(1_789_000_000_123));
        assert_eq!(moment("yesterday"), None);
        assert_eq!(moment(""), None);
    }
}
