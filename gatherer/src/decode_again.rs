//! `kalshi-gatherer decode-again`: reads the raw frames of this gatherer's ClickHouse once more and stores what they
//! mean, after an exchange that changed its messages met a decoder that did not know them yet.
//!
//! The rows are those that the capture itself would have made: same keys, same content. What is stored already is left
//! out where it can be told (order books) and collapses with its twin where it cannot, so it may be run at any time,
//! beside the capture too, and again.

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;
use schema::rows::RawFrame;
use service::{exit, redacted::Secret};
use store::{Rows as _, Store, StoreConfig};

use crate::rows::GathererRows;

/// An order-book frame whose (session, sid, seq) has rows is left alone.
const FRAMES: &str = "SELECT ?fields FROM raw_frames FINAL \
    WHERE recv_ts >= now64(6) - toIntervalHour(?) \
    AND (JSONExtractString(frame, 'type') NOT IN ('orderbook_delta', 'orderbook_snapshot') \
    OR (session, toUInt32(JSONExtractUInt(frame, 'sid')), JSONExtractUInt(frame, 'seq')) \
    NOT IN (SELECT session, sid, seq FROM orderbook_events)) \
    ORDER BY position_incarnation, position_offset";

/// Decodes the raw frames of this gatherer's ClickHouse again and stores the rows that they should have made.
///
/// Exit codes: 0 done, 1 failed (run it again: nothing is stored twice), 64 told wrong things.
#[derive(Parser, Debug)]
struct Args {
    /// The gatherer's ClickHouse; of an embedded one, the address in the log line `clickhouse_started`.
    #[arg(long, env = "CLICKHOUSE_URL")]
    clickhouse_url: String,

    /// User at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default")]
    clickhouse_user: String,

    /// Password at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_PASSWORD", default_value = "", hide_env_values = true)]
    clickhouse_password: Secret,

    /// Database at CLICKHOUSE_URL.
    #[arg(long, env = "CLICKHOUSE_DATABASE", default_value = "kalshi")]
    clickhouse_database: String,

    /// The gatherer's name, as its rows have it.
    #[arg(long, env = "GATHERER_ID", default_value = "local")]
    gatherer_id: String,

    /// Frames received in the last so many hours; raw frames are kept for three days.
    #[arg(long, default_value_t = 72)]
    hours: u32,

    /// Rows stored at a time.
    #[arg(long, default_value_t = 20_000)]
    batch_rows: usize,
}

/// What was done.
#[derive(Default)]
struct Done {
    decoded: u64,
    undecodable: u64,
    rows: u64,
}

/// Runs the command if `args`, the program's name first, ask for it.
pub(crate) fn asked(args: &[OsString]) -> Option<ExitCode> {
    if args.get(1).is_none_or(|word| word != "decode-again") {
        return None;
    }
    let own = std::iter::once(OsString::from("kalshi-gatherer decode-again"));
    let args = match Args::try_parse_from(own.chain(args.iter().skip(2).cloned())) {
        Ok(args) => args,
        Err(told) => {
            let code = if told.use_stderr() { exit::TOLD_WRONG } else { 0 };
            told.print().unwrap_or_default();
            return Some(ExitCode::from(code));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("cannot start the runtime").and_then(|it| it.block_on(again(&args)));
    let said = done.map(|Done { decoded, undecodable, rows }| {
        let line = format!(
            "{decoded} frames decoded again, {rows} rows stored; {undecodable} frames still cannot be decoded"
        );
        // A closed pipe is no failure.
        writeln!(std::io::stdout().lock(), "{line}").unwrap_or_default();
    });
    Some(exit::code(&said))
}

async fn again(args: &Args) -> anyhow::Result<Done> {
    let store = Store::new(&StoreConfig {
        url: args.clickhouse_url.clone(),
        user: args.clickhouse_user.clone(),
        password: args.clickhouse_password.clone(),
        database: args.clickhouse_database.clone(),
    })?;
    let mut frames =
        store.client().query(FRAMES).bind(args.hours).fetch::<RawFrame>().context("raw_frames")?;
    let mut rows = GathererRows::new(&args.gatherer_id);
    let (mut done, mut first) = (Done::default(), None);
    while let Some(frame) = frames.next().await.context("cannot read raw_frames")? {
        let at = (frame.position_incarnation, frame.position_offset);
        match rows.decoded_again(&frame) {
            true => done.decoded += 1,
            false => done.undecodable += 1,
        }
        first.get_or_insert(at);
        if rows.rows() >= args.batch_rows {
            stored(&store, &mut rows, first.take(), &mut done).await?;
        }
    }
    stored(&store, &mut rows, first, &mut done).await?;
    Ok(done)
}

async fn stored(
    store: &Store,
    rows: &mut GathererRows,
    first: Option<(u32, u64)>,
    done: &mut Done,
) -> anyhow::Result<()> {
    let Some((incarnation, offset)) = first.filter(|_| rows.rows() > 0) else { return Ok(()) };
    done.rows += rows.rows() as u64;
    // Of this run: an earlier one may have stored other rows of these frames.
    let token = format!("decode-again-{}:{incarnation}:{offset}", std::process::id());
    rows.write(store, &token).await.context("cannot store rows; run it again")?;
    rows.clear();
    Ok(())
}
