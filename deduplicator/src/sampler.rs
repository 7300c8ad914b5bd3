//! Once a second: what the parts show becomes the status that health and metrics tell.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use merge::Totals;
use service::clock::Clock;
use spool::Log;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::latency::Latency;
use crate::status::{
    ClickHouseStatus, GathererStatus, ParquetStatus, PipelineView, Status, StreamView,
};
use crate::telemetry;

const EVERY: Duration = Duration::from_secs(1);
/// Rates are over this many samples.
const RATE_SAMPLES: usize = 5;
const FIVE_MINUTES: usize = 300;
const HOUR: usize = 3_600;

/// Where the figures come from.
pub(crate) struct Sources {
    pub(crate) view: watch::Receiver<PipelineView>,
    pub(crate) log: Log,
    pub(crate) clickhouse: Option<watch::Receiver<store::Progress>>,
    pub(crate) archive: Option<watch::Receiver<ParquetStatus>>,
    pub(crate) latency: Arc<Latency>,
    pub(crate) clock: Clock,
}

/// A counter's past, a sample a second.
#[derive(Default)]
struct Past(VecDeque<u64>);

/// What is remembered to tell rates.
#[derive(Default)]
struct Memory {
    events: Past,
    holes: Past,
    rows: Past,
    frames: Vec<Past>,
}

/// Samples until `stopping`.
pub(crate) async fn run(
    sources: Sources,
    status: watch::Sender<Status>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    loop {
        let sampled = sources.sample(&mut memory);
        telemetry::gauges(&sampled);
        status.send_replace(sampled);
        if stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return Ok(());
        }
    }
}

impl Past {
    /// Adds a sample, forgets what is older than `kept`.
    fn add(&mut self, value: u64, kept: usize) {
        self.0.push_back(value);
        while self.0.len() > kept + 1 {
            self.0.pop_front();
        }
    }

    /// How much it grew over the last `samples`, and over how many in fact.
    fn growth(&self, samples: usize) -> (u64, usize) {
        let over = samples.min(self.0.len().saturating_sub(1));
        let newest = self.0.back().copied().unwrap_or(0);
        let oldest = self.0.iter().rev().nth(over).copied().unwrap_or(newest);
        (newest.saturating_sub(oldest), over)
    }

    fn per_second(&self) -> f64 {
        let (growth, over) = self.growth(RATE_SAMPLES);
        if over == 0 { 0.0 } else { growth as f64 / over as f64 }
    }
}

impl Sources {
    fn sample(&self, memory: &mut Memory) -> Status {
        let view = self.view.borrow().clone();
        let canonical = &view.totals.canonical;
        memory.events.add(canonical.events, RATE_SAMPLES);
        memory.holes.add(canonical.holes, HOUR);
        memory.frames.resize_with(view.totals.gatherers.len(), Past::default);
        for (past, gatherer) in memory.frames.iter_mut().zip(&view.totals.gatherers) {
            past.add(gatherer.frames, RATE_SAMPLES);
        }
        let wall_ns = self.clock.wall_ns();
        let gatherers = view
            .streams
            .iter()
            .zip(&memory.frames)
            .map(|(stream, frames)| gatherer(stream, frames.per_second(), wall_ns))
            .collect();
        Status {
            gatherers,
            duplicate_ratio: duplicate_ratio(&view.totals),
            events_per_second: memory.events.per_second(),
            holes_last_hour: memory.holes.growth(HOUR).0,
            journal_written: Some(self.log.written()),
            journal_durable: Some(self.log.durable()),
            journal_bytes: self.log.bytes_on_disk(),
            checkpoint: view.checkpoint,
            clickhouse: self
                .clickhouse
                .as_ref()
                .map(|progress| self.clickhouse(&progress.borrow(), &mut memory.rows, wall_ns)),
            parquet: self.archive.as_ref().map(|archive| *archive.borrow()),
            frame_to_journal: self.latency.to_journal.report(),
            frame_to_row: self.latency.to_row.report(),
            uptime_seconds: self.clock.mono_ns() as f64 / 1e9,
            totals: view.totals,
        }
    }

    fn clickhouse(
        &self,
        progress: &store::Progress,
        rows: &mut Past,
        wall_ns: i64,
    ) -> ClickHouseStatus {
        rows.add(progress.rows_total, FIVE_MINUTES);
        let durable = self.log.durable();
        let retrying_ns = progress.retrying_since_wall_ns.map_or(0, |since| wall_ns - since);
        ClickHouseStatus {
            reachable: progress.cursor.is_some() && progress.last_error.is_none(),
            cursor: progress.cursor,
            // Within one incarnation; across a restart the rest of the old one is not counted.
            lag_bytes: progress.cursor.map_or(0, |cursor| {
                let same = cursor.incarnation == durable.incarnation;
                durable.offset.saturating_sub(if same { cursor.offset } else { 0 })
            }),
            rows_total: progress.rows_total,
            rows_last_5m: rows.growth(FIVE_MINUTES).0,
            last_error: progress.last_error.clone(),
            retrying_seconds: retrying_ns as f64 / 1e9,
        }
    }
}

fn gatherer(stream: &StreamView, frames_per_second: f64, wall_ns: i64) -> GathererStatus {
    let backlog = match (stream.written, stream.next) {
        (Some(written), Some(next)) if written.incarnation == next.incarnation => {
            written.offset.saturating_sub(next.offset)
        }
        (Some(written), _) => written.offset,
        (None, _) => 0,
    };
    let seconds_ago = |then_ns: i64| (wall_ns - then_ns).max(0) as f64 / 1e9;
    let last_frame = Some(stream.last_frame_wall_ns).filter(|then_ns| *then_ns > 0);
    GathererStatus {
        name: stream.name.clone(),
        connected: stream.connected,
        lag_seconds: match stream.progress_wall_ns {
            0 => 0.0,
            then_ns => seconds_ago(then_ns),
        },
        last_frame_ms_ago: last_frame.map(|then_ns| (wall_ns - then_ns).max(0) / 1_000_000),
        backlog_bytes: backlog,
        frames_per_second,
    }
}

/// Of the frames that carry an event, the part that another lane had brought before.
fn duplicate_ratio(totals: &Totals) -> f64 {
    let sum = |of: fn(&merge::GathererTotals) -> u64| totals.gatherers.iter().map(of).sum::<u64>();
    let copies = sum(|gatherer| gatherer.copies);
    let all = copies + sum(|gatherer| gatherer.first_arrivals);
    if all == 0 { 0.0 } else { copies as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_over_what_is_remembered() {
        let mut past = Past::default();
        for value in [0, 10, 20, 60] {
            past.add(value, 2);
        }
        assert_eq!(past.growth(300), (50, 2));
        assert_eq!(past.growth(1), (40, 1));
        assert_eq!(Past::default().per_second(), 0.0);
    }
}
