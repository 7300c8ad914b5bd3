//! How the batch in hand is cut when the store has too little memory for it.
//!
//! A batch is one block a table, known to the server by its token. When the server refuses a block for
//! lack of memory, half of its rows at a time are sent, each piece under a token of its own. That is only
//! right where the block is surely not stored: every attempt at it must have been *answered* by a refusal,
//! in this run of the program. And what was confirmed in pieces must be known after a crash, so the cut is
//! written down before the first piece is sent, and after each:
//! ```text
//! NAME.pieces: a spool cursor file that holds
//! version u8 = 1 | rows_max u32 LE | table u32 LE | done u64 LE | the batch's token
//! ```

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use spool::CursorFile;

use crate::error::Category;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + 4 + 8;
/// Below this the parts would be a greater burden than the rows.
const ROWS_MIN: u32 = 256;

/// The cut of the batch in hand, and how far it is stored.
pub(crate) struct Pieces {
    file: CursorFile,
    now: Mutex<Now>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Now {
    token: String,
    cut: Cut,
    /// The insert that comes next in this attempt.
    at: u32,
    /// Nothing of what is not confirmed can have been stored by an earlier run.
    fresh: bool,
    /// Every attempt at the next piece was refused.
    sure: bool,
}

/// What is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cut {
    /// Rows of a piece at most.
    rows_max: u32,
    /// The insert that is not wholly confirmed; the tables of a batch have a fixed order.
    table: u32,
    /// Rows of it that are.
    done: u64,
}

const WHOLE: Cut = Cut { rows_max: u32::MAX, table: 0, done: 0 };

/// What to send next of an insert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) rows: std::ops::Range<usize>,
    pub(crate) token: String,
}

impl Pieces {
    pub(crate) fn open(dir: &Path, name: &str) -> anyhow::Result<Self> {
        let file = CursorFile::open(dir.join(format!("{name}.pieces")))?;
        let now = Now { token: String::new(), cut: WHOLE, at: 0, fresh: false, sure: false };
        Ok(Self { file, now: Mutex::new(now) })
    }

    /// A batch begins; `fresh` if no earlier run can have sent any of it.
    pub(crate) fn begin(&self, token: &str, fresh: bool) -> anyhow::Result<()> {
        let known = match self.file.load()? {
            Some(bytes) if !fresh => {
                let (cut, of) = decode(&bytes).context("the pieces file is of another version")?;
                (of == token).then_some(cut)
            }
            _ => None,
        };
        // Behind a written cut nothing was sent but the piece that follows it.
        let fresh = fresh || known.is_some();
        let cut = known.unwrap_or(WHOLE);
        *self.locked() =
            Now { token: token.to_owned(), cut, at: 0, fresh, sure: fresh && known.is_none() };
        Ok(())
    }

    /// An attempt begins at the first table.
    pub(crate) fn attempt(&self) {
        self.locked().at = 0;
    }

    /// The next piece of the insert of `rows` rows into `table`; `None`: it is wholly confirmed.
    pub(crate) fn next(&self, table: &str, rows: usize) -> Option<Piece> {
        let mut now = self.locked();
        assert!(!now.token.is_empty(), "a batch is begun before it is sent");
        let done = usize::try_from(now.cut.done).unwrap_or(usize::MAX);
        if now.at < now.cut.table || done >= rows {
            now.at += 1;
            return None;
        }
        let most = usize::try_from(now.cut.rows_max).unwrap_or(usize::MAX);
        let end = done.saturating_add(most).min(rows);
        let token = match (done, end) {
            (0, end) if end == rows => format!("{}/{table}", now.token),
            _ => format!("{}/{table}/{done}-{end}", now.token),
        };
        Some(Piece { rows: done..end, token })
    }

    /// The piece is stored.
    pub(crate) fn confirmed(&self, piece: &Piece, rows: usize) -> anyhow::Result<()> {
        let mut now = self.locked();
        now.sure = now.fresh;
        if piece.rows.end >= rows {
            (now.cut.table, now.cut.done) = (now.at + 1, 0);
        } else {
            now.cut.done = piece.rows.end as u64;
        }
        self.written(&now)
    }

    /// The piece was not confirmed. `true`: it is cut smaller from now on.
    pub(crate) fn failed(&self, piece: &Piece, category: Category) -> anyhow::Result<bool> {
        let mut now = self.locked();
        match category {
            Category::MemoryLimit => {}
            // Answered as well: nothing is stored, and less at a time would not help.
            Category::TooManyParts | Category::Constraint | Category::Denied => return Ok(false),
            _ => {
                now.sure = false;
                return Ok(false);
            }
        }
        let half = u32::try_from(piece.rows.len() / 2).unwrap_or(u32::MAX);
        if !now.sure || half < ROWS_MIN {
            return Ok(false);
        }
        now.cut.rows_max = half;
        // Before the first of them is sent.
        self.file.store(&encode(&now.cut, &now.token))?;
        Ok(true)
    }

