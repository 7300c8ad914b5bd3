//! What ClickHouse holds against what the merge holds: the events up to its last number must make
//! its book, and `latest_levels` must be the book of the newest number in it.

use std::time::Duration;

use clickhouse::error::Error;
use exchange::{Book, Level, Price, Side};
use schema::rows::{self, LatestLevel};

use super::Audit;
use crate::book::Held;
use crate::book::stored::{book, book_at_seq};
use crate::book::surface::Past;
use crate::pipeline::Question;

/// Before a difference is believed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is wrong with a market's `latest_levels`.
struct Difference {
    /// Rows with a number that no event of ours has.
    foreign: Vec<LatestLevel>,
    /// Where something rests and nothing should.
    surplus: Vec<(Side, Price)>,
}

impl Audit {
    /// Compares markets, as they were held a moment ago.
    pub(super) async fn compare_store(&self, past: &Past, markets: Vec<(u32, Held)>) {
        if markets.is_empty() || !past.stored().await {
            return;
        }
        for (sid, held) in markets.into_iter().filter(|(_, held)| held.seq > 0) {
            let compared = async {
                self.compare_events(past, sid, &held).await?;
                self.compare_latest(past, sid, &held).await
            };
            if let Err(error) = compared.await {
                let (error, market) = (format!("{:#}", anyhow::Error::new(error)), held.ticker);
                tracing::warn!(component = "audit", event = "audit_failed", error, market);
            }
        }
    }

    async fn compare_events(&self, past: &Past, sid: u32, held: &Held) -> Result<(), Error> {
        let stored = book_at_seq(past.store.client(), &held.ticker, held.seq).await?;
        self.tally.events.checked("events");
        if stored.as_ref() != Some(&held.book) {
            let what = "orderbook_events make another book than the merge holds";
            self.tally.events.differs("events", &held.ticker, what);
            self.repeat(sid, Vec::new()).await;
        }
        Ok(())
    }

    async fn compare_latest(&self, past: &Past, sid: u32, held: &Held) -> Result<(), Error> {
        let ticker = &*held.ticker;
        let mut found = self.latest_difference(past, sid, held).await?;
        if found.is_some() && past.stored().await {
            // A batch that the server took in pieces is whole by now.
            tokio::time::sleep(LOOK_AGAIN).await;
            found = self.latest_difference(past, sid, held).await?;
        }
        self.tally.latest_levels.checked("latest_levels");
        let Some(difference) = found else { return Ok(()) };
        let what = "latest_levels hold another book than the events make";
        self.tally.latest_levels.differs("latest_levels", ticker, what);
        for level in &difference.foreign {
            remove(past, level).await?;
        }
        self.repeat(sid, difference.surplus).await;
        Ok(())
    }

    /// `stored`: what was held before everything was stored; rows older than it that are missing show.
    async fn latest_difference(
        &self,
        past: &Past,
        sid: u32,
        stored: &Held,
    ) -> Result<Option<Difference>, Error> {
        let ticker = &*stored.ticker;
        let client = past.store.client();
        let latest: Vec<LatestLevel> = client
            .query("SELECT ?fields FROM latest_levels FINAL WHERE market_ticker = ?")
            .bind(ticker)
            .fetch_all()
            .await?;
        // Asked after the rows were read: no row of ours is newer.
        let Some(Some(held)) = self.held(sid).await else { return Ok(None) };
        let resting = latest.iter().filter(|level| level.size.0 > 0);
        let found = book(resting.map(|level| (level.side, level.price, level.size)));
        let (ours, foreign): (Vec<_>, Vec<_>) =
            latest.into_iter().partition(|level| level.seq <= held.seq);
        let newest = ours.iter().map(|level| level.seq).max().unwrap_or(0).max(stored.seq);
        let expected = book_at_seq(client, ticker, newest).await?.unwrap_or_default();
        let is_right = found == expected && foreign.is_empty();
        let surplus = places(&found, &expected);
        Ok((!is_right).then_some(Difference { foreign, surplus }))
    }

    async fn repeat(&self, sid: u32, gone: Vec<(Side, Price)>) {
        // A pipeline that has ended is noticed by the next question.
        self.questions.send(Question::Repeat { sid, gone }).await.unwrap_or_default();
    }
}

/// A row with a number that no event of ours has would outlive every later one.
async fn remove(past: &Past, level: &LatestLevel) -> Result<(), Error> {
    let side = match level.side {
        rows::Side::Yes => "yes",
        rows::Side::No => "no",
    };
    past.store
        .client()
        .query(
            "DELETE FROM latest_levels WHERE market_ticker = ? AND side = ? \
             AND toInt64(price * 10000) = ? AND seq = ?",
        )
        .bind(&*level.market_ticker)
        .bind(side)
        .bind(level.price.0)
        .bind(level.seq)
        .execute()
        .await
}

/// Where the one holds something and the other nothing.
fn places(found: &Book, expected: &Book) -> Vec<(Side, Price)> {
    let mut places = Vec::new();
    for side in [Side::Yes, Side::No] {
        let surplus = |level: &&Level| expected.size_at(side, level.price).units() == 0;
        let levels = found.levels(side).iter().filter(surplus);
        places.extend(levels.map(|level| (side, level.price)));
    }
    places
}
