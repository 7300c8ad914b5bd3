//! Puts the parts together and connects their queues.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use catalog::Catalog;
use exchange::Moment;
use service::clock::Clock;
use service::parts::Parts;
use spool::Log;
use store::{FollowConfig, Store};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::audit::{self, Audit, Tally};
use crate::book::surface::Past;
use crate::catalog_metadata::Metadata;
use crate::catalog_notes::{self, Notes};
use crate::config::Config;
use crate::health::Surface;
use crate::ingest::{self, EVENTS_MAX, Ingest, REFRESHES_MAX};
use crate::journal::{self, Folders, Journal};
use crate::latency::Latency;
use crate::pipeline::{Ends, Pipeline, QUESTIONS_MAX, Question};
use crate::recover::settled::Counted;
use crate::recover::{self, Recovered, from_store};
use crate::run::Relay;
use crate::sampler::{self, Sources};
use crate::sink::clickhouse::CanonicalRows;
use crate::sink::names::Names;
use crate::sink::parquet::{ArchiveSink, Setting};
use crate::sink::trim::{self, Needs};
use crate::status::{ParquetStatus, PipelineView, Status};
use crate::telemetry;

/// Who is told to stop, in this order.
#[derive(Default)]
pub(crate) struct Stops {
    pub(crate) ingest: CancellationToken,
    pub(crate) sinks: CancellationToken,
    pub(crate) surfaces: CancellationToken,
}

/// Everything started but the HTTP surfaces.
pub(crate) struct Assembled {
    pub(crate) parts: Parts,
    pub(crate) surface: Surface,
}

/// Recovers and starts; nothing of the venue's data is read before the state is whole.
pub(crate) async fn assemble(
    config: &Config,
    store: Option<Store>,
    clock: Clock,
    stops: &Stops,
) -> anyhow::Result<Assembled> {
    let folders = Folders::below(&config.data_dir);
    make(&config.data_dir)?;
    let catalog = open_catalog(config, &folders).await?;
    let (writer, log, _) = journal::open(&folders)?;
    let state = State { config, folders: &folders, catalog: &catalog, log: &log, clock };
    let mut recovered = state.recovered(store.as_ref()).await?;
    let (keeper, notes, asked) = catalog_notes::keeper(catalog.clone(), &recovered.merge, clock);
    let tally = Arc::new(Tally::default());
    let names = Names::known_to(&recovered.merge);
    let latency = Arc::new(Latency::new(clock));
    let journal = Journal::new(writer, log.clone(), Arc::clone(&latency));
    let mut builder = Builder { config, clock, stops, log, parts: Parts::default() };
    let (restart_from, restart_seen) = watch::channel(None);
    let (view, view_seen) = watch::channel(PipelineView::default());
    let (questions, questioned) = mpsc::channel(QUESTIONS_MAX);
    let beside = Beside { notes, tally: Arc::clone(&tally) };
    let follow = builder.ingests(&mut recovered, (questioned, beside), view, restart_from);
    // Waits for gatherers begin now: migrations may have taken longer than a wait, and nobody was heard meanwhile.
    recovered.merge.resumed(Moment::from_nanos(clock.mono_ns()));
    let relay = Relay::to(&stops.surfaces);
    builder.pipeline(recovered, journal, follow, &folders, &relay);
    let past_store = store.clone();
    let clickhouse = store.map(|store| {
        builder.clickhouse(store, &folders, names.clone(), Arc::clone(&latency), &relay)
    });
    let beside = (names, catalog.clone(), clickhouse.clone());
    let archive = builder.archive(&folders, beside, &relay).await?;
    drop(relay);
    let needs = Needs {
        restart_from: restart_seen,
        clickhouse: clickhouse.clone(),
        archive: archive.clone(),
    };
    builder.parts.start("trim", trim::run(builder.log.clone(), needs, stops.surfaces.clone()));
    let (status, status_seen) = watch::channel(Status::default());
    let past = past_store.zip(clickhouse.clone()).map(|(store, progress)| Past {
        store,
        log: builder.log.clone(),
        progress,
        clock,
    });
    let audit = Arc::clone(&tally);
    let log = builder.log.clone();
    let sources = Sources { view: view_seen, log, clickhouse, archive, latency, clock, audit };
    builder.parts.start("sampler", sampler::run(sources, status, stops.surfaces.clone()));
    builder.parts.start("catalog", keeper.run(stops.surfaces.clone()));
    builder.metadata(catalog, asked)?;
    let surface = Surface { status: status_seen, questions, past };
    builder.audits(&surface, &tally);
    Ok(Assembled { parts: builder.parts, surface })
}

