//! Decodes one WebSocket text message into a [`Frame`], or says what is wrong with it.
//!
//! One pass over the text when `type` stands before `msg`, as it does on the wire; otherwise `msg`
//! is read again at the end. Nothing is guessed: a missing or odd field refuses the frame, and a
//! field that we do not know is counted.

mod book;
mod envelope;
pub(crate) mod fields;
mod replies;
mod tape;

use crate::message::{Frame, Message};

pub use envelope::{Peek, peek_envelope};

/// Enough of a serde error to find the place; the frame itself is kept by the caller.
const DETAIL_CHARS_MAX: usize = 240;

/// Why a frame could not be decoded. The caller still holds its bytes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadFrame {
    /// A text message must be UTF-8.
    #[error("not UTF-8 from byte {at}")]
    NotUtf8 {
        /// The first byte that is wrong.
        at: usize,
    },
    /// Not one JSON object, or a field of the wrong type or with a value that it may not have.
    #[error("{kind}: {detail}")]
    Malformed {
        /// The `type`; `frame` when it could not be found.
        kind: String,
        /// What is wrong and where.
        detail: String,
    },
    /// A field without which the message means nothing.
    #[error("{kind}: no field {field}")]
    Missing {
        /// The `type`; `frame` when that is what is missing.
        kind: String,
        /// The field's name.
        field: &'static str,
    },
}

/// What a `msg` says, and how many of its fields we do not know.
struct Meaning<'a> {
    message: Message<'a>,
    unknown: u16,
}

/// Decodes the text of one frame. Trailing whitespace is allowed.
pub fn decode(frame: &str) -> Result<Frame<'_>, BadFrame> {
    let envelope = envelope::parse(frame)?;
    let Some(kind) = envelope.kind else {
        return Err(BadFrame::missing("frame", "type"));
    };
    let meaning = match envelope.msg {
        envelope::Msg::Read(meaning) => meaning?,
        envelope::Msg::Raw(raw) => envelope::read_late(kind, raw)?,
        envelope::Msg::Absent => replies::without_msg(kind)?,
    };
    let frame = Frame {
        sid: envelope.sid,
        seq: envelope.seq,
        id: envelope.id,
        sending_ts_ms: envelope.sending_ts_ms,
        unknown_fields: envelope.unknown.saturating_add(meaning.unknown),
        message: meaning.message,
    };
    require_place(kind, &frame)?;
    Ok(frame)
}

/// Decodes the bytes of one frame, which must be UTF-8.
pub fn decode_bytes(frame: &[u8]) -> Result<Frame<'_>, BadFrame> {
    let text = std::str::from_utf8(frame)
        .map_err(|error| BadFrame::NotUtf8 { at: error.valid_up_to() })?;
    decode(text)
}

/// Without sid and seq a message of a sequenced channel cannot be put in its place. Trades and
/// lifecycle messages came without seq until 2026.
fn require_place(kind: &str, frame: &Frame<'_>) -> Result<(), BadFrame> {
    let (needs_sid, needs_seq) = match frame.message {
        Message::Snapshot(_) | Message::Delta(_) => (true, true),
        Message::Trade(_) | Message::Ticker(_) | Message::Lifecycle(_) | Message::Unsubscribed => {
            (true, false)
        }
        _ => (false, false),
    };
    if needs_sid && frame.sid.is_none() {
        return Err(BadFrame::missing(kind, "sid"));
    }
    if needs_seq && frame.seq.is_none() {
        return Err(BadFrame::missing(kind, "seq"));
    }
    Ok(())
}

impl BadFrame {
    #[cold]
    fn malformed(kind: &str, detail: impl ToString) -> Self {
        let detail = detail.to_string().chars().take(DETAIL_CHARS_MAX).collect();
        Self::Malformed { kind: short(kind), detail }
    }

    #[cold]
    fn missing(kind: &str, field: &'static str) -> Self {
        Self::Missing { kind: short(kind), field }
    }
}

fn short(kind: &str) -> String {
    kind.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
