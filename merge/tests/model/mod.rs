//! A model of exchange, network and gatherers, and an oracle that knows what must come out.

pub(crate) mod ends;
pub(crate) mod feed;
pub(crate) mod lie;
pub(crate) mod oracle;
pub(crate) mod plan;
pub(crate) mod sound;
pub(crate) mod truth;
pub(crate) mod venue;
pub(crate) mod world;

pub(crate) use plan::{KINDS, LATE_SEEDS, Plan, SKEWED_SEEDS};
pub(crate) use world::World;
