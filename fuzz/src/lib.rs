//! Everything that reads bytes from outside, each as one function that must not panic and whose
//! answers must hold together.
//!
//! Called by `simulation/tests/fuzz.rs` (stable, seeded, in every test run) and by
//! `fuzz_targets` (cargo-fuzz, guided by coverage). A feature for each crate that reads, so that a
//! target is built without what it does not need.

#[cfg(feature = "disk")]
#[path = "targets/disk.rs"]
pub mod disk;
#[cfg(feature = "programs")]
#[path = "targets/programs.rs"]
pub mod programs;
#[cfg(feature = "venue")]
#[path = "targets/venue.rs"]
pub mod venue;
#[cfg(feature = "wire")]
#[path = "targets/wire.rs"]
pub mod wire;
