//! Step 1, within a lane: seq rises by one over every sequenced message, or the lane is broken. And how late its frames come.

use serde::{Deserialize, Serialize};

/// One connection of a gatherer.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Session {
    pub(crate) session: u64,
    pub(crate) lanes: Vec<Sequence>,
}

/// The sequence of one sid.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) sid: u32,
    expected: u64,
    /// Frames are missing, and no snapshot has come since.
    pub(crate) broken: bool,
    /// From the exchange's time of its newest delta to the receipt, by two clocks. After a restart the next delta tells it.
    #[serde(skip)]
    behind_ns: Option<i64>,
}

/// What a seq says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The next one.
    Next,
    /// Seen before.
    Repeat,
    /// Frames are missing before it. A lane that does not start at 1 is one that we met midway.
    Break,
}

impl Session {
    pub(crate) fn new(session: u64) -> Self {
        Self { session, lanes: Vec::new() }
    }

    pub(crate) fn lane(&mut self, sid: u32) -> &mut Sequence {
        let at = self.lanes.iter().position(|lane| lane.sid == sid).unwrap_or_else(|| {
            self.lanes.push(Sequence { sid, expected: 1, broken: false, behind_ns: None });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    /// How much later than the exchange's time the frames of a lane are received, in ns, if a delta told.
    pub(crate) fn behind_ns(&self, sid: u32) -> Option<i64> {
        self.lanes.iter().find(|lane| lane.sid == sid)?.behind_ns
    }
}

impl Sequence {
    pub(crate) fn step(&mut self, seq: u64) -> Step {
        if seq < self.expected {
            return Step::Repeat;
        }
        let step = if seq == self.expected { Step::Next } else { Step::Break };
        self.broken |= step == Step::Break;
        self.expected = seq + 1;
        step
    }

    /// A new subscription took the sid: it counts from 1 again.
    pub(crate) fn restart(&mut self) -> bool {
        let used = self.expected > 1;
        (self.expected, self.behind_ns) = (1, None);
        used
    }

    /// A delta of `ts_ms` was received at `wall_ns`.
    pub(crate) fn delta_came(&mut self, ts_ms: i64, wall_ns: i64) -> i64 {
        *self.behind_ns.insert(wall_ns.saturating_sub(ts_ms.saturating_mul(1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_counts_from_one_and_tells_repeats_from_jumps() {
        let mut session = Session::new(1);
        let lane = session.lane(1);
        let steps: Vec<Step> = [1, 2, 2, 1, 3, 5, 4, 6].map(|seq| lane.step(seq)).into();
        use Step::{Break, Next, Repeat};
        assert_eq!(steps, [Next, Next, Repeat, Repeat, Next, Break, Repeat, Next]);
        assert_eq!(session.lane(9).step(17), Step::Break);
    }

    #[test]
    fn a_lane_is_as_far_behind_as_its_newest_delta() {
        let mut session = Session::new(1);
        session.lane(1).delta_came(1_790_000_000_000, 1_790_000_040_000_000_000);
        assert_eq!(session.behind_ns(1), Some(40_000_000_000));
        assert_eq!(session.behind_ns(2), None);
        session.lane(1).step(1);
        assert!(session.lane(1).restart());
        assert_eq!(session.behind_ns(1), None, "a new subscription");
    }
}
