//! Starts what follows the exchange's markets: the lists, the connections, and the way of the news between them.

use std::sync::Arc;

use service::{clock::Clock, parts::Parts};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    connections::{Connections, Told},
    link::{SAID_MAX, Wiring},
    markets::{self, LISTS_MAX, Look},
    poll::Poller,
    remembered,
    rest::Rest,
    rounds::Rhythm,
    spread::Carried,
};

/// What is known of the exchange's markets at the start.
pub(crate) struct Known {
    pub(crate) look: Look,
    /// What an earlier run carried.
    pub(crate) remembered: Vec<Arc<str>>,
}

/// Follows what is known at `first` and what comes after it; what is carried at each moment can be read from what is returned. `wiring` is
/// given the two ends by which sessions pass on what they hear.
pub(crate) fn start(
    parts: &mut Parts,
    (first, rest): (Known, &Rest),
    config: &Config,
    wiring: impl FnOnce(mpsc::Sender<crate::link::Said>, Arc<Notify>) -> Wiring,
    stopping: &CancellationToken,
) -> watch::Receiver<Arc<Carried>> {
    let (said_tx, said) = mpsc::channel(SAID_MAX);
    let (lists_tx, lists) = mpsc::channel(LISTS_MAX);
    let (carried_tx, carried) = watch::channel(Arc::default());
    let missed = Arc::new(Notify::new());
    let wiring = Arc::new(wiring(said_tx, Arc::clone(&missed)));
    let connections = Connections::new(wiring, config, carried_tx, stopping.clone());
    let rhythm = (config.markets_refresh, first.look.listed.is_some());
    parts.start("connections", connections.run(first, Told { lists, said }));
    let (rest, choice) = (rest.clone(), config.markets.clone());
    let listing = markets::keep_listing(rest, choice, rhythm, (lists_tx, missed), stopping.clone());
    parts.start("markets", listing);
    carried
}

/// Writes down what is carried, for the next start.
pub(crate) fn start_remembering(
    parts: &mut Parts,
    config: &Config,
    carried: watch::Receiver<Arc<Carried>>,
    (clock, stopping): (Clock, &CancellationToken),
) {
    let file = remembered::file(&config.data_dir);
    parts.start("remembered markets", remembered::keep(file, carried, clock, stopping.clone()));
}

/// Polls the books of what is carried, if that is wanted.
pub(crate) fn start_polls(
    parts: &mut Parts,
    poller: &Poller,
    config: &Config,
    carried: watch::Receiver<Arc<Carried>>,
    stopping: &CancellationToken,
) {
    let Some(every) = config.upkeep.poll_every else { return };
    let rhythm = Rhythm::new(every, config.upkeep.poll_slot, &config.gatherer_id);
    parts.start("polls", poller.clone().in_rounds(rhythm, carried, stopping.clone()));
}
