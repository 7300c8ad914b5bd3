//! The live status: figures from the health endpoints, as text.

use std::fmt::Write as _;

use crate::fleet::{Fleet, Health};

/// One look at everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Seconds since the start.
    pub(crate) seconds: u64,
    /// What was last done to the run (chaos), if anything.
    pub(crate) happened: String,
    gatherers: Vec<GathererLine>,
    deduplicator: Option<Health>,
}

#[derive(Clone, Debug)]
struct GathererLine {
    name: String,
    health: Option<Health>,
}

impl Status {
    /// Asks every program. One that does not answer is shown as down.
    pub(crate) async fn of(fleet: &Fleet, seconds: u64, happened: &str) -> Self {
        let mut gatherers = Vec::new();
        for gatherer in &fleet.gatherers {
            let health = gatherer.health().await.ok();
            gatherers.push(GathererLine { name: gatherer.name.clone(), health });
        }
        let deduplicator = fleet.deduplicator.health().await.ok();
        Self { seconds, happened: happened.to_owned(), gatherers, deduplicator }
    }

    /// The latencies that a run is judged by.
    pub(crate) fn latencies(&self) -> String {
        let Some(health) = &self.deduplicator else {
            return "deduplicator does not answer".to_owned();
        };
        let of = |what: &str, name: &str| {
            let at = |p: &str| duration(health.measure(&format!("/latency/{what}/{p}")));
            format!("{name} p50 {}, p99 {}, max {}", at("p50"), at("p99"), at("max"))
        };
        let journal = of("frame_to_journal_ms", "frame to journal");
        format!("{journal} · {}", of("frame_to_row_ms", "frame to row"))
    }

    /// The whole status, several lines.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let head = ["gatherer", "connected", "frames/s", "first", "copies", "breaks", "spool lag"];
        let row = |cells: [String; 7]| {
            let [name, connected, rate, first, copies, breaks, lag] = cells;
            format!(
                "{name:<10}{connected:>10}{rate:>11}{first:>12}{copies:>12}{breaks:>8}{lag:>11}\n"
            )
        };
        out += &format!("{:>4} s  {}\n", self.seconds, self.happened);
        out += &row(head.map(str::to_owned));
        for line in &self.gatherers {
            out += &row(line.cells(self.deduplicator.as_ref()));
        }
        match &self.deduplicator {
            Some(health) => out += &canonical(health),
            None => out += "deduplicator does not answer\n",
        }
        out += &format!("latency    {}\n", self.latencies());
        out
    }
}

impl GathererLine {
    fn cells(&self, deduplicator: Option<&Health>) -> [String; 7] {
        let Some(health) = &self.health else {
            let dash = || "-".to_owned();
            return [self.name.clone(), "down".to_owned(), dash(), dash(), dash(), dash(), dash()];
        };
        let connections = health.list("/connections");
        let up = connections.iter().filter(|connection| connection["connected"] == true).count();
        let merged = |what: &str| {
            let pointer = format!("/gatherers/{}/{what}", self.name);
            deduplicator.map_or(0, |health| health.count(&pointer))
        };
        [
            self.name.clone(),
            format!("{up}/{}", connections.len()),
            grouped(health.measure("/frames_per_second").unwrap_or_default().round() as u64),
            grouped(merged("first_arrivals")),
            grouped(merged("copies")),
            grouped(merged("breaks")),
            bytes(health.count("/spool/unacked_bytes")),
        ]
    }
}

fn canonical(health: &Health) -> String {
    let count = |pointer: &str| grouped(health.count(pointer));
    let mut out = String::new();
    let rate = health.measure("/canonical/events_per_second").unwrap_or_default().round() as u64;
    let line = writeln!(
        out,
        "canonical  {} events/s · {} events · {} markets · {} trades · {} holes",
        grouped(rate),
        count("/canonical/events"),
        count("/canonical/markets"),
        count("/canonical/trades"),
        count("/canonical/holes"),
    );
    line.expect("text can always be written to");
    let line = writeln!(
        out,
        "stores     ClickHouse {} rows, {} behind · Parquet {} in {} files",
        count("/clickhouse/rows_total"),
        bytes(health.count("/clickhouse/lag_bytes")),
        bytes(health.count("/parquet/bytes") + health.count("/parquet/open_bytes")),
        count("/parquet/files"),
    );
    line.expect("text can always be written to");
    out
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1536` as `1.5 KB`.
pub(crate) fn bytes(number: u64) -> String {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match units.into_iter().find(|(_, size)| number >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", number / size, number % size * 10 / size),
        None => format!("{number} B"),
    }
}

fn duration(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(ms) if ms < 1_000.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{:.2} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_bytes_have_a_unit() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1536, 3 << 30].map(bytes), ["0 B", "1023 B", "1.5 KB", "3.0 GB"]);
    }

    #[test]
    fn a_program_that_does_not_answer_is_shown_as_down() {
        let gatherers = vec![GathererLine { name: "east".to_owned(), health: None }];
        let status = Status { gatherers, ..Status::default() };
        let text = status.text();
        assert!(text.contains("east") && text.contains("down"), "{text}");
        assert!(text.contains("deduplicator does not answer"), "{text}");
    }
}
