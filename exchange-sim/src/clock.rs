//! The one place where this program reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks, handed to everything that decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    pub(crate) wall_ms: i64,
}

#[expect(clippy::disallowed_methods, reason = "the one lawful reader of both clocks")]
pub(crate) fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { at: Instant::now(), wall_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX) }
}
