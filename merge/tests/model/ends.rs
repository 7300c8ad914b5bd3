//! No market ends without a word: what happened after the last event of its record, nobody covered, and the record says so.

use merge::{HoleRecord, Record};

use super::{oracle::Check, truth::TICKERS, world::World};

/// Whether it only says that nobody covers a market, or takes that back.
pub(crate) fn is_about_cover(hole: &HoleRecord) -> bool {
    hole.has_no_end() || hole.takes_back()
}

/// Reads every market's holes without end.
pub(crate) fn check(world: &World) -> Check {
    for (market, ticker) in TICKERS.iter().enumerate().take(world.markets.len()) {
        check_market(world, market, ticker).map_err(|wrong| format!("{ticker}: {wrong}"))?;
    }
    Ok(())
}

fn check_market(world: &World, market: usize, ticker: &str) -> Check {
    let Some(view) = world.merge.markets().find(|view| view.ticker == ticker) else {
        return Ok(());
    };
    let mut told: Option<&HoleRecord> = None;
    for record in &world.journal {
        let (sid, hole) = match record {
            Record::Delta(delta) => (delta.sid, None),
            Record::Snapshot(snapshot) => (snapshot.sid, None),
            Record::Hole(hole) => (hole.sid, Some(&**hole)),
            _ => continue,
        };
        if sid != view.sid {
            continue;
        }
        told = match (told, hole) {
            (None, Some(hole)) if hole.takes_back() => return Err(format!("never told: {hole:?}")),
            (None, hole) => hole.filter(|hole| hole.has_no_end()),
            (Some(told), Some(next))
                if !next.has_no_end() && next.from_clock == told.from_clock =>
            {
                None
            }
            (Some(told), _) => return Err(format!("{told:?} is not taken back before {record:?}")),
        };
    }
    let is_covered = !view.covering.is_empty();
    if let Some(told) = told.filter(|_| is_covered) {
        return Err(format!("covered by {:?}, but {told:?}", view.covering));
    }
    let left = world
        .gatherers
        .iter()
        .any(|gatherer| gatherer.session.as_ref().is_some_and(|session| !session.lists(market)));
    let went_on = view.clock.is_some_and(|clock| {
        world.markets[market].events.last().is_some_and(|event| event.clock != clock)
    });
    if went_on && !is_covered && !left && told.is_none() && !world.plan.clockless {
        return Err(format!("it ends at clock {:?} without a word", view.clock));
    }
    Ok(())
}
