//! Markets that were open and that the exchange lists no longer: how did they end? It is asked about them by name, and
//! about those that it settled long ago in its archive, one by one.

use std::collections::{BTreeSet, HashSet};

use catalog::{Changes, MarketFilter, MarketMeta};
use exchange::rest::request::{self, MarketsQuery};
use exchange::rest::{market_metadata, markets_metadata};

use super::{Metadata, PAGE_MAX, add, market, told_page};

/// Tickers asked about in one request: the URL stays under 8 KB.
const ASKED_MAX: usize = 100;
/// Markets asked about by name in one round; the next round goes on behind them.
const LEFT_MAX: usize = 5_000;
/// Of those, asked about in the archive: a request each.
const ARCHIVED_MAX: usize = 300;
/// Statuses that do not last. A lifecycle message tells of their end too, but nobody may have heard it.
const UNSETTLED: [&str; 7] =
    ["active", "inactive", "closed", "disputed", "determined", "amended", "initialized"];

impl Metadata {
    /// Asks how markets ended that are not among the open ones.
    pub(super) async fn ends(&self, open: &HashSet<String>, round: u64) -> anyhow::Result<Changes> {
        let left = self.left(open).await?;
        let asked = turn(&left, LEFT_MAX, round);
        let (mut all, found) = self.named(&asked).await?;
        let silent: Vec<String> =
            asked.iter().filter(|ticker| !found.contains(*ticker)).cloned().collect();
        let (mut archived, mut unknown) = (0, 0);
        for ticker in turn(&silent, ARCHIVED_MAX, round) {
            match self.rest.find(&request::historical_market(&ticker)).await? {
                Some(body) => {
                    archived += 1;
                    let ended = [market(market_metadata(&body)?)];
                    add(&mut all, self.catalog.upsert_markets(&ended, self.now_ms()).await?);
                }
                None => unknown += 1,
            }
        }
        if left.len() > asked.len() || !silent.is_empty() {
            let (left, asked) = (left.len(), asked.len());
            tracing::info!(
                component = "metadata",
                event = "metadata_left",
                left,
                asked,
                archived,
                unknown,
                "markets left the list of open ones; the rest is asked about in the next rounds"
            );
        }
        Ok(all)
    }

    /// Markets that the exchange does not list as open and that have not come to their end, as far as the catalog knows.
    async fn left(&self, open: &HashSet<String>) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for status in UNSETTLED {
            let status = Some(status.to_owned());
            let mut filter = MarketFilter { status, ..MarketFilter::default() };
            loop {
                let page = self.catalog.markets(&filter).await?;
                let Some(last) = page.last() else { break };
                filter.after.clone_from(&last.stored.meta.ticker);
                let tickers = page.into_iter().map(|market| market.stored.meta.ticker);
                left.extend(tickers.filter(|ticker| !open.contains(ticker)));
            }
        }
        Ok(left)
    }

    /// Asks about markets by name; which of them the exchange knows.
    pub(super) async fn named(
        &self,
        tickers: &[String],
    ) -> anyhow::Result<(Changes, BTreeSet<String>)> {
        let (mut all, mut found) = (Changes::default(), BTreeSet::new());
        for chunk in tickers.chunks(ASKED_MAX) {
            let limit = Some(PAGE_MAX);
            let asked =
                request::markets(&MarketsQuery { tickers: chunk, limit, ..Default::default() });
            let page = told_page(markets_metadata(&self.rest.get(&asked).await?))?;
            let markets: Vec<MarketMeta> = page.items.into_iter().map(market).collect();
            found.extend(markets.iter().map(|market| market.ticker.clone()));
            add(&mut all, self.catalog.upsert_markets(&markets, self.now_ms()).await?);
        }
        Ok((all, found))
    }
}

/// So many of a list; round by round others, until all had their turn.
fn turn(list: &[String], most: usize, round: u64) -> Vec<String> {
    if list.len() <= most {
        return list.to_vec();
    }
    let from = (round as usize).wrapping_mul(most) % list.len();
    list.iter().cycle().skip(from).take(most).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn() {
        let list: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(turn(&list, 7, 3), list);
        let all: BTreeSet<String> = (0..3).flat_map(|round| turn(&list, 3, round)).collect();
        assert_eq!(all.len(), 7);
        assert_eq!(turn(&list, 3, 2), ["6", "0", "1"]);
    }
}
