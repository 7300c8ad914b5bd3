//! Which markets move to another connection, and how far each move is. Pure.
//!
//! A market is subscribed on the new connection first and leaves the old one only when the new one has it whole: it is
//! covered twice for a moment and never not at all. What does not get there in time stays where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use exchange::Moment;

use crate::spread::{Carried, Spread};

/// Below this many frames a second no connection is worth relieving: a socket bears thousands.
const LOAD_MIN: f64 = 20.0;

/// A connection with more than this many times the mean is relieved, down to less than the second.
const TOO_MUCH: f64 = 1.5;
const ENOUGH: f64 = 1.2;

/// A move that leaves the other connection almost as busy as this one was gains nothing.
const WORTH: f64 = 0.8;

/// Markets that move at a time: each costs a snapshot and a moment of double frames.
const MOVES_MAX: usize = 50;

/// A market that the new connection does not have whole by then stays where it was.
const ARRIVE_MAX: Duration = Duration::from_secs(60);

/// A market on its way.
#[derive(Debug)]
struct Move {
    from: usize,
    to: usize,
    since: Moment,
}

/// The moves that are under way.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    moves: BTreeMap<Arc<str>, Move>,
}

impl Balance {
    /// Begins to move what should move; the connections whose markets change by that.
    pub(crate) fn begin(&mut self, spread: &Spread, now: Moment) -> BTreeSet<usize> {
        let mut loads = spread.loads();
        let mean = loads.values().sum::<f64>() / loads.len().max(1) as f64;
        let mut room: BTreeMap<usize, usize> =
            loads.keys().map(|index| (*index, spread.room_for_moves(*index))).collect();
        for moving in self.moves.values() {
            if let Some(room) = room.get_mut(&moving.to) {
                *room = room.saturating_sub(1);
            }
        }
        let mut touched = BTreeSet::new();
        while self.moves.len() < MOVES_MAX {
            let Some((from, to)) = uneven(&loads, &room, mean) else { break };
            let gap = loads[&from] - loads[&to];
            let over = loads[&from] - mean * ENOUGH;
            let movable = |market: &(Arc<str>, f64)| {
                market.1 < gap * WORTH && !self.moves.contains_key(&market.0)
            };
            // The one nearest to what is too much: few moves, and none that turns the scales.
            let near = |rate: f64| (rate - over.min(gap / 2.0)).abs();
            let busy = spread.busy(from).into_iter().filter(movable);
            let Some((market, rate)) = busy.min_by(|a, b| near(a.1).total_cmp(&near(b.1))) else {
                break;
            };
            *loads.entry(from).or_default() -= rate;
            *loads.entry(to).or_default() += rate;
            room.entry(to).and_modify(|room| *room -= 1);
            touched.insert(to);
            self.moves.insert(market, Move { from, to, since: now });
        }
        touched
    }

    /// What a connection carries: its own, and what is on its way to it.
    pub(crate) fn carried(&self, spread: &Spread, index: usize) -> Carried {
        let arriving = self.moves.iter().filter(|(_, moving)| moving.to == index);
        let mut carried = spread.carried(index);
        carried.extend(arriving.map(|(market, _)| Arc::clone(market)));
        carried
    }

    /// Ends the moves that are over; `has` says whether a connection has a market whole. The connections whose markets
    /// change by that.
    pub(crate) fn end(
        &mut self,
        spread: &mut Spread,
        has: impl Fn(usize, &str) -> bool,
        now: Moment,
    ) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        self.moves.retain(|market, moving| {
            if spread.home(market) != Some(moving.from) {
                // It closed, or was put elsewhere, meanwhile.
                touched.insert(moving.to);
                return false;
            }
            if has(moving.to, market) {
                spread.rehome(market, moving.to);
                touched.extend([moving.from, moving.to]);
                return false;
            }
            let late = moving.since.plus(ARRIVE_MAX) <= now;
            if late {
                touched.insert(moving.to);
            }
            !late
        });
        touched
    }

    /// Gives up every move to a connection that is no more.
    pub(crate) fn closed(&mut self, index: usize) {
        self.moves.retain(|_, moving| moving.to != index);
    }

    /// Markets on their way to a connection.
    pub(crate) fn arriving(&self, index: usize) -> Vec<Arc<str>> {
        let arriving = self.moves.iter().filter(|(_, moving)| moving.to == index);
        arriving.map(|(market, _)| Arc::clone(market)).collect()
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.moves.len()
    }
}

