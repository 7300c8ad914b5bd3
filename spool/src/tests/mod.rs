//! The log under faults: what a crash may take and what it may not.

mod damage;
mod model;
mod stories;

pub(crate) use crate::faulty::Rng;
