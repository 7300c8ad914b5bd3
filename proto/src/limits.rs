//! What one stream may cost either side: sizes, rhythms and the three limits of its time.

use std::time::Duration;

/// One WebSocket text message. The largest known, an `ok` that lists every market of a connection, is a tenth of it.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// One capture record: a frame and its header.
pub const CAPTURE_BYTES_MAX: usize = FRAME_BYTES_MAX + 64;

/// A batch is sent when it holds this much: larger gains nothing, smaller costs a message per few frames.
pub const BATCH_BYTES_AIM: usize = 256 << 10;

/// What a batch may hold: the aim, overshot by one record of the greatest size.
pub const BATCH_BYTES_MAX: usize = BATCH_BYTES_AIM + CAPTURE_BYTES_MAX + 4;

/// A batch is sent when its first record is this old: the part of the latency that batching may cost.
pub const BATCH_AGE_MAX: Duration = Duration::from_millis(5);

/// One gRPC message, either way: a batch and its envelope.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX + 1024;

/// One gRPC message from a deduplicator: a `Refresh` of the greatest size.
pub const REQUEST_BYTES_MAX: usize = REFRESH_MARKETS_MAX * (TICKER_BYTES_MAX + 8) + 1024;

/// The headers of one gRPC call: ours are a few hundred bytes.
pub const HEADER_BYTES_MAX: u32 = 16 << 10;

/// HTTP/2 stream window: untuned (64 KiB) throughput is ten times lower.
pub const STREAM_WINDOW_BYTES: u32 = 8 << 20;

/// HTTP/2 connection window: a few streams at full window.
pub const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// A heartbeat is sent after this long without a batch.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(250);

/// The deduplicator repeats its last ack after this long without a new one, so that the gatherer sees it alive.
pub const ACK_EVERY_MAX: Duration = Duration::from_secs(10);

/// First of a stream's three limits: `Start`, and `Hello` after it, come within this.
pub const FIRST_ITEM_MAX: Duration = Duration::from_secs(10);

/// Second: the gatherer, which has heartbeats, is not silent for longer.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Second, for the deduplicator, whose acks are rarer: six missed acks.
pub const REQUEST_SILENCE_MAX: Duration = Duration::from_secs(60);

/// Third: a stream is ended after this long and dialled again, so that no connection outlives a change of addresses.
pub const LIFE_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// Streams one gatherer serves at once: a deduplicator, its successor, and a few curious.
pub const STREAMS_MAX: usize = 8;

/// Bytes of a deduplicator's or gatherer's name.
pub const NAME_BYTES_MAX: usize = 64;

/// Markets of one `Refresh`.
pub const REFRESH_MARKETS_MAX: usize = 1_000;

/// Bytes of one market ticker; the longest seen is under 70.
pub const TICKER_BYTES_MAX: usize = 128;
