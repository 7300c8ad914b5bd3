//! The targets, for `fuzz_targets`.

pub mod targets;
