//! A scripted exchange day as three gatherers saw it, gatherers that serve it over real gRPC, and
//! the program as a process of its own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of the world")]

pub mod gatherer;
pub mod program;
pub mod script;

use std::time::Duration;

/// A generous limit for anything that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `done` says so.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let all = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "waited in vain: {what}");
}
