//! Once a second: what the parts show becomes the status that health, metrics and the page tell; once a minute, the
//! heartbeat line.

mod memory;
mod past;

use std::sync::Arc;
use std::time::Duration;

use service::clock::Clock;
use spool::{Log, Position};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::memory::{FIVE_MINUTES, HOUR, Memory, RATE_SAMPLES};
use crate::activity::BehindFirst;
use crate::audit::Tally;
use crate::latency::Latency;
use crate::status::{
    ArchiveStatus, ClickHouseStatus, GathererStatus, History, ParquetStatus, PipelineView, Status,
    StreamView,
};
use crate::telemetry;

const EVERY: Duration = Duration::from_secs(1);
/// The heartbeat's rhythm, in samples.
const HEARTBEAT_EVERY: u64 = 60;
/// The first one comes when gatherers had the time to connect.
const HEARTBEAT_FIRST: u64 = 5;

/// Where the figures come from.
pub(crate) struct Sources {
    pub(crate) view: watch::Receiver<PipelineView>,
    pub(crate) log: Log,
    pub(crate) clickhouse: Option<watch::Receiver<store::Progress>>,
    pub(crate) archive: Option<watch::Receiver<ParquetStatus>>,
    pub(crate) latency: Arc<Latency>,
    pub(crate) clock: Clock,
    pub(crate) audit: Arc<Tally>,
}

/// Samples until `stopping`.
pub(crate) async fn run(
    mut sources: Sources,
    status: watch::Sender<Status>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut memory = Memory::default();
    for sample in 0_u64.. {
        let sampled = sources.sample(&mut memory);
        telemetry::gauges(&sampled);
        if sample % HEARTBEAT_EVERY == HEARTBEAT_FIRST {
            telemetry::heartbeat(&sampled);
        }
        status.send_replace(sampled);
        if stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            break;
        }
    }
    Ok(())
}

impl Sources {
    fn sample(&mut self, memory: &mut Memory) -> Status {
        let mut view = self.view.borrow_and_update().clone();
        let (wall_ns, mono_ns) = (self.clock.wall_ns(), self.clock.mono_ns());
        let is_shown = view.shown_mono_ns > 0;
        if is_shown {
            memory.count(&view.totals);
        }
        let behind = std::mem::take(&mut view.activity.behind_first);
        let behind = behind.into_iter().chain(std::iter::repeat(BehindFirst::default()));
        let gatherers = view
            .streams
            .iter_mut()
            .zip(&memory.frames)
            .zip(behind)
            .map(|((stream, frames), behind_first)| GathererStatus {
                frames_per_second: frames.per_second(RATE_SAMPLES),
                skew_seconds: stream.skew.seconds(mono_ns),
                behind_first,
                ..gatherer(stream, wall_ns)
            })
            .collect();
        let (written, durable) = (self.log.written(), self.log.durable());
        Status {
            is_shown,
            gatherers,
            duplicate_ratio: memory.duplicate_ratio(),
            events_per_second: memory.events.per_second(RATE_SAMPLES),
            events_last_5m: memory.events.growth(FIVE_MINUTES).0,
            frames_last_5m: memory.all_frames.growth(FIVE_MINUTES).0,
            holes_last_hour: memory.holes.growth(HOUR).0,
            history: History { events_per_second: memory.events.steps() },
            journal_written: Some(written),
            journal_durable: Some(durable),
            journal_bytes: self.log.bytes_on_disk(),
            journal_unsynced_bytes: between(durable, written),
            checkpoint: view.checkpoint,
            checkpoint_age_seconds: memory.checkpoint_age(view.checkpoint, mono_ns),
            clickhouse: self.clickhouse(memory, wall_ns, mono_ns),
            parquet: self.archive(memory, mono_ns),
            audit: self.audit.report(),
            frame_to_journal: self.latency.to_journal.report(),
            frame_to_row: self.latency.to_row.report(),
            pipeline_silent_seconds: mono_ns.saturating_sub(view.shown_mono_ns) as f64 / 1e9,
            uptime_seconds: mono_ns as f64 / 1e9,
            wall_ns,
            totals: view.totals,
            activity: view.activity,
        }
    }

    fn clickhouse(
        &self,
        memory: &mut Memory,
        wall_ns: i64,
        mono_ns: u64,
    ) -> Option<ClickHouseStatus> {
        let progress = self.clickhouse.as_ref()?.borrow().clone();
        memory.rows.add(progress.rows_total, FIVE_MINUTES);
        let durable = self.log.durable();
        let retrying_ns = progress.retrying_since_wall_ns.map_or(0, |since| wall_ns - since);
        let cursor = progress.cursor.unwrap_or(self.log.oldest());
        Some(ClickHouseStatus {
            reachable: progress.cursor.is_some() && progress.last_error.is_none(),
            cursor: progress.cursor,
            lag_bytes: between(cursor, durable),
            lag_seconds: memory.unstored.seconds(durable, cursor, mono_ns),
            rows_total: progress.rows_total,
            rows_last_5m: memory.rows.growth(FIVE_MINUTES).0,
            last_error: progress.last_error,
            retrying_seconds: retrying_ns.max(0) as f64 / 1e9,
            last_insert_seconds: progress.stored_wall_ns as f64 / 1e9,
        })
    }

    fn archive(&self, memory: &mut Memory, mono_ns: u64) -> Option<ArchiveStatus> {
        let shown = *self.archive.as_ref()?.borrow();
        let cursor = shown.cursor.unwrap_or(self.log.oldest());
        Some(ArchiveStatus {
            shown,
            age_seconds: memory.unarchived.seconds(self.log.durable(), cursor, mono_ns),
            retrying_seconds: memory.failing_for(shown.failures, mono_ns),
        })
    }
}

/// Bytes between two positions; across a restart the rest of the old incarnation is not counted.
fn between(from: Position, to: Position) -> u64 {
    let same = from.incarnation == to.incarnation;
    to.offset.saturating_sub(if same { from.offset } else { 0 })
}

fn gatherer(stream: &StreamView, wall_ns: i64) -> GathererStatus {
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
        ..GathererStatus::default()
    }
}