/// A catalog that is gone while its journal is there is made anew, and that is told.
async fn open_catalog(config: &Config, folders: &Folders) -> anyhow::Result<Catalog> {
    let anew = config.catalog.file().filter(|file| folders.log.exists() && !file.exists());
    let catalog = Catalog::open(&config.catalog).await?;
    if let Some(file) = anew {
        telemetry::catalog_missing(file);
    }
    Ok(catalog)
}

/// What the state is put together from.
struct State<'a> {
    config: &'a Config,
    folders: &'a Folders,
    catalog: &'a Catalog,
    log: &'a Log,
    clock: Clock,
}

impl State<'_> {
    async fn recovered(&self, store: Option<&Store>) -> anyhow::Result<Recovered> {
        let Self { config, folders, catalog, log, clock } = *self;
        let now = Moment::from_nanos(clock.mono_ns());
        let mut recovered = recover::recover(&folders.checkpoints, log, config.merge.clone(), now)?;
        recovered.counted = Counted::load(&folders.sinks)?;
        if let Some(store) = store.filter(|_| recovered.is_empty()) {
            let archive = archive_setting(config, folders, (catalog, log))?;
            let archive = archive.as_ref();
            let past = from_store::Past { store, folders, log, config, archive };
            from_store::take_over(&mut recovered, &past, now).await?;
        }
        recovered.merge.reserve();
        tracing::info!(
            component = "recover",
            event = "recovered",
            checkpoint = recovered.number,
            replayed = recovered.replayed,
            markets = recovered.merge.markets().count(),
            "the state is whole"
        );
        Ok(recovered)
    }
}

/// The archive's setting, but for what only a running program has.
fn archive_setting(
    config: &Config,
    folders: &Folders,
    (catalog, log): (&Catalog, &Log),
) -> anyhow::Result<Option<Setting>> {
    let Some(archive) = config.archive.clone() else { return Ok(None) };
    Ok(Some(Setting {
        archive,
        staging: config.data_dir.join("parquet-staging"),
        journal: journal::identity(folders)?,
        beside: folders.sinks.clone(),
        stored: None,
        catalog: catalog.clone(),
        names: Names::default(),
        log: log.clone(),
    }))
}

fn make(data_dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make DATA_DIR {}", data_dir.display()))
}

/// What the pipeline tells beside its records.
struct Beside {
    notes: Notes,
    tally: Arc<Tally>,
}

struct Builder<'a> {
    config: &'a Config,
    clock: Clock,
    stops: &'a Stops,
    log: Log,
    parts: Parts,
}

