//! Bytes that are almost right, into everything that reads bytes from outside: no panic, and answers
//! that hold together. Seeded; a failing input is printed.
//!
//! `FUZZ_SECONDS=600 FUZZ_TARGET=frame FUZZ_SEED=7 cargo test -p simulation --test fuzz -- --nocapture`
//! Guided by coverage, and with what the mutations here begin with: `fuzz/run.sh`.

#![expect(unreachable_pub, reason = "these files are a library for fuzz_targets")]

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/targets/disk.rs"]
mod disk;
#[path = "../../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../../fuzz/src/targets/programs.rs"]
mod programs;
#[path = "../../fuzz/src/targets/venue.rs"]
mod venue;
#[path = "../../fuzz/src/targets/wire.rs"]
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use service::clock::Clock;
use spool::faulty::Rng;

/// A name, and what it does with bytes.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 10] = [
    ("frame", venue::frame),
    ("rest", venue::rest),
    ("capture", wire::capture),
    ("messages", wire::messages),
    ("segment", disk::segment),
    ("ledger", disk::ledger),
    ("cursor", programs::cursor),
    ("checkpoint", programs::checkpoint),
    ("journal", programs::journal),
    ("settings", programs::settings),
];

/// Looked at so often: asking the clock costs more than some targets.
const INPUTS_BETWEEN_LOOKS: u64 = 64;

#[expect(clippy::disallowed_methods, reason = "a test's knobs, not configuration")]
fn knob(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    knob(name)?.parse().ok()
}

#[test]
fn nothing_that_reads_bytes_from_outside_falls_over() {
    let journal: Vec<Vec<u8>> = simulation::journal(5).expect("a good seed");
    let (seconds, seed) = (number("FUZZ_SECONDS"), number("FUZZ_SEED").unwrap_or(1));
    let wanted = knob("FUZZ_TARGET");
    for (name, target) in TARGETS {
        if wanted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let corpus = corpus::of(name, &journal);
        corpus.iter().for_each(|right| target(right));
        let (clock, mut rng, mut inputs) = (Clock::start(), Rng::new(seed), 0_u64);
        let limit_ns = seconds.unwrap_or(1) * 1_000_000_000;
        while clock.mono_ns() < limit_ns {
            for _ in 0..INPUTS_BETWEEN_LOOKS {
                let input = mutate::mutated(&corpus, &mut rng);
                inputs += 1;
                if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                    let text = String::from_utf8_lossy(&input);
                    panic!("{name}, seed {seed}, input {inputs}: {input:?}\n{text}");
                }
            }
        }
        println!("{name}: {inputs} inputs in {:.1} s", clock.mono_ns() as f64 / 1e9);
    }
}

/// What `fuzz/run.sh` begins with: the same as the mutations here.
#[test]
#[ignore = "writes files; fuzz/run.sh runs it"]
fn the_seeds_of_guided_fuzzing_are_written() {
    let folder = std::path::PathBuf::from(knob("FUZZ_SEEDS").expect("FUZZ_SEEDS names a folder"));
    let journal: Vec<Vec<u8>> = simulation::journal(5).expect("a good seed");
    for (name, _) in TARGETS {
        let here = folder.join(name);
        std::fs::create_dir_all(&here).expect("a folder that can be written");
        for (number, bytes) in corpus::of(name, &journal).iter().enumerate() {
            std::fs::write(here.join(format!("seed-{number:04}")), bytes).expect("room");
        }
    }
}
