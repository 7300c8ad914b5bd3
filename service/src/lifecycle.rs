//! The lines that say why a program stops, and how it ended.

use std::time::Duration;

/// A stop was asked for, or forced by a part that failed. Every line after it is about draining.
pub fn shutdown_requested(cause: &anyhow::Result<()>) {
    match cause {
        Ok(()) => tracing::info!(
            component = "program",
            event = "shutdown_requested",
            reason = "asked to",
            "stopping: what was received is stored first"
        ),
        Err(error) => tracing::error!(
            component = "program",
            event = "shutdown_requested",
            reason = format!("{error:#}"),
            "a part failed: the others are stopped in order"
        ),
    }
}

/// Everything has ended; the last line of a run.
pub fn shutdown_complete(outcome: &anyhow::Result<()>, took_ns: u64) {
    let took_ms = Duration::from_nanos(took_ns).as_millis();
    match outcome {
        Ok(()) => tracing::info!(
            component = "program",
            event = "shutdown_complete",
            took_ms,
            "stopped as asked"
        ),
        Err(error) => tracing::error!(
            component = "program",
            event = "shutdown_complete",
            took_ms,
            error = format!("{error:#}"),
            "stopped by a failure"
        ),
    }
}
