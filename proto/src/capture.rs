//! One capture record: what a gatherer writes into its spool and streams, unchanged, to the deduplicator.
//!
//! ```text
//! version u8 | kind u8 | session u64 | wall_ns i64 | mono_ns u64 | body length u32 | body
//! ```
//! Little-endian. Body by kind: 1 opened: text (JSON) · 2 frame: the WebSocket message as it came · 3 closed: text (the
//! reason) · 4 status: one byte, bit 0 exchange_active, bit 1 trading_active, session 0 · 5 books: the body of a good
//! answer to `GET /markets/orderbooks` as it came, session 0.
//! Written once, never changed; a new layout is a new version.

use crate::limits::FRAME_BYTES_MAX;

/// The only layout so far.
const VERSION: u8 = 1;

const HEADER_BYTES: usize = 1 + 1 + 8 + 8 + 8 + 4;

const OPENED: u8 = 1;
const FRAME: u8 = 2;
const CLOSED: u8 = 3;
const STATUS: u8 = 4;
const REST_BOOKS: u8 = 5;

/// Bodies of a status, by its two bits.
const STATUS_BODIES: [[u8; 1]; 4] = [[0], [1], [2], [3]];

/// When something was received, taken at the socket before anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The wall clock, Unix nanoseconds.
    pub wall_ns: i64,
    /// The gatherer's monotonic clock; only differences within one run mean anything.
    pub mono_ns: u64,
}

/// One thing a gatherer witnessed.
///
/// `session` is (incarnation of the spool << 32) | counter: unique over a gatherer's life, rising.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Capture<'a> {
    /// A connection was opened.
    SessionOpened {
        /// Its number.
        session: u64,
        /// When the handshake was done.
        stamp: Stamp,
        /// JSON: url, markets; no secrets.
        about: &'a str,
    },
    /// A WebSocket text message came.
    Frame {
        /// The connection it came on.
        session: u64,
        /// When it came.
        stamp: Stamp,
        /// The message, byte for byte.
        bytes: &'a [u8],
    },
    /// A connection ended. Missing if the gatherer was killed.
    SessionClosed {
        /// Its number.
        session: u64,
        /// When it ended.
        stamp: Stamp,
        /// Why.
        reason: &'a str,
    },
    /// What the exchange said of itself changed.
    Status {
        /// When it said so.
        stamp: Stamp,
        /// Whether the exchange is up.
        exchange_active: bool,
        /// Whether it trades.
        trading_active: bool,
    },
    /// Whole books asked for over REST: evidence beside the feed, without clocks.
    RestBooks {
        /// When the answer came.
        stamp: Stamp,
        /// The answer's body: JSON, no-leg prices, as the exchange sent it.
        body: &'a str,
    },
}

/// Why bytes are not a capture record, or not a list of them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCapture {
    /// The bytes end too early.
    #[error("a record is cut: {bytes} bytes of at least {needed}")]
    Cut {
        /// What is there.
        bytes: usize,
        /// What would be needed.
        needed: usize,
    },
    /// The bytes go on after the record's end.
    #[error("a record is followed by {extra} bytes that belong to nothing")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A newer program wrote it.
    #[error("a record has version {found}, we read version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// No kind of ours.
    #[error("a record has kind {0}, we know 1 to 5")]
    Kind(u8),
    /// A length above the limit.
    #[error("a record has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// The length claimed.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A text body that is no UTF-8.
    #[error("the {0} of a record is not UTF-8")]
    NotText(&'static str),
    /// A record of a kind that belongs to no session names one.
    #[error("a record of kind {kind} names session {session}, it belongs to none")]
    Session {
        /// The kind.
        kind: u8,
        /// The session named.
        session: u64,
    },
    /// A status with bits we do not know, or not one byte long.
    #[error("the body of a status is {0:?}, it must be one byte from 0 to 3")]
    StatusBody(Box<[u8]>),
}

impl<'a> Capture<'a> {
    /// Bytes before the body.
    pub const HEADER_BYTES: usize = HEADER_BYTES;

    /// The connection it is about; `None` for what was asked over REST.
    pub fn session(&self) -> Option<u64> {
        match *self {
            Self::SessionOpened { session, .. }
            | Self::Frame { session, .. }
            | Self::SessionClosed { session, .. } => Some(session),
            Self::Status { .. } | Self::RestBooks { .. } => None,
        }
    }

