//! Whatever is dropped, cut, delayed, repeated or corrupted on the lanes, the canonical stream is
//! the truth wherever some lane covered it, and a hole stands exactly where none did.
//!
//! `MERGE_SEEDS=FROM..TO cargo test -p merge --test seeds` runs a range of one's own: from 10,000,000 on, connections that are
//! served late; from 20,000,000 on, a host whose clock is wrong.

mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{KINDS, LATE_SEEDS, Plan, SKEWED_SEEDS, World, oracle};

const SEEDS: std::ops::Range<u64> = 0..2_600;
const LATE: std::ops::Range<u64> = LATE_SEEDS..LATE_SEEDS + 200;
const SKEWED: std::ops::Range<u64> = SKEWED_SEEDS..SKEWED_SEEDS + 300;

/// Without clock, an empty book that was shown between two others cannot be put in order: which of the
/// two snapshots after a gap was taken first is not in the frames. In 71394 a book comes again after two
/// deltas, and a lane's snapshot of it is taken for the earlier one: the rows are marked as disputed. In
/// 30258, 159370 and 176002 a gap lies between two empty books.
const UNKNOWABLE: [u64; 5] = [10_074, 30_258, 71_394, 159_370, 176_002];

/// Seeds beyond the range that failed once.
const FAILED_ONCE: [u64; 13] = [
    40_309, 80_626, 88_977, 90_569, 92_520, 135_909, 138_715, 140_889, 141_841, 157_861, 167_122,
    176_280, 10_029_265,
];

fn run(seed: u64) -> Result<(), String> {
    if UNKNOWABLE.contains(&seed) {
        return Ok(());
    }
    let plan = Plan::of(seed);
    let told = format!("{plan:?}");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan);
        world.run();
        if option_env_range().is_some_and(|range| range.count() == 1) {
            world.print();
        }
        oracle::check(&world)
    }));
    let wrong = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(wrong)) => wrong,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default()
        }
    };
    Err(format!("seed {seed}: {wrong}\n  {told}"))
}

#[expect(clippy::disallowed_methods, reason = "a test's knob, not configuration")]
fn option_env_range() -> Option<std::ops::Range<u64>> {
    let text = std::env::var("MERGE_SEEDS").ok()?;
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

#[test]
fn the_canonical_stream_is_the_truth_wherever_a_lane_covered_it() {
    holds_for(option_env_range().unwrap_or(SEEDS));
}

#[test]
fn what_the_exchange_serves_late_is_waited_for() {
    holds_for(LATE);
}

#[test]
fn a_host_whose_clock_is_wrong_changes_nothing() {
    holds_for(SKEWED);
}

fn holds_for(range: std::ops::Range<u64>) {
    let half = range.start + (range.end - range.start) / 2;
    let failed = std::thread::scope(|scope| {
        let halves = [range.start..half, half..range.end];
        let threads = halves.map(|half| {
            scope.spawn(move || half.filter_map(|seed| run(seed).err()).collect::<Vec<_>>())
        });
        threads.into_iter().flat_map(|thread| thread.join().expect("caught")).collect::<Vec<_>>()
    });
    let first: Vec<&String> = (0..KINDS)
        .flat_map(|kind| failed.iter().filter(move |f| kind_of(f) == kind).take(2))
        .collect();
    let kinds: Vec<u64> = (0..KINDS)
        .map(|kind| failed.iter().filter(|f| kind_of(f) == kind).count() as u64)
        .collect();
    assert!(
        failed.is_empty(),
        "{} seeds of {range:?} failed, by kind {kinds:?}:\n{first:#?}",
        failed.len()
    );
}

#[test]
fn what_failed_once_holds() {
    let failed: Vec<String> = FAILED_ONCE.into_iter().filter_map(|seed| run(seed).err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn kind_of(failed: &str) -> u64 {
    let digits = failed.trim_start_matches("seed ").split(':').next().unwrap_or_default();
    Plan::kind(digits.parse().unwrap_or_default())
}
