//! Prometheus text on `GET /metrics`, and the list of what a program promises to export.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::process;

/// Upper bounds, in seconds, for every histogram whose name ends in `_seconds`.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often histograms are folded together (unfolded samples cost memory) and the process is looked at.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What a metric counts like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows; begins at 0 with the process or, where the help says so, with the stored state.
    Counter,
    /// A value of this moment.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

/// A label, and its values where they are fixed in the code; empty where they come from the configuration.
pub type Label = (&'static str, &'static [&'static str]);

/// One metric as promised: the `HELP` line and docs/metrics.md are made of it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name; ends in its unit or in `_total`.
    pub name: &'static str,
    /// What it counts like.
    pub kind: Kind,
    /// At most one label, and never one whose values the feed decides.
    pub label: Option<Label>,
    /// What it says, one sentence.
    pub help: &'static str,
    /// Whether it goes on from stored state: then it has no 0 before that state is known.
    pub survives: bool,
}

impl Metric {
    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, label: None, help, survives: false }
    }

    /// A counter without label.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, help)
    }

    /// A gauge without label.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, help)
    }

    /// A histogram without label.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, help)
    }

    /// The same, told apart by a label.
    pub const fn by(mut self, label: &'static str, values: &'static [&'static str]) -> Self {
        self.label = Some((label, values));
        self
    }

    /// The same, but it survives restarts.
    pub const fn surviving(mut self) -> Self {
        self.survives = true;
        self
    }
}

/// What every program exports about its process.
pub const METRICS: &[Metric] = &[
    Metric::gauge("build_info", "Always 1; the label says which version runs.").by("version", &[]),
    Metric::gauge("health_status", "The word of /health as a number: 0 ok, 1 degraded, 2 down."),
    Metric::counter("process_cpu_seconds_total", "Processor time used, user and system."),
    Metric::gauge("process_resident_memory_bytes", "Memory in RAM, shared pages included."),
    Metric::gauge("process_virtual_memory_bytes", "Address space."),
    Metric::gauge("process_open_fds", "Open file descriptors."),
    Metric::gauge("process_max_fds", "Limit of open file descriptors."),
    Metric::gauge("process_threads", "Threads."),
    Metric::gauge("process_start_time_seconds", "Start of the process, Unix time."),
    Metric::gauge("data_disk_free_bytes", "Bytes free for us on the file system of DATA_DIR."),
    Metric::gauge("data_disk_size_bytes", "Size of the file system of DATA_DIR."),
    Metric::counter(
        "connections_refused_total",
        "Connections hung up on because their port had as many as it bears.",
    )
    .by("surface", &["grpc", "http"]),
    Metric::counter(
        "log_lines_dropped_total",
        "Lines that the log file in LOG_DIR could not take in time; the console has them.",
    ),
];

/// Makes this process's recorder the one behind the `metrics` macros.
///
/// # Errors
/// When a recorder was installed before.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .context("metric buckets")?
        .install_recorder()
        .context("metrics were installed twice in one process")
}

/// Gives every metric its help, and every counter whose labels are known its 0: a rate over a first increment is
/// seen only if there was a 0 before it. One that survives restarts would seem to grow from 0 to what it was.
pub fn describe(lists: &[&'static [Metric]], version: &'static str) {
    for metric in lists.iter().copied().flatten() {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
        if metric.kind == Kind::Counter && !metric.survives {
            begin(metric);
        }
    }
    metrics::gauge!("build_info", "version" => version).set(1.0);
}

fn begin(metric: &Metric) {
    match metric.label {
        None => metrics::counter!(metric.name).increment(0),
        Some((label, values)) => {
            for value in values {
                metrics::counter!(metric.name, label => *value).increment(0);
            }
        }
    }
}

/// Folds samples together and looks at the process until `stopping`; run it as a part.
///
/// # Errors
/// Never; the type is that of a part.
pub async fn upkeep(
    handle: PrometheusHandle,
    data_dir: PathBuf,
    stopping: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    loop {
        handle.run_upkeep();
        process::sample(&data_dir);
        if stopping.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_none() {
            return Ok(());
        }
    }
}

/// `GET /metrics`.
pub fn router(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(handle.render())))
}
