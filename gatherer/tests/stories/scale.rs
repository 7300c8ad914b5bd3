//! All of the exchange on one gatherer: a process of its own, so that what it weighs can be told.
//!
//! `cargo test -p gatherer --test stories twenty_thousand -- --ignored --nocapture`

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command},
    time::Duration,
};

use tokio::time::sleep;

use crate::harness::Venue;

const MARKETS: usize = 20_000;
/// What README promises.
const RSS_MAX_KIB: u64 = 128 << 10;
/// A round of polls takes three quarters of a minute within a quarter of the smallest account.
const WATCHED: Duration = Duration::from_secs(90);

/// Ends the program however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let killed = self.0.kill().and_then(|()| self.0.wait().map(drop));
        killed.unwrap_or_default();
    }
}

/// A figure of `/proc/PID/status` in KiB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes, for a figure: run it by the command above"]
async fn twenty_thousand_markets_fit() {
    let markets = MARKETS.to_string();
    let venue = Venue::open(&["--markets", &markets, "--rate", "2000"]).await;
    venue.tell("resume", "").await;
    let program = Command::new(env!("CARGO_BIN_EXE_kalshi-gatherer"))
        .args(venue.flags("east", &[]))
        .stdout(fs::File::create(venue.dir.path().join("log")).expect("a writable folder"))
        .spawn()
        .expect("it starts");
    let program = Running(program);
    venue.until_subscribed("all", |all| all.len() == MARKETS).await;
    let connections = venue.subscribed().await;
    let most = connections.values().map(BTreeSet::len).max().expect("some");
    println!("{MARKETS} markets on {} connections, at most {most} each", connections.len());
    sleep(WATCHED).await;
    let (now, peak) = (memory(program.0.id(), "VmRSS:"), memory(program.0.id(), "VmHWM:"));
    println!(
        "resident after {WATCHED:?} at 2000 deltas/s: {} MiB, peak {} MiB",
        now >> 10,
        peak >> 10
    );
    assert!(peak < RSS_MAX_KIB, "{peak} KiB");
}
