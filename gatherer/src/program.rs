//! The parts of the gatherer, started in one place and stopped in the order of the flow: sockets, spool, then everything
//! that reads the spool.

use std::{
    ffi::OsString,
    future::ready,
    process::ExitCode,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use clap::Parser as _;
use service::{
    clock::Clock, exit, http, lifecycle, logs, metrics, parts::Parts, probe, sd_notify::Notifier,
    stop,
};
use spool::Position;
use store::Progress;
use tokio::{
    runtime::{Builder, Handle},
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Args, Config,
    board::Board,
    decode_again, discovery,
    health::Vitals,
    housekeeping::{House, keep_house},
    http::{Surface, router},
    intake::{Flow, Item, WeakIntake, intake},
    keep::{Keeper, Spooling},
    link::{SessionNumbers, Wiring},
    local_store,
    poll::Poller,
    rest::Rest,
    start::{Ports, Started, start},
    status,
    uplink::{self, Shared},
};

/// After this a stop is given up: a store that hangs must not hold the machine.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// Threads that outlive the drain (an engine that will not end) are left to the process's end.
const THREADS_MAX: Duration = Duration::from_secs(2);

/// The whole program, for any binary that wants to host it.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(code) =
        probe::asked("kalshi-gatherer", &args).or_else(|| decode_again::asked(&args))
    {
        return code;
    }
    let last_words = exit::LastWords::asked(&args);
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => return last_words.usage(&told),
    };
    let config = match Config::from_args(args) {
        Ok(config) => config,
        Err(problems) => return last_words.told_wrong(&problems),
    };
    let dir = config.log_dir.as_deref();
    let logged = match logs::start("gatherer", &config.log_level, config.log_format, dir) {
        Ok(logged) => logged,
        Err(error) => return last_words.code(&Err(error)),
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return last_words.code(&Err(error).context("cannot start the runtime")),
    };
    let outcome = runtime.block_on(run(config, stop::requested()));
    runtime.shutdown_timeout(THREADS_MAX);
    let code = last_words.code(&outcome);
    drop(logged);
    code
}

/// Captures until `stop`, then drains: sockets close, the queue empties, the spool is committed, the sink finishes its
/// batch, streams end.
///
/// # Errors
/// When something at the start is not as it must be, a part fails, or the drain takes too long.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    config.announce();
    let mut stop = std::pin::pin!(stop);
    let started = tokio::select! {
        started = start(&config) => started?,
        () = &mut stop => return Ok(()),
    };
    started.ports.tell(config.listen.port_file.as_deref())?;
    let stopping = CancellationToken::new();
    let clock = started.clock;
    let systemd = Notifier::from_environment();
    let mut parts = assemble(config, started, &stopping);
    systemd.ready();
    let cause = tokio::select! {
        () = stop => Ok(()),
        ended = parts.first_end() => ended.and_then(|()| anyhow::bail!("a part ended by itself")),
    };
    let since_ns = clock.mono_ns();
    lifecycle::shutdown_requested(&cause);
    systemd.stopping();
    stopping.cancel();
    let outcome = cause.and(parts.drain(DRAIN_MAX).await);
    lifecycle::shutdown_complete(&outcome, clock.mono_ns() - since_ns);
    outcome
}

/// Handles that several parts share.
struct Common {
    config: Config,
    clock: Clock,
    board: Arc<Board>,
    flow: Arc<Flow>,
    vitals: Arc<Vitals>,
    stopping: CancellationToken,
    /// Nothing more will be written to the spool.
    finished: CancellationToken,
}

