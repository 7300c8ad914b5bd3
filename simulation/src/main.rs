//! `cargo run -p simulation -- --seeds 0..1000`: a swarm of seeds; prints how many, how fast, and what
//! they reached. A failing seed is printed and the exit code is 1; `--seeds 7..8` runs it again.

use std::io::{self, Write as _};
use std::process::ExitCode;

use service::clock::Clock;
use simulation::Counts;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seeds = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(0..1_000),
        ["--seeds", text] => range(text),
        _ => None,
    };
    let Some(seeds) = seeds else {
        writeln!(io::stderr(), "usage: simulation [--seeds FROM..TO]").unwrap_or_default();
        return ExitCode::from(64);
    };
    let clock = Clock::start();
    let (mut all, mut failed) = (Counts::default(), 0_u64);
    let count = seeds.end.saturating_sub(seeds.start);
    for seed in seeds {
        match simulation::run(seed) {
            Ok(outcome) => all.add(&outcome.counts),
            Err(wrong) => {
                failed += 1;
                writeln!(io::stdout(), "seed {seed}: {wrong}").unwrap_or_default();
            }
        }
    }
    let seconds = clock.mono_ns() as f64 / 1e9;
    let rate = count as f64 / seconds;
    let line =
        format!("{count} seeds in {seconds:.1} s ({rate:.0} a second), {failed} failed\n{all:#?}");
    writeln!(io::stdout(), "{line}").unwrap_or_default();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn range(text: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}
