//! What can be chosen when a log is opened.

use std::time::Duration;

/// How a log behaves. Nothing of it is stored: every opening may choose anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A segment that would grow beyond this is ended and a new one begun; a longer record gets a
    /// segment of its own. A quarter of the quota at most, so that trimming can always make room.
    pub segment_bytes: u64,
    /// How long a record may wait for its fsync.
    pub commit_every: Duration,
    /// Bytes of all segments; an append that would go beyond is refused.
    pub quota_bytes: Option<u64>,
    /// The incarnation that begins has at least this number. Seconds since 1970, say, so that a log
    /// begun anew after its disk was lost never repeats a position of the lost one.
    pub incarnation_min: u32,
    /// The longest payload that is accepted, 1 GiB at most.
    pub record_bytes_max: usize,
}

impl Options {
    pub(crate) fn effective_segment_bytes(&self) -> u64 {
        self.quota_bytes.map_or(self.segment_bytes, |quota| self.segment_bytes.min(quota / 4))
    }

    /// Commits in about a second: how often the ledger itself is synced.
    pub(crate) fn commits_per_second(&self) -> u32 {
        let every = self.commit_every.as_millis().clamp(1, 1000);
        u32::try_from(1000 / every).expect("at most 1000")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            commit_every: Duration::from_millis(20),
            quota_bytes: None,
            incarnation_min: 1,
            record_bytes_max: 16 * 1024 * 1024,
        }
    }
}
