//! Starts, watches, kills and stops everything a run needs, as real processes on this machine.

mod engine;
mod health;
mod keys;
mod nodes;
mod program;
mod quiet;
mod sim;
mod usage;
mod wires;

use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::future::try_join_all;

pub use engine::Engine;
pub use health::{Health, Scraped};
pub use nodes::{DEDUPLICATOR, Deduplicator, Gatherer};
pub use program::{Launch, Program, Site};
pub use sim::{Sim, SimOptions};
pub use usage::Usage;
pub use wires::{Wire, Wires};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub site: Site,
    /// The exchange.
    pub venue: Venue,
    /// Names of the gatherers.
    pub gatherers: Vec<String>,
    /// Further settings of every gatherer.
    pub gatherer_settings: Vec<(&'static str, String)>,
    /// Further settings of the deduplicator.
    pub deduplicator_settings: Vec<(&'static str, String)>,
    /// Who stands between the programs.
    pub wires: Wires,
    /// Password of user `kalshi` of every ClickHouse; without one nobody needs any.
    pub store_password: Option<String>,
}

/// The exchange that is captured.
#[derive(Clone, Debug)]
pub enum Venue {
    /// The simulator, started here.
    Simulated(SimOptions),
    /// The real one.
    Live(Live),
}

/// How to reach the real exchange; read-only.
#[derive(Clone, Debug)]
pub struct Live {
    /// Id of the API key.
    pub key_id: String,
    /// Its private key.
    pub key_file: PathBuf,
    /// What to capture.
    pub market_tickers: String,
    /// WebSocket, if not the production's.
    pub ws_url: Option<String>,
    /// REST, if not the production's.
    pub rest_url: Option<String>,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Fleet {
    /// Where.
    pub site: Site,
    /// The simulated exchange, if there is one.
    pub sim: Option<Sim>,
    /// The gatherers, each with its ClickHouse.
    pub gatherers: Vec<Gatherer>,
    /// The deduplicator, with the canonical ClickHouse.
    pub deduplicator: Deduplicator,
}

/// The names of `count` gatherers.
pub fn gatherer_names(count: usize) -> Vec<String> {
    let named = ["east", "west", "north", "south"];
    (0..count).map(|i| named.get(i).map_or_else(|| format!("g{i}"), ToString::to_string)).collect()
}

impl Plan {
    /// A run against the simulator, hosted by `host`, in `folder`.
    pub fn simulated(host: PathBuf, folder: PathBuf, sim: SimOptions, gatherers: usize) -> Self {
        Self {
            site: Site { host, folder },
            venue: Venue::Simulated(sim),
            gatherers: gatherer_names(gatherers),
            gatherer_settings: Vec::new(),
            deduplicator_settings: Vec::new(),
            wires: Wires::default(),
            store_password: None,
        }
    }
}

impl Plan {
    /// What the deduplicator is told besides what it is always told; the last of a name counts.
    fn deduplicator_settings(
        &self,
        store: &Engine,
        gatherers: &[Gatherer],
    ) -> Vec<(&'static str, String)> {
        let mut settings = self.deduplicator_settings.clone();
        let store = self.wires.instead(Wire::Store(DEDUPLICATOR), &store.url);
        settings.extend(store.map(|url| ("CLICKHOUSE_URL", url)));
        let dialled = gatherers.iter().map(|gatherer| {
            let name = &gatherer.name;
            let address = self.wires.instead(Wire::Stream(name), &gatherer.grpc)?;
            Some(format!("{name}=http://{address}"))
        });
        let dialled: Option<Vec<String>> = dialled.collect();
        settings.extend(dialled.map(|dialled| ("GATHERERS", dialled.join(","))));
        settings
    }
}

impl Fleet {
    /// Starts everything and returns when all of it listens. `say` is told what is being done.
    ///
    /// # Errors
    /// What could not be started, in its own words; what was started before is ended again.
    pub async fn start(plan: &Plan, mut say: impl FnMut(&str)) -> anyhow::Result<Self> {
        let site = &plan.site;
        site.prepare()?;
        say("starting the ClickHouse engines (the first time, this fetches 178 MB)");
        // The first one fetches the engine; the others find it.
        let password = plan.store_password.as_deref();
        let canonical = Engine::start(site, DEDUPLICATOR, password).await?;
        let engines = plan.gatherers.iter().map(|name| Engine::start(site, name, password));
        let engines = try_join_all(engines).await?;
        let sim = match &plan.venue {
            Venue::Simulated(options) => {
                say("starting the simulated exchange");
                Some(Sim::start(site, options, &plan.gatherers).await?)
            }
            Venue::Live(_) => None,
        };
        say(&format!("starting the gatherers {}", plan.gatherers.join(", ")));
        let gatherers = plan.gatherers.iter().zip(engines).map(|(name, engine)| {
            let venue = match (&plan.venue, &sim) {
                (Venue::Live(live), _) => live.settings(),
                (Venue::Simulated(_), sim) => {
                    sim.as_ref().map(|sim| sim.settings(name)).unwrap_or_default()
                }
            };
            let store = plan.wires.instead(Wire::Store(name), &engine.url);
            let store = store.map(|url| ("CLICKHOUSE_URL", url));
            let settings =
                [venue, plan.gatherer_settings.clone(), store.into_iter().collect()].concat();
            async move { Gatherer::start(site, name, engine, &settings).await }
        });
        let gatherers = try_join_all(gatherers).await?;
        say("starting the deduplicator");
        let venue = match (&plan.venue, &sim) {
            (Venue::Live(live), _) => live.settings(),
            (Venue::Simulated(_), Some(sim)) => sim.settings(DEDUPLICATOR),
            (Venue::Simulated(_), None) => Vec::new(),
        };
        // It asks for metadata, without a key.
        let rest = venue.into_iter().filter(|(name, _)| ["REST_URL", "CA_FILE"].contains(name));
        let told = plan.deduplicator_settings(&canonical, &gatherers);
        let settings: Vec<_> = rest.chain(told).collect();
        let deduplicator = Deduplicator::start(site, canonical, &gatherers, &settings).await?;
        Ok(Self { site: site.clone(), sim, gatherers, deduplicator })
    }

    /// Every program that should run: fails with the words of the first that does not.
    ///
    /// # Errors
    /// When one has ended by itself.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        for program in self.programs() {
            if let Some(status) = program.has_ended()? {
                return Err(program.failed(status));
            }
        }
        Ok(())
    }

    /// What each program has used so far, by name.
    pub fn usage(&mut self) -> Vec<(String, Usage)> {
        let of = |program: &mut Program| {
            (program.name().to_owned(), program.pid().map(Usage::of).unwrap_or_default())
        };
        self.programs().map(of).collect()
    }

    fn programs(&mut self) -> impl Iterator<Item = &mut Program> {
        let sim = self.sim.iter_mut().map(|sim| &mut sim.program);
        let gatherers =
            self.gatherers.iter_mut().flat_map(|g| [&mut g.program, &mut g.engine.program]);
        let deduplicator = &mut self.deduplicator;
        sim.chain(gatherers).chain([&mut deduplicator.program, &mut deduplicator.engine.program])
    }

    /// The simulator.
    ///
    /// # Errors
    /// When the run is against the real exchange.
    pub fn sim(&self) -> anyhow::Result<&Sim> {
        self.sim.as_ref().context("this run has no simulated exchange")
    }

    /// Stops all in the order of the data, so that each can hand on what it has: the deduplicator
    /// last of the programs, the stores after it.
    ///
    /// # Errors
    /// The first that did not stop as asked; the others are stopped all the same.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let mut keep = |ended: anyhow::Result<()>| {
            if outcome.is_ok() {
                outcome = ended;
            }
        };
        if let Some(sim) = &mut self.sim {
            keep(sim.program.stop().await);
        }
        keep(self.deduplicator.program.stop().await);
        for gatherer in &mut self.gatherers {
            keep(gatherer.program.stop().await);
        }
        for gatherer in &mut self.gatherers {
            keep(gatherer.engine.program.stop().await);
        }
        keep(self.deduplicator.engine.program.stop().await);
        outcome
    }
}

impl Live {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("PROD_KEYID", self.key_id.clone()),
            ("PROD_KEYFILE", self.key_file.display().to_string()),
            ("MARKET_TICKERS", self.market_tickers.clone()),
        ];
        settings.extend(self.ws_url.clone().map(|url| ("WS_URL", url)));
        settings.extend(self.rest_url.clone().map(|url| ("REST_URL", url)));
        settings
    }
}