fn assemble(config: Config, started: Started, stopping: &CancellationToken) -> Parts {
    let Started { clock, rest, dialer, ports, known, writer, log, acks, local, metrics } = started;
    let flow = Flow::new(clock);
    let (to_spool, items) = intake(Arc::clone(&flow));
    let (spooling_tx, spooling) = watch::channel(Spooling::Working);
    let (written_tx, written) = watch::channel(log.written());
    let (progress, sink) = watch::channel(Progress::default());
    let acks = Arc::new(acks);
    let board = Arc::new(Board::default());
    let numbers = SessionNumbers::new(log.written().incarnation);
    let vitals = Arc::new(Vitals {
        gatherer_id: config.gatherer_id.clone(),
        clock,
        board: Arc::clone(&board),
        log,
        quota_bytes: config.spool_quota_bytes,
        acks,
        spooling: spooling.clone(),
        sink: local.is_some().then_some(sink),
        flows: Mutex::default(),
    });
    let common = Common {
        clock,
        board: Arc::clone(&board),
        flow,
        vitals,
        stopping: stopping.clone(),
        finished: CancellationToken::new(),
        config,
    };
    let mut parts = Parts::default();
    let (gatherer_id, intake) = (common.config.gatherer_id.clone(), to_spool.clone());
    let poller = poller(&common, rest.clone(), intake.downgrade());
    let wiring = |said, missed| Wiring {
        gatherer_id,
        dialer,
        intake,
        board,
        clock,
        numbers,
        spooling,
        said,
        missed,
    };
    let carried = discovery::start(&mut parts, (known, &rest), &common.config, wiring, stopping);
    discovery::start_remembering(&mut parts, &common.config, carried.clone(), (clock, stopping));
    discovery::start_polls(&mut parts, &poller, &common.config, carried, stopping);
    parts.start("status", status::watch(rest, to_spool, stopping.clone()));
    start_keeper(&mut parts, &common, (writer, items), (spooling_tx, written_tx));
    if let Some(local) = local {
        let (log, config) = (common.vitals.log.clone(), common.config.clone());
        let finished = common.finished.clone();
        parts.start("clickhouse", async move {
            local_store::run(local, log, &config, clock, progress, finished).await
        });
    }
    start_listeners(&mut parts, &common, ports, (written, poller, metrics));
    start_house(&mut parts, common);
    parts
}

fn poller(common: &Common, rest: Rest, intake: WeakIntake) -> Poller {
    let gatherer_id = common.config.gatherer_id.clone();
    Poller { gatherer_id, rest, intake, log: common.vitals.log.clone(), clock: common.clock }
}

/// The writer has a thread of its own; when it ends, nothing more is written.
fn start_keeper(
    parts: &mut Parts,
    common: &Common,
    (writer, items): (spool::Writer, mpsc::Receiver<Item>),
    (state, written): (watch::Sender<Spooling>, watch::Sender<Position>),
) {
    let finished = common.finished.clone();
    let keeper = Keeper { writer, items, state, written, stopping: common.stopping.clone() };
    let runtime = Handle::current();
    parts.start("keep", async move {
        // Also when the thread panics: those who wait for the end must not wait for ever.
        let _at_the_end = finished.drop_guard();
        spawn_blocking(move || keeper.run(&runtime)).await.context("the keeper panicked")?
    });
}

fn start_listeners(
    parts: &mut Parts,
    common: &Common,
    ports: Ports,
    (written, poller, handle): (
        watch::Receiver<Position>,
        Poller,
        Option<metrics_exporter_prometheus::PrometheusHandle>,
    ),
) {
    let shared = Shared {
        gatherer_id: common.config.gatherer_id.clone(),
        log: common.vitals.log.clone(),
        acks: Arc::clone(&common.vitals.acks),
        board: Arc::clone(&common.board),
        flow: Arc::clone(&common.flow),
        clock: common.clock,
        written,
        finished: common.finished.clone(),
        streams: AtomicUsize::new(0),
    };
    parts.start(
        "uplink",
        uplink::serve(ports.grpc, common.config.listen.grpc_tls.clone(), Arc::new(shared)),
    );
    let surface = Surface {
        vitals: Arc::clone(&common.vitals),
        admin_token: common.config.admin_token.clone(),
        poller,
    };
    parts.start("http", http::serve(ports.http, router(surface), common.finished.clone()));
    let routes = handle.clone().map_or_else(Router::new, metrics::router);
    parts.start("metrics", http::serve(ports.metrics, routes, common.finished.clone()));
    let finished = common.finished.clone();
    match handle {
        Some(handle) => {
            let data_dir = common.config.data_dir.clone();
            parts.start("metrics upkeep", metrics::upkeep(handle, data_dir, finished));
        }
        None => parts.start("metrics upkeep", async move {
            finished.cancelled().await;
            ready(Ok(())).await
        }),
    }
}

fn start_house(parts: &mut Parts, common: Common) {
    let watchdog = Notifier::from_environment().watchdog(common.finished.clone());
    parts.start("watchdog", watchdog);
    let house =
        House { vitals: common.vitals, clock: common.clock, retention: common.config.retention };
    parts.start("housekeeping", keep_house(house, common.finished));
}
