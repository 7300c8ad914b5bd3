//! Damages one gatherer at a time, by a seeded schedule, and lets it recover before the next.

use std::time::Duration;

use anyhow::bail;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::fleet::Fleet;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// A killed gatherer is back within a few seconds; a cut socket after one backoff.
const RECOVERED_MAX: Duration = Duration::from_secs(90);
/// Calm between two damages, in milliseconds.
const CALM_MS: std::ops::Range<u64> = 500..2_500;

/// What can be done to a gatherer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// Its process is ended as by a power cut, and started again.
    Kill,
    /// Its sockets are closed, with or without a close frame.
    Cut {
        /// Whether there is a close frame.
        close: bool,
    },
    /// Frames never arrive.
    Drop(u32),
    /// Frames arrive twice.
    Repeat(u32),
    /// Frames arrive damaged.
    Corrupt(u32),
    /// Nothing arrives for a while, then all of it.
    Stall {
        /// How long.
        seconds: u32,
    },
}

/// The schedule and what was done so far.
#[derive(Debug)]
pub struct Chaos {
    random: ChaCha8Rng,
    next: usize,
    killed: Vec<String>,
    done: u64,
}

impl Chaos {
    /// The schedule of `seed`.
    pub fn new(seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { random, next: 0, killed: Vec::new(), done: 0 }
    }

    /// How many damages were done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Who was killed at least once.
    pub fn killed(&self) -> &[String] {
        &self.killed
    }

    /// How long to wait before the next damage.
    pub fn calm(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(CALM_MS))
    }

    /// Which gatherer is damaged next, and how. Every kind comes once in six; who, in turn.
    pub fn pick(&mut self, gatherers: usize) -> (usize, Damage) {
        let who = self.next % gatherers;
        self.next += 1;
        let frames = self.random.random_range(1..40);
        let damage = match self.random.random_range(0..6) {
            0 => Damage::Kill,
            1 => Damage::Cut { close: self.random.random_bool(0.5) },
            2 => Damage::Drop(frames),
            3 => Damage::Repeat(frames),
            4 => Damage::Corrupt(frames),
            _ => Damage::Stall { seconds: self.random.random_range(1..4) },
        };
        (who, damage)
    }

    /// Does it.
    ///
    /// # Errors
    /// When the gatherer does not come back, or the simulator refuses.
    pub async fn damage(
        &mut self,
        fleet: &mut Fleet,
        who: usize,
        damage: Damage,
    ) -> anyhow::Result<()> {
        self.done += 1;
        if damage == Damage::Kill {
            self.killed.push(fleet.gatherers[who].name.clone());
            return fleet.gatherers[who].kill_and_restart().await;
        }
        let sim = fleet.sim()?;
        let connection = sim.connections_of(&fleet.gatherers[who].name)?;
        let order = match damage {
            Damage::Kill | Damage::Cut { .. } => {
                let close = damage == Damage::Cut { close: true };
                json!({"kind": "cut", "connection": connection, "close": close})
            }
            Damage::Drop(frames) => {
                json!({"kind": "drop", "connection": connection, "frames": frames})
            }
            Damage::Repeat(frames) => {
                json!({"kind": "repeat", "connection": connection, "frames": frames})
            }
            Damage::Corrupt(frames) => {
                json!({"kind": "corrupt", "connection": connection, "frames": frames})
            }
            Damage::Stall { seconds } => {
                json!({"kind": "stall", "connection": connection, "seconds": seconds})
            }
        };
        sim.fault(&order).await.map(drop)
    }
}

/// Waits until every lane of every gatherer is whole again.
///
/// # Errors
/// What is still broken at the limit, or a program that has ended.
pub async fn recovered(fleet: &mut Fleet) -> anyhow::Result<()> {
    let mut broken = String::new();
    let mut whole_before = false;
    for _ in 0..RECOVERED_MAX.as_millis() / LOOK_AGAIN.as_millis() {
        fleet.check_alive()?;
        tokio::time::sleep(LOOK_AGAIN).await;
        match what_is_broken(fleet).await {
            Some(what) => (broken, whole_before) = (what, false),
            // Twice: between a damage and its discovery everything looks whole.
            None if whole_before => return Ok(()),
            None => whole_before = true,
        }
    }
    bail!("not recovered after {RECOVERED_MAX:?}: {broken}")
}

async fn what_is_broken(fleet: &Fleet) -> Option<String> {
    let merged = match fleet.deduplicator.health().await {
        Ok(health) => health,
        Err(error) => return Some(format!("{error:#}")),
    };
    for gatherer in &fleet.gatherers {
        let name = &gatherer.name;
        let health = match gatherer.health().await {
            Ok(health) => health,
            Err(error) => return Some(format!("{error:#}")),
        };
        let connections = health.list("/connections");
        if connections.is_empty() || connections.iter().any(|c| c["connected"] != true) {
            return Some(format!("a connection of {name} is down"));
        }
        let of = |what: &str| format!("/gatherers/{name}/{what}");
        if merged.at(&of("connected")) != true {
            return Some(format!("the deduplicator does not follow {name}"));
        }
        let (lanes, broken) = (merged.count(&of("lanes_live")), merged.count(&of("lanes_broken")));
        if lanes == 0 || broken > 0 {
            return Some(format!("{name} has {lanes} live lanes and {broken} broken ones"));
        }
        if merged.measure(&of("lag_seconds")).is_some_and(|lag| lag > 1.0) {
            return Some(format!("the deduplicator is behind {name}"));
        }
    }
    None
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kill => write!(f, "kill -9 and restart"),
            Self::Cut { close: true } => write!(f, "sockets closed"),
            Self::Cut { close: false } => write!(f, "sockets cut"),
            Self::Drop(frames) => write!(f, "{frames} frames dropped"),
            Self::Repeat(frames) => write!(f, "{frames} frames repeated"),
            Self::Corrupt(frames) => write!(f, "{frames} frames corrupted"),
            Self::Stall { seconds } => write!(f, "{seconds} s stall"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_everybody_has_a_turn() {
        let schedule = |seed| {
            let mut chaos = Chaos::new(seed);
            (0..60).map(|_| chaos.pick(3)).collect::<Vec<_>>()
        };
        assert_eq!(schedule(5), schedule(5));
        assert_ne!(schedule(5), schedule(6));
        let picked = schedule(5);
        assert!((0..3).all(|who| picked.iter().filter(|(w, _)| *w == who).count() == 20));
        assert!(picked.iter().any(|(_, damage)| *damage == Damage::Kill));
    }
}
