//! What is done again and again beside the flow: gauges every second, acks to disk, trimming.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use service::clock::Clock;
use spool::{Log, TrimReport};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    health::Vitals,
    sampler::Sampler,
    telemetry,
    trim::{Ages, Limits},
};

const EVERY: Duration = Duration::from_secs(1);

/// Trims are looked for once in this many rounds: a segment is full after a minute at the earliest.
const ROUNDS_PER_TRIM: u64 = 5;

/// What housekeeping looks after.
pub(crate) struct House {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) clock: Clock,
    pub(crate) retention: Duration,
}

/// Keeps house until nothing more is written; acks are on disk when it ends.
///
/// # Errors
/// When acks cannot be written at the end: a restart would not know who needs what.
pub(crate) async fn keep_house(house: House, finished: CancellationToken) -> anyhow::Result<()> {
    let log = house.vitals.log.clone();
    let mut sampler = Sampler::default();
    let mut ages = Ages::new(house.retention, log.written(), house.clock.mono_ns());
    for round in 1.. {
        let last = finished.run_until_cancelled(sleep(EVERY)).await.is_none();
        sampler.sample(&house.vitals);
        let acks = Arc::clone(&house.vitals.acks);
        match spawn_blocking(move || acks.store()).await.context("storing acks panicked")? {
            Ok(()) => {}
            Err(error) if last => return Err(error),
            // A disk without room must not end the capture; they are kept in memory and written later.
            Err(error) => telemetry::acks_not_stored(&error),
        }
        if last {
            break;
        }
        ages.mark(log.written(), house.clock.mono_ns());
        if round % ROUNDS_PER_TRIM == 0 {
            house.trim(&mut ages, log.clone()).await;
        }
    }
    Ok(())
}

impl House {
    async fn trim(&self, ages: &mut Ages, log: Log) {
        let stored = self
            .vitals
            .sink
            .as_ref()
            .map(|sink| sink.borrow().cursor.unwrap_or(spool::Position::ZERO));
        let limits = Limits {
            acked: self.vitals.acks.lowest(),
            stored,
            bytes: log.bytes_on_disk(),
            quota: self.vitals.quota_bytes,
        };
        let before = ages.may_go(&limits, self.clock.mono_ns());
        if before <= log.oldest() {
            return;
        }
        let trimmed: anyhow::Result<TrimReport> =
            match spawn_blocking(move || log.trim(before)).await {
                Ok(trimmed) => trimmed.context("trimming the spool"),
                Err(panicked) => Err(panicked).context("trimming the spool panicked"),
            };
        match trimmed {
            Ok(report) if report.segments > 0 => telemetry::spool_trimmed(&report),
            Ok(_) => {}
            Err(error) => telemetry::spool_trim_failed(&error),
        }
    }
}
