//! Whether a state that was read from somewhere can be one of ours.
//!
//! A checkpoint's checksum tells damage, and its version byte an older program. What passes both and contradicts itself
//! would end the program later, far from the file that is to blame.

use crate::{market::Market, merge::Merge, segment::Segment};

/// Numbers of events that no market will ever reach.
const FIRST_MAX: u64 = 1 << 62;

impl Merge {
    /// What cannot be, if anything.
    pub fn contradiction(&self) -> Option<&'static str> {
        let (markets, gatherers) = (&self.markets, self.shared.gatherers.len());
        let sum = |of: fn(&Market) -> usize| markets.iter().map(of).fold(0, usize::saturating_add);
        if self.shared.pending != sum(|market| market.pending) {
            return Some("frames that wait are counted wrongly");
        }
        if self.shared.remembered != sum(|market| market.log.length()) {
            return Some("remembered events are counted wrongly");
        }
        if !self.tickers_are_of(markets.len()) {
            return Some("a ticker leads to no market");
        }
        if gatherers > usize::from(u8::MAX) + 1 {
            return Some("there are too many gatherers");
        }
        let numbered = markets.iter().zip(1_u32..);
        numbered.into_iter().find_map(|(market, sid)| of_market(market, sid, gatherers))
    }
}

fn of_market(market: &Market, sid: u32, gatherers: usize) -> Option<&'static str> {
    let waits = market.segments.iter().map(|segment| segment.pending.len());
    let mut lanes =
        market.segments.iter().map(|segment| segment.lane).chain(market.unlisted.iter().copied());
    match () {
        () if market.sid != sid => Some("a market has another's number"),
        () if waits.fold(0, usize::saturating_add) != market.pending => {
            Some("a market's waiting frames are counted wrongly")
        }
        () if lanes.any(|lane| usize::from(lane.gatherer.0) >= gatherers) => {
            Some("a lane is of no gatherer")
        }
        () if market.log.first() > FIRST_MAX || !market.log.rises() => {
            Some("a market's log is out of order")
        }
        () => market.segments.iter().find_map(|segment| of_segment(segment, market.log.end())),
    }
}

fn of_segment(segment: &Segment, end: u64) -> Option<&'static str> {
    let of_lane = |gatherer| gatherer == segment.lane.gatherer;
    let is_theirs = segment.pending.iter().all(|item| of_lane(item.from.gatherer))
        && segment.placing().is_none_or(|start| of_lane(start.from.gatherer));
    match () {
        () if !is_theirs => Some("a frame waits in another gatherer's lane"),
        () if segment.joined().is_some_and(|next| next > end) => {
            Some("a lane stands behind the end of the log")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use exchange::Moment;

    use super::*;
    use crate::input::{Input, Source};

    const BOOK: &str = r#"{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"A","market_id":"0b8fd9a4-93a4-4d1c-a3a1-5d8a1c0e0001","clock":5,"yes_dollars_fp":[],"no_dollars_fp":[]}}"#;

    fn merge() -> Merge {
        let mut merge = Merge::new(crate::Config::default());
        let source = Source { gatherer: merge.gatherer("east"), session: 1 };
        let frame = exchange::decode(BOOK).expect("a snapshot");
        merge.handle(Input::Frame { source, wall_ns: 7, frame: &frame }, Moment::from_nanos(1));
        merge.handle_timeout(Moment::from_nanos(60_000_000_000));
        merge
    }

    /// The first of these was found by fuzzing: a count that is too low ended the program when it was lowered.
    #[test]
    fn what_contradicts_itself_is_told() {
        let sound = merge();
        assert_eq!(sound.contradiction(), None);
        assert_eq!((sound.markets.len(), sound.shared.remembered), (1, 1), "it began");
        let wrong: [fn(&mut Merge); 6] = [
            |merge| (merge.shared.pending, merge.markets[0].pending) = (3, 3),
            |merge| merge.shared.remembered = 0,
            |merge| merge.shared.gatherers.clear(),
            |merge| merge.markets[0].sid = 2,
            |merge| merge.markets.clear(),
            |merge| merge.markets[0].segments[0].stage = crate::segment::Stage::Joined { next: 9 },
        ];
        for (at, change) in wrong.into_iter().enumerate() {
            let mut merge = sound.clone();
            change(&mut merge);
            assert!(merge.contradiction().is_some(), "change {at}");
        }
    }
}
