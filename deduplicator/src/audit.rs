//! The audit of the record: round after round, every followed market is compared with what it
//! should be, at a bounded rate.
//!
//! - `get_snapshot`: the exchange shows the book on one of the lanes; the merge compares at equal clock.
//! - `events`, `latest_levels`: what ClickHouse holds is compared with the merge's book (`store`).
//! - `rest`: books that gatherers polled over REST are looked for in the record (`polled`).
//!
//! A difference is a metric, a log line with the market's name, and it heals: the merge replaces a
//! refuted book by the exchange's, and a store's book is written once more.

mod polled;
mod store;
mod tally;

use std::time::Duration;

use service::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::book::Held;
use crate::book::surface::Past;
use crate::pipeline::{About, Question};
use crate::status::Status;

pub(crate) use polled::run as run_polled;
pub(crate) use tally::{Report, Tally};

/// At most five markets a second: a subscription bears so many, and so does a small machine.
const PACE_MIN: Duration = Duration::from_millis(200);
/// Markets are looked at in groups: what the store lacks is waited for once a group.
const GROUP: Duration = Duration::from_secs(5);
/// When there is no market yet.
const IDLE: Duration = Duration::from_secs(1);

/// What the rounds need.
pub(crate) struct Audit {
    pub(crate) every: Duration,
    pub(crate) questions: mpsc::Sender<Question>,
    /// `None`: there is no ClickHouse.
    pub(crate) past: Option<Past>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) tally: std::sync::Arc<Tally>,
    pub(crate) clock: Clock,
}

/// Where a round is.
#[derive(Default)]
struct Round {
    /// The last canonical stream looked at.
    sid: u32,
    /// How many rounds were made.
    turn: usize,
}

/// Goes round until `stopping`.
pub(crate) async fn run(audit: Audit, stopping: CancellationToken) -> anyhow::Result<()> {
    let rounds = async {
        let mut round = Round::default();
        loop {
            let pace = pace(audit.every, audit.followed());
            let group = group(pace).min(audit.followed().max(1));
            tokio::time::sleep(pace * group).await;
            audit.tally.forget_unanswered(audit.clock.mono_ns());
            let Some(markets) = audit.next(&mut round, group as usize).await else { return };
            if audit.visit(markets, round.turn).await.is_none() {
                return;
            }
        }
    };
    // If the rounds end by themselves, the pipeline has ended, and so will the program.
    stopping.run_until_cancelled(rounds).await;
    Ok(())
}

/// The time between two markets.
fn pace(every: Duration, markets: u32) -> Duration {
    match markets {
        0 => IDLE,
        markets => (every / markets).max(PACE_MIN),
    }
}

/// How many markets are looked at together.
fn group(pace: Duration) -> u32 {
    (GROUP.as_millis() / pace.as_millis().max(1)).clamp(1, 25) as u32
}

impl Audit {
    /// Markets that are followed now; settled ones stay in the record and are not looked at.
    fn followed(&self) -> u32 {
        let status = self.status.borrow();
        let covered = status.totals.gatherers.iter().map(|gatherer| gatherer.markets_covered);
        u32::try_from(covered.max().unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// The next followed markets, none beyond the end of the round. `None`: the pipeline has ended.
    async fn next(&self, round: &mut Round, group: usize) -> Option<Vec<(u32, Held)>> {
        let all = self.status.borrow().totals.canonical.markets;
        let mut markets = Vec::new();
        while markets.len() < group {
            if u64::from(round.sid) >= all {
                (round.sid, round.turn) = (0, round.turn + 1);
                break;
            }
            round.sid += 1;
            let held = self.held(round.sid).await?;
            markets.extend(held.filter(|held| held.covered).map(|held| (round.sid, held)));
        }
        Some(markets)
    }

    async fn held(&self, sid: u32) -> Option<Option<Held>> {
        let (answer, answered) = oneshot::channel();
        let question = Question::Book { about: About::Sid(sid), answer };
        self.questions.send(question).await.ok()?;
        answered.await.ok()
    }

    /// Looks at some markets. `None`: the pipeline has ended.
    async fn visit(&self, markets: Vec<(u32, Held)>, turn: usize) -> Option<()> {
        for (sid, _) in &markets {
            let (answer, answered) = oneshot::channel();
            let question = Question::Compare { about: About::Sid(*sid), turn, answer };
            self.questions.send(question).await.ok()?;
            answered.await.ok()?;
        }
        if let Some(past) = &self.past {
            self.compare_store(past, markets).await;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_its_time_and_never_hurries() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(pace(hour, 3_600), Duration::from_secs(1));
        assert_eq!(pace(hour, 100_000), PACE_MIN);
        assert_eq!(pace(hour, 0), IDLE);
        assert_eq!(group(Duration::from_secs(1)), 5);
        assert_eq!(group(PACE_MIN), 25);
        assert_eq!(group(hour), 1);
    }
}