    /// When it was witnessed.
    pub fn stamp(&self) -> Stamp {
        match *self {
            Self::SessionOpened { stamp, .. }
            | Self::Frame { stamp, .. }
            | Self::SessionClosed { stamp, .. }
            | Self::Status { stamp, .. }
            | Self::RestBooks { stamp, .. } => stamp,
        }
    }

    /// The record's first part; [`Self::body`] is the second. In two, so that a frame need not be copied.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let body = self.body().len();
        assert!(body <= FRAME_BYTES_MAX, "the socket refuses longer messages");
        let Stamp { wall_ns, mono_ns } = self.stamp();
        let mut header = [0; HEADER_BYTES];
        header[0] = VERSION;
        header[1] = self.kind();
        header[2..10].copy_from_slice(&self.session().unwrap_or(0).to_le_bytes());
        header[10..18].copy_from_slice(&wall_ns.to_le_bytes());
        header[18..26].copy_from_slice(&mono_ns.to_le_bytes());
        header[26..30].copy_from_slice(&(body as u32).to_le_bytes());
        header
    }

    /// The record's second part.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::SessionOpened { about: text, .. }
            | Self::SessionClosed { reason: text, .. }
            | Self::RestBooks { body: text, .. } => text.as_bytes(),
            Self::Frame { bytes, .. } => bytes,
            Self::Status { exchange_active, trading_active, .. } => {
                &STATUS_BODIES[usize::from(*exchange_active) | usize::from(*trading_active) << 1]
            }
        }
    }

    /// Appends the header alone.
    pub fn encode_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header());
    }

    /// Appends the whole record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(Self::HEADER_BYTES + self.body().len());
        self.encode_header(out);
        out.extend_from_slice(self.body());
    }

    /// Reads one record; `bytes` is exactly it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadCapture> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BadCapture::Cut { bytes: bytes.len(), needed: Self::HEADER_BYTES });
        };
        if header[0] != VERSION {
            return Err(BadCapture::Version { found: header[0] });
        }
        let length = u32::from_le_bytes(part(header, 26)) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(BadCapture::TooLong { bytes: length, limit: FRAME_BYTES_MAX });
        }
        if body.len() < length {
            let needed = Self::HEADER_BYTES + length;
            return Err(BadCapture::Cut { bytes: bytes.len(), needed });
        }
        if body.len() > length {
            return Err(BadCapture::Trailing { extra: body.len() - length });
        }
        let session = u64::from_le_bytes(part(header, 2));
        let stamp = Stamp {
            wall_ns: i64::from_le_bytes(part(header, 10)),
            mono_ns: u64::from_le_bytes(part(header, 18)),
        };
        Self::from_parts(header[1], session, stamp, body)
    }

    fn from_parts(
        kind: u8,
        session: u64,
        stamp: Stamp,
        body: &'a [u8],
    ) -> Result<Self, BadCapture> {
        if matches!(kind, STATUS | REST_BOOKS) && session != 0 {
            return Err(BadCapture::Session { kind, session });
        }
        match kind {
            OPENED => Ok(Self::SessionOpened { session, stamp, about: text(body, "about")? }),
            FRAME => Ok(Self::Frame { session, stamp, bytes: body }),
            CLOSED => Ok(Self::SessionClosed { session, stamp, reason: text(body, "reason")? }),
            STATUS => match body {
                [bits @ 0..=3] => Ok(Self::Status {
                    stamp,
                    exchange_active: bits & 1 != 0,
                    trading_active: bits & 2 != 0,
                }),
                other => Err(BadCapture::StatusBody(other.iter().take(8).copied().collect())),
            },
            REST_BOOKS => Ok(Self::RestBooks { stamp, body: text(body, "body")? }),
            other => Err(BadCapture::Kind(other)),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::SessionOpened { .. } => OPENED,
            Self::Frame { .. } => FRAME,
            Self::SessionClosed { .. } => CLOSED,
            Self::Status { .. } => STATUS,
            Self::RestBooks { .. } => REST_BOOKS,
        }
    }
}

/// `N` bytes of the header from `at`, which the caller knows to be there.
fn part<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

fn text<'a>(body: &'a [u8], field: &'static str) -> Result<&'a str, BadCapture> {
    std::str::from_utf8(body).map_err(|_| BadCapture::NotText(field))
}
