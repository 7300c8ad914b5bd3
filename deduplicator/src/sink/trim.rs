//! Trims the journal below what every sink has stored and no restart needs.

use std::time::Duration;

use spool::{Log, Position, TrimError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

const TRIM_EVERY: Duration = Duration::from_secs(5);

/// Who still needs the journal.
pub(crate) struct Needs {
    /// The older kept checkpoint's position; `None`: everything is needed.
    pub(crate) restart_from: watch::Receiver<Option<Position>>,
    /// `None`: there is no such sink.
    pub(crate) clickhouse: Option<watch::Receiver<store::Progress>>,
    /// `None`: there is no archive.
    pub(crate) archive: Option<watch::Receiver<crate::status::ParquetStatus>>,
}

impl Needs {
    /// Nobody needs anything below this.
    fn unneeded_below(&self) -> Option<Position> {
        let mut below = (*self.restart_from.borrow())?;
        if let Some(clickhouse) = &self.clickhouse {
            below = below.min(clickhouse.borrow().cursor?);
        }
        if let Some(archive) = &self.archive {
            below = below.min(archive.borrow().cursor?);
        }
        Some(below)
    }
}

/// Trims now and then until `stopping`.
pub(crate) async fn run(log: Log, needs: Needs, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(TRIM_EVERY)).await.is_some() {
        let Some(below) = needs.unneeded_below() else { continue };
        let log = log.clone();
        match tokio::task::spawn_blocking(move || log.trim(below)).await? {
            Ok(report) if report.segments > 0 => {
                telemetry::journal_trimmed(report.segments, report.bytes);
            }
            Ok(_) | Err(TrimError::Closed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