/// The busiest connection, if it has too much, and the least busy one with room.
fn uneven(
    loads: &BTreeMap<usize, f64>,
    room: &BTreeMap<usize, usize>,
    mean: f64,
) -> Option<(usize, usize)> {
    let (from, most) = loads.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)))?;
    let roomy = loads.iter().filter(|(index, _)| room.get(*index).is_some_and(|room| *room > 0));
    let (to, _) = roomy.min_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(b.0)))?;
    (from != to && *most > LOAD_MIN && *most > mean * TOO_MUCH).then_some((*from, *to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(secs))
    }

    /// Two connections of ten markets with room for five more each; those of the first have 30 frames a second each.
    fn uneven_spread() -> Spread {
        let wanted: Carried = (0..20).map(|n| Arc::from(format!("KXT-{n:02}"))).collect();
        let mut spread = Spread::new(15, true);
        spread.update(&wanted);
        count(&mut spread, 0);
        spread
    }

    fn count(spread: &mut Spread, busy: usize) {
        for _ in 0..20 {
            let frames = |index: usize, of: u64| {
                spread.carried(index).into_iter().map(move |market| (Box::from(&*market), of))
            };
            let counted: Vec<_> = frames(busy, 1_800).chain(frames(1 - busy, 6)).collect();
            spread.counted(counted, 60.0);
        }
    }

    #[test]
    fn a_busy_connection_gives_markets_away_and_keeps_them_until_they_have_arrived() {
        let (mut spread, mut balance) = (uneven_spread(), Balance::default());
        assert_eq!(balance.begin(&spread, at(0)), BTreeSet::from([1]));
        let moving = balance.arriving(1);
        assert!((3..=5).contains(&moving.len()), "{moving:?}");
        assert_eq!(balance.carried(&spread, 0).len(), 10, "nothing has left yet");
        assert_eq!(balance.carried(&spread, 1).len(), 10 + moving.len());
        let arrived = Arc::clone(&moving[0]);
        let touched = balance.end(&mut spread, |to, market| to == 1 && *market == *arrived, at(1));
        assert_eq!(touched, BTreeSet::from([0, 1]));
        assert_eq!((spread.home(&arrived), balance.carried(&spread, 0).len()), (Some(1), 9));
        assert_eq!(balance.len(), moving.len() - 1);
    }

    #[test]
    fn what_does_not_arrive_stays_where_it_was() {
        let (mut spread, mut balance) = (uneven_spread(), Balance::default());
        balance.begin(&spread, at(0));
        assert_eq!(balance.end(&mut spread, |_, _| false, at(59)), BTreeSet::new());
        assert_eq!(balance.end(&mut spread, |_, _| false, at(60)), BTreeSet::from([1]));
        assert_eq!(balance.carried(&spread, 1).len(), 10);
        assert_eq!(spread.carried(0).len(), 10);
    }

    #[test]
    fn a_market_that_closes_on_its_way_is_carried_nowhere() {
        let (mut spread, mut balance) = (uneven_spread(), Balance::default());
        balance.begin(&spread, at(0));
        let closed = balance.arriving(1).remove(0);
        let mut wanted: Carried = spread.carried(0).into_iter().chain(spread.carried(1)).collect();
        wanted.remove(&closed);
        spread.update(&wanted);
        balance.end(&mut spread, |_, _| true, at(1));
        assert!(!balance.carried(&spread, 0).contains(&closed));
        assert!(!balance.carried(&spread, 1).contains(&closed));
        assert_eq!(balance.len(), 0);
    }

    #[test]
    fn even_or_quiet_connections_are_left_alone() {
        let mut balance = Balance::default();
        let wanted: Carried = (0..20).map(|n| Arc::from(format!("KXT-{n:02}"))).collect();
        let mut spread = Spread::new(10, true);
        spread.update(&wanted);
        let all = |of: u64| wanted.iter().map(move |market| (Box::from(&**market), of));
        spread.counted(all(3_000), 60.0);
        assert_eq!(balance.begin(&spread, at(0)), BTreeSet::new());
        let mut quiet = Spread::new(15, true);
        quiet.update(&wanted);
        quiet.counted(
            quiet.carried(0).iter().map(|market| (Box::from(&**market), 60)).collect::<Vec<_>>(),
            60.0,
        );
        assert_eq!(balance.begin(&quiet, at(0)), BTreeSet::new());
    }

    #[test]
    fn one_market_that_is_busier_than_all_others_does_not_wander() {
        let mut spread = uneven_spread();
        let carried = spread.carried(0);
        let busy: Box<str> = carried.first().map(|market| Box::from(&**market)).expect("ten");
        for _ in 0..20 {
            spread.counted([(busy.clone(), 60_000)], 60.0);
        }
        assert_eq!(Balance::default().begin(&spread, at(0)), BTreeSet::new());
    }
}