    fn written(&self, now: &Now) -> anyhow::Result<()> {
        if now.cut.rows_max < u32::MAX {
            self.file.store(&encode(&now.cut, &now.token))?;
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(cut: &Cut, token: &str) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(cut.rows_max.to_le_bytes());
    bytes.extend(cut.table.to_le_bytes());
    bytes.extend(cut.done.to_le_bytes());
    bytes.extend(token.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Cut, &str)> {
    let (header, token) = bytes.split_at_checked(HEADER_BYTES)?;
    let (&VERSION, header) = header.split_first()? else { return None };
    let (rows_max, header) = header.split_at_checked(4)?;
    let (table, done) = header.split_at_checked(4)?;
    let cut = Cut {
        rows_max: u32::from_le_bytes(rows_max.try_into().ok()?),
        table: u32::from_le_bytes(table.try_into().ok()?),
        done: u64::from_le_bytes(done.try_into().ok()?),
    };
    Some((cut, std::str::from_utf8(token).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [(&str, usize); 3] = [("a", 3_000), ("b", 0), ("c", 5)];

    fn pieces(dir: &Path) -> Pieces {
        Pieces::open(dir, "t").expect("opens")
    }

    /// What one attempt sends until `stop_after` pieces are confirmed.
    fn attempt(pieces: &Pieces, stop_after: usize) -> Vec<String> {
        pieces.attempt();
        let mut sent = Vec::new();
        for (table, rows) in TABLES {
            while let Some(piece) = pieces.next(table, rows) {
                if sent.len() == stop_after {
                    return sent;
                }
                pieces.confirmed(&piece, rows).expect("written");
                sent.push(piece.token);
            }
        }
        sent
    }

    #[test]
    fn version_1_bytes_never_change() {
        let cut = Cut { rows_max: 512, table: 3, done: 0x0102 };
        let expected = [1, 0, 2, 0, 0, 3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, b't', b'k'];
        assert_eq!(encode(&cut, "tk"), expected);
        assert_eq!(decode(&expected), Some((cut, "tk")));
        assert_eq!(decode(&expected[..16]), None);
        assert_eq!(decode(&[2; 20]), None);
    }

    #[test]
    fn a_batch_that_is_not_refused_is_whole_and_what_is_confirmed_is_not_sent_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let pieces = pieces(dir.path());
        pieces.begin("t", true).expect("begun");
        assert_eq!(attempt(&pieces, 1), ["t/a"]);
        assert_eq!(attempt(&pieces, 9), ["t/c"]);
    }

    #[test]
    fn a_refused_block_is_halved_and_the_cut_outlives_the_program() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = pieces(dir.path());
        first.begin("t", true).expect("begun");
        let piece = first.next("a", 3_000).expect("all of it");
        assert!(first.failed(&piece, Category::MemoryLimit).expect("written"));
        assert_eq!(attempt(&first, 1), ["t/a/0-1500"]);
        // As after a crash: the second half may have been sent, so it keeps its token and is not cut again.
        let second = pieces(dir.path());
        second.begin("t", false).expect("begun");
        let piece = second.next("a", 3_000).expect("the second half");
        assert_eq!(piece.token, "t/a/1500-3000");
        assert!(!second.failed(&piece, Category::MemoryLimit).expect("nothing to write"));
        assert_eq!(attempt(&second, 9), ["t/a/1500-3000", "t/c"]);
        second.begin("u", true).expect("begun");
        assert_eq!(attempt(&second, 9)[0], "u/a", "the next batch is whole again");
    }

    #[test]
    fn what_may_be_stored_is_never_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let pieces = pieces(dir.path());
        pieces.begin("t", true).expect("begun");
        let piece = pieces.next("a", 3_000).expect("all of it");
        assert!(!pieces.failed(&piece, Category::Timeout).expect("nothing to write"));
        assert!(!pieces.failed(&piece, Category::MemoryLimit).expect("nothing to write"));
        pieces.begin("v", false).expect("begun by an earlier run");
        let piece = pieces.next("a", 3_000).expect("all of it");
        assert!(!pieces.failed(&piece, Category::MemoryLimit).expect("nothing to write"));
        assert_eq!(attempt(&pieces, 9), ["v/a", "v/c"]);
    }

    #[test]
    fn a_few_rows_are_not_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let pieces = pieces(dir.path());
        pieces.begin("t", true).expect("begun");
        let piece = pieces.next("a", 500).expect("all of it");
        assert!(!pieces.failed(&piece, Category::MemoryLimit).expect("nothing to write"));
    }
}
