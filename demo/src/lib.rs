//! The whole way on one machine, and the proof that its record is what happened.
//!
//! [`fleet`] starts real processes, [`chaos`] damages them, [`oracle`] compares rows with the truth and
//! [`verify`] fetches both. The system tests are written with the same parts.

pub mod args;
pub mod chaos;
pub mod fleet;
mod footprint;
pub mod host;
pub mod oracle;
pub mod run;
mod screen;
mod table;
pub mod verify;
