//! All trades that the exchange gives for a question, page after page.
//!
//! The live list is read to its end before the archive's is begun: trades move from the first to the
//! second, never back, so one that moves meanwhile is still met.

use exchange::rest::{RestTrade, TradesQuery};

use crate::plan::{PAGE_TRADES, Question};
use crate::rest::{AskError, Exchange, List};

/// The pages of both lists.
pub(crate) struct Pages<'a> {
    exchange: &'a Exchange,
    question: &'a Question,
    list: Option<List>,
    cursor: Option<String>,
}

impl<'a> Pages<'a> {
    pub(crate) fn of(exchange: &'a Exchange, question: &'a Question) -> Self {
        Self { exchange, question, list: Some(List::Live), cursor: None }
    }

    /// The next page, within the question's span; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RestTrade>>, AskError> {
        let Some(list) = self.list else { return Ok(None) };
        let Question { ticker, from_ms, to_ms, .. } = self.question;
        let query = TradesQuery {
            ticker: ticker.as_deref(),
            // Whole seconds, and whether the bounds belong to the span is not told: one more each way.
            min_ts: Some(from_ms.div_euclid(1_000) - 1),
            max_ts: Some(to_ms.div_euclid(1_000) + 2),
            limit: Some(PAGE_TRADES),
            cursor: self.cursor.as_deref(),
        };
        let page = self.exchange.trades(list, &query).await?;
        if page.cursor.is_some() && page.cursor == self.cursor {
            let url = format!("{list:?} trades of {}", ticker.as_deref().unwrap_or("all markets"));
            return Err(AskError::Circle { url });
        }
        self.cursor = page.cursor;
        if self.cursor.is_none() {
            self.list = match list {
                List::Live => Some(List::Historical),
                List::Historical => None,
            };
        }
        let within = |trade: &RestTrade| (*from_ms..=*to_ms).contains(&trade.created_ms);
        Ok(Some(page.trades.into_iter().filter(within).collect()))
    }
}
