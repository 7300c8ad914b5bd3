//! The places at work: counts how often each was passed, and does what was ordered.

use std::fs;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::plan::{Action, Order, orders};

const CLOCK_EVERY: Duration = Duration::from_millis(20);

/// A place at which a test may end or hold the process.
pub fn hit(name: &'static str) {
    // A place where nothing can fail ignores that it should.
    fails(name).unwrap_or_default();
}

/// A place at which a test may let an operation fail.
///
/// # Errors
/// What was ordered.
pub fn fails(name: &'static str) -> io::Result<()> {
    for (order, passed) in plan().iter().filter(|(order, _)| order.name == name) {
        let nth = passed.fetch_add(1, Ordering::SeqCst) + 1;
        match order.at(nth) {
            None => {}
            Some(Action::Kill) => {
                say(&format!("failpoint {name}: killed at {nth}"));
                // Nothing after this runs: no destructor, no flush.
                kill(Pid::this(), Signal::SIGKILL).unwrap_or_default();
            }
            Some(Action::Hold(time)) => {
                say(&format!("failpoint {name}: held at {nth}"));
                thread::sleep(time);
            }
            Some(Action::Fail(errno)) => {
                say(&format!("failpoint {name}: fails at {nth}"));
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
    }
    Ok(())
}

/// What a test adds to the wall clock.
pub fn wall_offset_ns() -> i64 {
    static OFFSET: OnceLock<Option<Arc<AtomicI64>>> = OnceLock::new();
    OFFSET.get_or_init(watch_clock_file).as_ref().map_or(0, |offset| offset.load(Ordering::Relaxed))
}

fn plan() -> &'static [(Order, AtomicU64)] {
    static PLAN: OnceLock<Vec<(Order, AtomicU64)>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = std::env::var_os("FAILPOINTS").unwrap_or_default();
        match orders(&text.to_string_lossy()) {
            Ok(orders) => orders.into_iter().map(|order| (order, AtomicU64::new(0))).collect(),
            // A test with a wrong order must not pass for want of its fault.
            Err(wrong) => {
                say(&format!("FAILPOINTS: {wrong}"));
                std::process::abort()
            }
        }
    })
}

/// Read beside, because the clock is asked a million times a second.
fn watch_clock_file() -> Option<Arc<AtomicI64>> {
    let path = std::env::var_os("FAILPOINT_CLOCK")?;
    let offset = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&offset);
    let read = move || {
        let ms = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<i64>().ok());
        if let Some(ms) = ms {
            shown.store(ms.saturating_mul(1_000_000), Ordering::Relaxed);
        }
    };
    read();
    let watching = thread::Builder::new().name("failpoint-clock".to_owned()).spawn(move || {
        loop {
            thread::sleep(CLOCK_EVERY);
            read();
        }
    });
    watching.ok().map(|_| offset)
}

fn say(line: &str) {
    writeln!(io::stderr().lock(), "{line}").unwrap_or_default();
}
