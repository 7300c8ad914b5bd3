//! The markets that are carried, in a file, so that a restart goes on with them.
//!
//! The exchange's lists show what is open now. A market that closed or was paused while the gatherer was down is in none of
//! them; without its next snapshot nobody would ever say what was lost of it.
//!
//! ```text
//! markets: version u8 = 1 | Unix seconds i64 LE | tickers, one a line
//! ```
//! It is a help and no truth: what cannot be read is left out, and the exchange's list stands alone.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use service::clock::Clock;
use spool::CursorFile;
use tokio::{sync::watch, task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{spread::Carried, telemetry};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8;

/// Written at most this often, and at least: the file says until when it was true.
const PAUSE: Duration = Duration::from_secs(2);
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is older than this is forgotten: markets that ended since would be asked for in vain. As long as a market that is
/// missing in the lists is carried.
const AGE_MAX_S: i64 = 3_600;

/// What was carried when the gatherer last ran, if that is not long ago.
pub(crate) fn load(dir: &Path, now_s: i64) -> Vec<Arc<str>> {
    match read(dir) {
        Ok(None) => Vec::new(),
        Ok(Some((written_s, _))) if now_s.saturating_sub(written_s) > AGE_MAX_S => Vec::new(),
        Ok(Some((_, markets))) => markets,
        Err(error) => {
            telemetry::markets::not_remembered(&format!("{error:#}"));
            Vec::new()
        }
    }
}

/// Writes down what is carried until told to stop.
///
/// # Errors
/// Never: what cannot be written is told, and written later.
pub(crate) async fn keep(
    file: std::path::PathBuf,
    mut carried: watch::Receiver<Arc<Carried>>,
    clock: Clock,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    while !stopping.is_cancelled() {
        let markets = Arc::clone(&carried.borrow_and_update());
        // Nothing is carried before the first look at the exchange: that must not wipe out what is remembered.
        if !markets.is_empty() {
            let bytes = encode(&markets, clock.wall_ns().div_euclid(1_000_000_000));
            let file = file.clone();
            let stored = spawn_blocking(move || CursorFile::open(file)?.store(&bytes)).await;
            if let Err(error) = stored.context("writing markets panicked")? {
                telemetry::markets::not_remembered(&error.to_string());
            }
        }
        let next = async {
            tokio::time::sleep(PAUSE).await;
            // Over too when nobody decides about markets any more: then the stop is near.
            drop(timeout(AGAIN_AFTER, carried.changed()).await);
        };
        stopping.run_until_cancelled(next).await;
    }
    Ok(())
}

/// Where it is.
pub(crate) fn file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("markets")
}

fn read(dir: &Path) -> anyhow::Result<Option<(i64, Vec<Arc<str>>)>> {
    let path = file(dir);
    let Some(bytes) = CursorFile::open(&path)?.load()? else { return Ok(None) };
    let decoded = decode(&bytes);
    decoded.with_context(|| format!("{} is of another version", path.display())).map(Some)
}

fn encode(markets: &Carried, now_s: i64) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(now_s.to_le_bytes());
    for market in markets {
        bytes.extend(market.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<(i64, Vec<Arc<str>>)> {
    let (head, tickers) = bytes.split_at_checked(HEAD_BYTES)?;
    let (&version, written_s) = head.split_first()?;
    if version != VERSION {
        return None;
    }
    let written_s = i64::from_le_bytes(written_s.try_into().ok()?);
    let tickers = std::str::from_utf8(tickers).ok()?;
    Some((written_s, tickers.lines().map(Arc::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markets(tickers: &[&str]) -> Carried {
        tickers.iter().map(|ticker| Arc::from(*ticker)).collect()
    }

    #[test]
    fn version_1_is_read_and_written_as_ever() {
        let bytes = b"\x01\x00\xca\x9a\x3b\x00\x00\x00\x00KXA-1\nKXB-2\n";
        assert_eq!(encode(&markets(&["KXB-2", "KXA-1"]), 1_000_000_000), bytes);
        let (written_s, tickers) = decode(bytes).expect("version 1");
        assert_eq!((written_s, tickers), (1_000_000_000, vec!["KXA-1".into(), "KXB-2".into()]));
        assert_eq!((decode(b"\x02\x00"), decode(b"")), (None, None));
    }

    #[test]
    fn what_was_carried_a_moment_ago_is_remembered_and_what_is_old_or_damaged_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(load(dir.path(), 1_000).is_empty(), "nothing was ever stored");
        let store = |bytes: &[u8]| {
            CursorFile::open(file(dir.path())).and_then(|file| file.store(bytes)).expect("stored");
        };
        store(&encode(&markets(&["KXA-1"]), 1_000));
        assert_eq!(load(dir.path(), 1_000 + AGE_MAX_S), [Arc::from("KXA-1")]);
        assert!(load(dir.path(), 1_001 + AGE_MAX_S).is_empty());
        store(b"\x02nonsense");
        assert!(load(dir.path(), 1_000).is_empty());
        std::fs::write(file(dir.path()), b"no cursor file").expect("written");
        assert!(load(dir.path(), 1_000).is_empty());
    }
}
