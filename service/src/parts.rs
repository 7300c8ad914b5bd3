//! The parts of a program: started in one place, named, and waited for.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::task::{JoinError, JoinSet};

type Ended = (&'static str, anyhow::Result<()>);

/// The running parts. Dropping it aborts what still runs.
#[derive(Default)]
pub struct Parts {
    running: JoinSet<Ended>,
}

impl Parts {
    /// Starts `part` under `name`.
    pub fn start(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.spawn(async move { (name, part.await) });
    }

    /// Waits until some part ends. Before a stop was asked for, that is a failure unless the part
    /// says otherwise. With no parts it waits for ever.
    ///
    /// # Errors
    /// What the part failed with, or that it panicked.
    pub async fn first_end(&mut self) -> anyhow::Result<()> {
        match self.running.join_next().await {
            Some(ended) => outcome(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits for every part, at most `limit`; what still runs then is aborted and named as failure.
    ///
    /// # Errors
    /// The first failure among the parts, or that they did not end in time.
    pub async fn drain(mut self, limit: Duration) -> anyhow::Result<()> {
        let mut result = Ok(());
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                let ended = outcome(ended);
                if result.is_ok() {
                    result = ended;
                }
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            let left = self.running.len();
            return Err(anyhow!("{left} parts did not stop within {limit:?}"));
        }
        result
    }
}

fn outcome(ended: Result<Ended, JoinError>) -> anyhow::Result<()> {
    let (name, result) = ended.context("a part of the program panicked")?;
    result.with_context(|| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_will_not_stop_is_given_up_after_the_limit() {
        let mut parts = Parts::default();
        parts.start("stuck", std::future::pending());
        let error = parts.drain(Duration::from_millis(20)).await.unwrap_err();
        assert!(error.to_string().contains("1 parts did not stop"), "{error}");
    }

    #[tokio::test]
    async fn the_part_that_failed_is_named() {
        let mut parts = Parts::default();
        parts.start("keep", async { Err(anyhow!("disk full")) });
        let error = parts.first_end().await.unwrap_err();
        assert_eq!(format!("{error:#}"), "keep: disk full");
    }
}