impl Builder<'_> {
    /// Starts an ingest a gatherer; returns the pipeline's ends of their queues.
    fn ingests(
        &mut self,
        recovered: &mut Recovered,
        (questions, beside): (mpsc::Receiver<Question>, Beside),
        view: watch::Sender<PipelineView>,
        restart_from: watch::Sender<Option<spool::Position>>,
    ) -> Ends {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let (mut acks, mut refreshes) = (BTreeMap::new(), BTreeMap::new());
        for address in &self.config.gatherers {
            let (ack, acks_seen) = watch::channel(None);
            let (refresh, refreshes_seen) = mpsc::channel(REFRESHES_MAX);
            acks.insert(address.name.clone(), ack);
            refreshes.insert(address.name.clone(), refresh);
            let ingest = Ingest {
                ours: self.config.name.clone(),
                address: address.clone(),
                tls: self.config.grpc_tls.clone(),
                index: recovered.merge.gatherer(&address.name),
                from: recovered.positions.get(&address.name).copied(),
                events: events.clone(),
                acks: acks_seen,
                refreshes: refreshes_seen,
                notes: beside.notes.clone(),
            };
            self.parts.start("ingest", ingest::run(ingest, self.stops.ingest.clone()));
        }
        let Beside { notes, tally: audit } = beside;
        Ends { events: received, questions, acks, refreshes, view, restart_from, notes, audit }
    }

    fn metadata(&mut self, catalog: Catalog, asked: mpsc::Receiver<String>) -> anyhow::Result<()> {
        if let Some(rest) = &self.config.rest {
            let metadata = Metadata::new(catalog, rest, asked, self.clock)?;
            self.parts.start("metadata", metadata.run(self.stops.surfaces.clone()));
        }
        Ok(())
    }

    fn audits(&mut self, surface: &Surface, tally: &Arc<Tally>) {
        let Some(every) = self.config.audit_every else { return };
        let audit = || Audit {
            every,
            questions: surface.questions.clone(),
            past: surface.past.clone(),
            status: surface.status.clone(),
            tally: Arc::clone(tally),
            clock: self.clock,
        };
        let (rounds, polled) = (audit(), audit());
        // They ask the pipeline, which ends before the surfaces do.
        self.parts.start("audit", audit::run(rounds, self.stops.ingest.clone()));
        self.parts.start("audit of polls", audit::run_polled(polled, self.stops.ingest.clone()));
    }

    fn pipeline(
        &mut self,
        mut recovered: Recovered,
        journal: Journal,
        ends: Ends,
        folders: &Folders,
        surfaces: &Relay,
    ) {
        let owed = std::mem::take(&mut recovered.owed);
        let pipeline = Pipeline::new(
            recovered,
            journal,
            ends,
            folders.checkpoints.clone(),
            self.config.checkpoint_every,
            self.clock,
        );
        let sinks = Relay::to(&self.stops.sinks);
        // The surfaces too: there may be no sink.
        let part = surfaces.held_by(sinks.held_by(pipeline.run(owed)));
        self.parts.start("pipeline", part);
    }

    fn clickhouse(
        &mut self,
        store: Store,
        folders: &Folders,
        names: Names,
        latency: Arc<Latency>,
        relay: &Relay,
    ) -> watch::Receiver<store::Progress> {
        let (progress, seen) = watch::channel(store::Progress::default());
        let follow = FollowConfig {
            name: "canonical".to_owned(),
            dir: folders.sinks.clone(),
            batch_rows: self.config.batch_rows,
            flush_every: self.config.flush_every,
            role: schema::Role::Canonical,
            clock: self.clock,
        };
        let (log, stopping) = (self.log.clone(), self.stops.sinks.clone());
        let rows = CanonicalRows::new(names, latency);
        let part =
            async move { store::follow(&store, log, follow, rows, progress, stopping).await };
        self.parts.start("clickhouse", relay.held_by(part));
        seen
    }

    async fn archive(
        &mut self,
        folders: &Folders,
        (names, catalog, stored): (Names, Catalog, Option<watch::Receiver<store::Progress>>),
        relay: &Relay,
    ) -> anyhow::Result<Option<watch::Receiver<ParquetStatus>>> {
        let Some(setting) = archive_setting(self.config, folders, (&catalog, &self.log))? else {
            return Ok(None);
        };
        let setting = Setting { names, stored, ..setting };
        let (progress, seen) = watch::channel(ParquetStatus::default());
        let sink = ArchiveSink::open(setting, progress).await.context("the archive")?;
        self.parts.start("archive", relay.held_by(sink.run(self.stops.sinks.clone())));
        Ok(Some(seen))
    }
}
