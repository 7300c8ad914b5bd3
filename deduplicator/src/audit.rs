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

use crate::book::surface::Past;
use crate::pipeline::{About, Question};
use crate::status::Status;

pub(crate) use polled::run as run_polled;
pub(crate) use tally::{Report, Tally};

/// At most ten markets a second: a subscription bears so many commands, and so does a small machine.
const PACE_MIN: Duration = Duration::from_millis(100);
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

/// Goes round until `stopping`.
pub(crate) async fn run(audit: Audit, stopping: CancellationToken) -> anyhow::Result<()> {
    let rounds = async {
        let (mut sid, mut turn) = (0, 0);
        loop {
            let markets = audit.status.borrow().totals.canonical.markets;
            tokio::time::sleep(pace(audit.every, markets)).await;
            audit.tally.forget_unanswered(audit.clock.mono_ns());
            if markets == 0 {
                continue;
            }
            sid += 1;
            if u64::from(sid) > markets {
                (sid, turn) = (1, turn + 1);
            }
            if audit.visit(sid, turn).await.is_none() {
                // The pipeline has ended: so will the program.
                return;
            }
        }
    };
    stopping.run_until_cancelled(rounds).await;
    Ok(())
}

/// The time between two markets.
fn pace(every: Duration, markets: u64) -> Duration {
    match u32::try_from(markets) {
        Ok(0) | Err(_) => IDLE,
        Ok(markets) => (every / markets).max(PACE_MIN),
    }
}

impl Audit {
    async fn visit(&self, sid: u32, turn: usize) -> Option<()> {
        let (answer, answered) = oneshot::channel();
        self.questions
            .send(Question::Compare { about: About::Sid(sid), turn, answer })
            .await
            .ok()?;
        answered.await.ok()?;
        if let Some(past) = &self.past {
            self.compare_store(past, sid).await?;
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
    }
}
