//! The one place that reads a clock: for time limits of starting and stopping only.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
