//! The generator: the same seed, the same events; markets of every kind.

use super::*;
use crate::config::Generated;

fn run(seed: u64, steps: usize) -> (Markets, Vec<Event>) {
    let settings = Generated { seed, markets: 40, rate: 500.0, lifecycle_every_s: 1.0 };
    let (mut markets, mut out) = (Markets::default(), Vec::new());
    let mut generator = Generator::new(&settings, &mut markets, 1_000, &mut out);
    for _ in 0..steps {
        generator.step(&mut markets, 1_000, &mut out);
    }
    (markets, out)
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let (first, second) = (run(11, 20_000).1, run(11, 20_000).1);
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert_ne!(format!("{first:?}"), format!("{:?}", run(12, 20_000).1));
}

#[test]
fn some_markets_are_busy_and_some_are_silent() {
    let (markets, events) = run(5, 20_000);
    let mut counts = vec![0_usize; markets.len()];
    for event in &events {
        if let Event::Delta(delta) = event {
            counts[delta.market] += 1;
        }
    }
    assert!(counts[0] > 10 * counts[20].max(1), "{counts:?}");
    assert_eq!(counts[39], 0, "the last rank is silent: {counts:?}");
}

#[test]
fn markets_are_born_close_and_settle_while_it_runs() {
    let (markets, events) = run(5, 30_000);
    let of_kind = |name: &str| {
        let hits = events.iter().filter(
            |event| matches!(event, Event::Lifecycle(message) if message.event_type == name),
        );
        hits.count()
    };
    for name in [
        "created",
        "activated",
        "deactivated",
        "close_date_updated",
        "determined",
        "settled",
        "metadata_updated",
        "price_level_structure_updated",
    ] {
        assert!(of_kind(name) > 0, "no {name}");
    }
    let emptied = events.iter().filter(|event| matches!(event, Event::Emptied { .. })).count();
    assert!(emptied > 3, "{emptied}");
    assert!(markets.iter().any(|(_, market)| market.status == Status::Finalized));
}

#[test]
fn a_new_era_lets_clocks_fall() {
    let settings = Generated { seed: 3, markets: 20, rate: 500.0, lifecycle_every_s: 1.0 };
    let (mut markets, mut out) = (Markets::default(), Vec::new());
    let mut generator = Generator::new(&settings, &mut markets, 1_000, &mut out);
    let before: Vec<u64> = markets.iter().map(|(_, market)| market.clock).collect();
    generator.new_era(&mut markets);
    for (index, market) in markets.iter() {
        assert!(market.clock < before[index] && market.clock > 0);
    }
}

#[test]
fn a_market_that_is_weighed_has_its_part_of_all_activity() {
    let settings = Generated { seed: 5, markets: 20, rate: 500.0, lifecycle_every_s: 0.0 };
    let (mut markets, mut out) = (Markets::default(), Vec::new());
    let mut generator = Generator::new(&settings, &mut markets, 1_000, &mut out);
    generator.weigh(&[7, 8], 0.8);
    out.clear();
    for _ in 0..10_000 {
        generator.step(&mut markets, 1_000, &mut out);
    }
    let of = |wanted: &[usize]| {
        let hits = out
            .iter()
            .filter(|event| matches!(event, Event::Delta(delta) if wanted.contains(&delta.market)));
        hits.count() as f64
    };
    let all = of(&(0..20).collect::<Vec<_>>());
    // Bursts go to the busiest ranks too, whatever the weights.
    assert!(of(&[7, 8]) > 0.5 * all, "{} of {all}", of(&[7, 8]));
}
