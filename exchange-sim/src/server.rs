//! Starts the parts: the timer that lets the exchange live, the port, the connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    admin,
    auth::Keys,
    clock,
    config::{Config, Play},
    connection::{self, Upgraded},
    generator::Generator,
    handshake,
    hub::{Hub, Shared},
    limits::Buckets,
    listener::{self, Caller, Door},
    market::Markets,
    replay::Replay,
    rest, rest_trades,
    source::Source,
    tls,
    truth::Truth,
};

/// Short enough that events come evenly, long enough that frames go out in batches.
const TICK: Duration = Duration::from_millis(2);
/// Handshakes that may wait to become connections; a client waits longer then.
const ARRIVING_MAX: usize = 64;
/// How long connections may take to read what they were still owed.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// What every request handler shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hub: Arc<Shared>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) admin_token: Option<Arc<str>>,
    pub(crate) upgraded: mpsc::Sender<Upgraded>,
    pub(crate) buckets: Arc<Buckets>,
}

/// Runs the simulated exchange until `stop`; `ready` learns the address that was bound.
pub async fn run(
    config: Config,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = listener::bind(config.listen)?;
    let address = listener.local_addr()?;
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let hub = Arc::new(Shared::new(open(&config)?));
    let (upgraded, arriving) = mpsc::channel(ARRIVING_MAX);
    let app = App {
        hub: Arc::clone(&hub),
        keys: Arc::new(config.keys.clone()),
        admin_token: config.admin_token.as_deref().map(Arc::from),
        upgraded,
        buckets: Arc::new(Buckets::new(config.limits.rest_per_sec)),
    };
    let (stopping, stopped) = watch::channel(false);
    let mut parts = JoinSet::new();
    parts.spawn(live(Arc::clone(&hub), stopped.clone()));
    parts.spawn(connection::serve_all(arriving, Arc::clone(&hub)));
    parts.spawn(listen(Door::new(listener, tls), app, stopped));
    if let Some(path) = &config.port_file {
        tls::write_whole(path, &address.to_string())?;
    }
    tracing::info!(%address, "exchange is open");
    ready(address);
    let ended_early = tokio::select! {
        () = stop => None,
        ended = parts.join_next() => ended,
    };
    hub.lock().stop();
    // Receivers that are gone have stopped already.
    stopping.send(true).ok();
    let drained =
        tokio::time::timeout(DRAIN_MAX, async { while parts.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::debug!("some connections did not read to the end");
    }
    parts.shutdown().await;
    hub.lock().truth.close()?;
    anyhow::ensure!(ended_early.is_none(), "a part of the exchange ended by itself");
    Ok(())
}

/// Makes the markets and the truth log.
fn open(config: &Config) -> anyhow::Result<Hub> {
    let now = clock::now();
    let (mut markets, mut births) = (Markets::default(), Vec::new());
    let source = match &config.play {
        Play::Generated(settings) => {
            let generator = Generator::new(settings, &mut markets, now.wall_ms, &mut births);
            Source::generated(generator, settings.rate)
        }
        Play::Recorded(path, manner) => {
            let made = (&mut markets, &mut births);
            Source::Recorded(Box::new(Replay::load(path, *manner, made, now.wall_ms)?))
        }
    };
    let truth = config.truth.as_deref().map(Truth::to_file).transpose()?.unwrap_or_default();
    Ok(Hub::new(config, truth, (markets, source, births), now))
}

async fn live(hub: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(TICK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => hub.lock().tick(clock::now()),
            _ = stopped.changed() => return,
        }
    }
}

async fn listen(door: Door, app: App, mut stopped: watch::Receiver<bool>) {
    let service = router(app).into_make_service_with_connect_info::<Caller>();
    let stop = async move {
        // The sender is only dropped when everything ends.
        stopped.changed().await.ok();
    };
    if let Err(error) = axum::serve(door, service).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "the port failed");
    }
}

fn router(app: App) -> Router {
    let api = Router::new()
        .route("/exchange/status", get(rest::exchange_status))
        .route("/exchange/schedule", get(rest::exchange_schedule))
        .route("/markets", get(rest::markets))
        .route("/markets/trades", get(rest_trades::trades))
        .route("/historical/trades", get(rest_trades::historical))
        .route("/historical/markets/{ticker}", get(rest::historical_market))
        .route("/markets/orderbooks", get(rest::orderbooks))
        .route("/markets/{ticker}", get(rest::market))
        .route("/markets/{ticker}/orderbook", get(rest::orderbook))
        .route("/series", get(rest::series))
        .route("/events", get(rest::events))
        .route("/events/multivariate", get(rest::multivariate_events))
        .route("/account/limits", get(rest::account_limits))
        .route("/account/endpoint_costs", get(rest::endpoint_costs))
        .layer(axum::middleware::from_fn_with_state(app.clone(), crate::limits::limit));
    Router::new()
        .route(handshake::PATH, get(handshake::open))
        .nest("/trade-api/v2", api)
        .route("/sim/status", get(admin::status))
        .route("/sim/faults", post(admin::faults))
        .route("/sim/markets", post(admin::markets))
        .route("/sim/subscribed", get(admin::subscribed))
        .route("/sim/rate", post(admin::rate))
        .route("/sim/pause", post(admin::pause))
        .route("/sim/resume", post(admin::resume))
        .route("/sim/flush", post(admin::flush))
        .with_state(app)
}
