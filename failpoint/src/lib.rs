//! Named places in the programs at which a test can end the process as a power cut would, hold it, let
//! an operation of the disk fail, or set the wall clock wrong.
//!
//! In a release build, and without the feature `failpoints`, which only `system-tests` turns on, every function is empty
//! and nothing reads the environment. With it, `FAILPOINTS` says what happens where:
//!
//! ```text
//! FAILPOINTS = one;another       spool.unsynced=kill@37;spool.sync=eio@3;spool.write=enospc@100+500
//! one        = NAME=ACTION@FROM[+COUNT]    at the FROM-th time (from 1), COUNT times (1 unless said)
//! ACTION     = kill | hold:MS | eio | enospc | erofs
//! ```
//! and `FAILPOINT_CLOCK` names a file that holds milliseconds to add to the wall clock.

#[cfg(all(feature = "failpoints", debug_assertions))]
mod armed;
#[cfg(all(feature = "failpoints", debug_assertions))]
mod plan;

#[cfg(all(feature = "failpoints", debug_assertions))]
pub use armed::{fails, hit, wall_offset_ns};

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
mod absent {
    /// A place at which a test may end or hold the process.
    #[inline(always)]
    pub fn hit(_name: &'static str) {}

    /// A place at which a test may let an operation fail.
    ///
    /// # Errors
    /// Never in this build.
    #[inline(always)]
    pub fn fails(_name: &'static str) -> std::io::Result<()> {
        Ok(())
    }

    /// What a test adds to the wall clock.
    #[inline(always)]
    pub fn wall_offset_ns() -> i64 {
        0
    }
}

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
pub use absent::{fails, hit, wall_offset_ns};
