//! Decides what a hole is, from what was found about it. The rule is told in the crate's docs.
//!
//! Pure: no store, no exchange, no clock.

use schema::rows::{Gap, GapState};

/// What the exchange said about the trades of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TradesAnswer {
    /// Both interfaces were read to their ends, and all they gave is stored.
    Complete,
    /// The same, but they gave nothing and know no such market.
    Unknown,
    /// They could not be read to their ends.
    Failed,
}

/// What was found about a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Evidence {
    pub(crate) ends_ms: i64,
    pub(crate) now_ms: i64,
    pub(crate) margin_ms: i64,
    /// A canonical snapshot after it is stored.
    pub(crate) has_snapshot: bool,
    pub(crate) trades: TradesAnswer,
}

/// What a hole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Repaired,
    Permanent,
    /// It stays open, because of this.
    Open(&'static str),
}

/// Before this a hole cannot be settled: its trades are looked for up to a margin after its end, and
/// one younger than the margin may still be on its way to the stores.
pub(crate) fn settles_at_ms(ends_ms: i64, margin_ms: i64) -> i64 {
    ends_ms.saturating_add(margin_ms.saturating_mul(2))
}

/// Applies the rule.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    if evidence.ends_ms >= Gap::NO_END_TS.0 {
        return Verdict::Open("it has no end: nobody covers the market any more");
    }
    if evidence.now_ms < settles_at_ms(evidence.ends_ms, evidence.margin_ms) {
        return Verdict::Open("too fresh: its trades may still be on their way");
    }
    if !evidence.has_snapshot {
        return Verdict::Open("no canonical snapshot after it is stored yet");
    }
    match evidence.trades {
        TradesAnswer::Complete => Verdict::Repaired,
        TradesAnswer::Unknown => Verdict::Permanent,
        TradesAnswer::Failed => Verdict::Open("the exchange did not give all of its trades"),
    }
}

impl Verdict {
    /// The state to write, if it is another than the hole has.
    pub(crate) fn change_from(self, state: &str) -> Option<GapState> {
        let settled = match self {
            Self::Repaired => GapState::Repaired,
            Self::Permanent => GapState::Permanent,
            Self::Open(_) => return None,
        };
        (crate::hole::state(settled) != state).then_some(settled)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Repaired => "repaired",
            Self::Permanent => "permanent",
            Self::Open(_) => "open",
        }
    }

    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Repaired => "",
            Self::Permanent => "the exchange knows no such market and has no trade of it",
            Self::Open(why) => why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: Evidence = Evidence {
        ends_ms: 1_000,
        now_ms: 121_000,
        margin_ms: 60_000,
        has_snapshot: true,
        trades: TradesAnswer::Complete,
    };

    #[test]
    fn a_hole_is_repaired_only_when_everything_that_can_be_had_is_there() {
        let open = |evidence: Evidence| matches!(judge(&evidence), Verdict::Open(_));
        assert_eq!(judge(&SETTLED), Verdict::Repaired);
        assert_eq!(
            judge(&Evidence { trades: TradesAnswer::Unknown, ..SETTLED }),
            Verdict::Permanent
        );
        assert!(open(Evidence { now_ms: 120_999, ..SETTLED }));
        assert!(open(Evidence { ends_ms: Gap::NO_END_TS.0, now_ms: i64::MAX, ..SETTLED }));
        assert!(open(Evidence { has_snapshot: false, ..SETTLED }));
        assert!(open(Evidence { trades: TradesAnswer::Failed, ..SETTLED }));
        let unknown = Evidence { trades: TradesAnswer::Unknown, ..SETTLED };
        assert!(open(Evidence { has_snapshot: false, ..unknown }), "nothing is given up early");
        assert!(open(Evidence { now_ms: 0, ..unknown }));
    }

    #[test]
    fn a_state_is_written_only_where_it_changes() {
        assert_eq!(Verdict::Repaired.change_from("open"), Some(GapState::Repaired));
        assert_eq!(Verdict::Repaired.change_from("permanent"), Some(GapState::Repaired));
        assert_eq!(Verdict::Repaired.change_from("repaired"), None);
        assert_eq!(Verdict::Permanent.change_from("permanent"), None);
        // What was settled once is not opened again because the exchange does not answer today.
        assert_eq!(Verdict::Open("").change_from("repaired"), None);
    }
}
