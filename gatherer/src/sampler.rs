//! Once a second: what the parts show becomes the gauges and, once a minute, the heartbeat line.

use store::Behind;

use crate::{
    health::{Flows, Health, Vitals},
    telemetry,
};

/// The heartbeat's rhythm, in samples.
const HEARTBEAT_EVERY: u64 = 60;
/// The first one comes when connections had the time to open.
const HEARTBEAT_FIRST: u64 = 5;
/// Rows of the last five minutes are told, in samples.
const FIVE_MINUTES: usize = 300;

/// What is remembered between two samples.
#[derive(Default)]
pub(crate) struct Sampler {
    samples: u64,
    unacked: Behind,
    unstored: Behind,
    rows: Past,
    frames: Past,
}

/// A counter's past, a sample a second.
#[derive(Default)]
pub(crate) struct Past(std::collections::VecDeque<u64>);

impl Past {
    /// Adds a sample; returns the growth over the last five minutes, or since the first sample.
    pub(crate) fn add(&mut self, value: u64) -> u64 {
        self.0.push_back(value);
        while self.0.len() > FIVE_MINUTES + 1 {
            self.0.pop_front();
        }
        value.saturating_sub(self.0.front().copied().unwrap_or(value))
    }
}

impl Sampler {
    /// Call once a second.
    pub(crate) fn sample(&mut self, vitals: &Vitals) {
        let now = vitals.clock.mono_ns();
        vitals.board.sample(now);
        let (written, durable) = (vitals.log.written(), vitals.log.durable());
        let cursor = vitals.sink.as_ref().and_then(|sink| sink.borrow().cursor);
        let rows = vitals.sink.as_ref().map_or(0, |sink| sink.borrow().rows_total);
        let flows = Flows {
            unacked_seconds: match vitals.acks.lowest() {
                Some(acked) => self.unacked.seconds(written, acked, now),
                None => 0.0,
            },
            unstored_seconds: match cursor.filter(|_| vitals.sink.is_some()) {
                Some(cursor) => self.unstored.seconds(durable, cursor, now),
                None => 0.0,
            },
            rows_last_5m: self.rows.add(rows),
            frames_last_5m: self.frames.add(vitals.board.totals().0),
        };
        vitals.note(flows);
        let health = vitals.look();
        telemetry::sampled(&health, vitals);
        if self.samples % HEARTBEAT_EVERY == HEARTBEAT_FIRST {
            heartbeat(&health);
        }
        self.samples += 1;
    }
}

/// One line a minute that says whether data flows.
fn heartbeat(health: &Health) {
    tracing::info!(
        component = "program",
        event = "heartbeat",
        status = health.status.as_str(),
        reasons = health.reasons.join("; "),
        uptime_seconds = health.uptime_seconds,
        frames_total = health.frames_total,
        frames_per_second = health.frames_per_second,
        frames_last_5m = health.frames_last_5m,
        deltas_total = health.deltas_total,
        markets = health.markets,
        connections = health.connections.len(),
        connected = health.connections.iter().filter(|connection| connection.connected).count(),
        last_frame_ms_ago = health.last_frame_ms_ago(),
        spool_bytes = health.spool.bytes_on_disk,
        unacked_bytes = health.spool.unacked_bytes,
        unacked_seconds = health.spool.unacked_seconds,
        deduplicators = health.deduplicators,
        clickhouse_lag_seconds = health.clickhouse.as_ref().map(|store| store.lag_seconds),
        clickhouse_rows_last_5m =
            health.clickhouse.as_ref().map(|store| store.rows_ingested_last_5m),
        "still here"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_last_five_minutes() {
        let mut past = Past::default();
        for second in 0..=1_000_u64 {
            assert_eq!(past.add(second * 10), second.min(300) * 10);
        }
    }
}
