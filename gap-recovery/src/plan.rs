//! Decides which questions about trades cover a set of spans with the fewest requests.
//!
//! A loss hits either one market or, when all sockets went, all of them over the same seconds. For
//! the first one asks by market; for the second it is far cheaper to ask once for everything.
//!
//! Pure: no exchange, no store.

use std::collections::HashMap;

use crate::hole::Hole;

/// Trades a page; the exchange gives no more.
pub(crate) const PAGE_TRADES: u32 = 1_000;
/// Trades a second over all markets, the mean that was seen on a busy day.
const ALL_MARKETS_PER_SECOND: i64 = 65;

/// A stretch of one market's time whose trades are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) ticker: String,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

impl Span {
    /// Where the trades of `hole` are looked for: those of its last moments were lost too, and clocks differ.
    pub(crate) fn around(hole: &Hole, margin_ms: i64) -> Self {
        Self {
            ticker: hole.ticker.clone(),
            from_ms: hole.from_ms.saturating_sub(margin_ms),
            to_ms: hole.to_ms.saturating_add(margin_ms),
        }
    }
}

/// Some spans and what to ask for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    /// `None`: all markets.
    pub(crate) ticker: Option<String>,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// Places in the list of spans.
    pub(crate) spans: Vec<usize>,
}

/// Every span is in exactly one question that covers it.
pub(crate) fn questions(spans: &[Span]) -> Vec<Question> {
    clusters(spans).into_iter().flat_map(|cluster| cheapest(spans, cluster)).collect()
}

/// Spans that overlap, directly or through others, by their places.
fn clusters(spans: &[Span]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&at| (spans[at].from_ms, spans[at].to_ms));
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    let mut end = i64::MIN;
    for at in order {
        match clusters.last_mut() {
            Some(cluster) if spans[at].from_ms <= end => cluster.push(at),
            _ => clusters.push(vec![at]),
        }
        end = end.max(spans[at].to_ms);
    }
    clusters
}

fn cheapest(spans: &[Span], cluster: Vec<usize>) -> Vec<Question> {
    let mut single: Vec<Question> = Vec::new();
    let mut newest: HashMap<&str, usize> = HashMap::new();
    for &at in &cluster {
        let span = &spans[at];
        let joined = newest.get(span.ticker.as_str()).map(|&place| &mut single[place]);
        match joined.filter(|question| span.from_ms <= question.to_ms) {
            Some(question) => {
                question.to_ms = question.to_ms.max(span.to_ms);
                question.spans.push(at);
            }
            None => {
                newest.insert(&span.ticker, single.len());
                single.push(Question {
                    ticker: Some(span.ticker.clone()),
                    from_ms: span.from_ms,
                    to_ms: span.to_ms,
                    spans: vec![at],
                });
            }
        }
    }
    let from_ms = cluster.iter().map(|&at| spans[at].from_ms).min().unwrap_or(0);
    let to_ms = cluster.iter().map(|&at| spans[at].to_ms).max().unwrap_or(0);
    let seconds = (to_ms - from_ms) / 1_000;
    let pages = 1 + seconds.saturating_mul(ALL_MARKETS_PER_SECOND) / i64::from(PAGE_TRADES);
    if i64::try_from(single.len()).is_ok_and(|each| each > pages) {
        return vec![Question { ticker: None, from_ms, to_ms, spans: cluster }];
    }
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(ticker: &str, from_s: i64, to_s: i64) -> Span {
        Span { ticker: ticker.to_owned(), from_ms: from_s * 1_000, to_ms: to_s * 1_000 }
    }

    #[test]
    fn trades_are_looked_for_around_a_hole_and_never_beyond_time() {
        let hole = crate::hole::tests::hole("A", 10, 20);
        assert_eq!(Span::around(&hole, 3_000), span("A", 7, 23));
        let endless = Hole { to_ms: i64::MAX, ..hole };
        assert_eq!(Span::around(&endless, 3_000).to_ms, i64::MAX);
    }

    #[test]
    fn one_market_is_asked_by_name_and_a_fleet_without_sockets_at_once() {
        let one = [span("A", 0, 100), span("A", 50, 200), span("A", 500, 600)];
        let asked = questions(&one);
        assert_eq!(asked.len(), 2);
        let first = Question {
            ticker: Some("A".to_owned()),
            from_ms: 0,
            to_ms: 200_000,
            spans: vec![0, 1],
        };
        assert_eq!(asked[0], first);
        let all: Vec<Span> = (0..500).map(|i| span(&format!("M{i}"), i % 7, 130)).collect();
        let asked = questions(&all);
        assert_eq!((asked.len(), asked[0].ticker.as_deref()), (1, None));
        assert_eq!((asked[0].from_ms, asked[0].to_ms, asked[0].spans.len()), (0, 130_000, 500));
        // A day of everything costs more than a day of three markets.
        let days: Vec<Span> = (0..3).map(|i| span(&format!("M{i}"), 0, 86_400)).collect();
        assert!(questions(&days).iter().all(|question| question.ticker.is_some()));
    }

    #[test]
    fn every_span_is_in_one_question_that_covers_it() {
        // A small generator with a fixed seed; which spans it makes does not matter, only that many
        // overlaps occur.
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from((random >> 33) % below).unwrap()
        };
        for _ in 0..200 {
            let spans: Vec<Span> = (0..next(40))
                .map(|_| {
                    let from = next(2_000);
                    span(&format!("M{}", next(6)), from, from + next(300))
                })
                .collect();
            let asked = questions(&spans);
            let mut seen = vec![0; spans.len()];
            for question in &asked {
                for &at in &question.spans {
                    seen[at] += 1;
                    let span = &spans[at];
                    assert!(question.ticker.as_ref().is_none_or(|ticker| *ticker == span.ticker));
                    assert!(question.from_ms <= span.from_ms && span.to_ms <= question.to_ms);
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "{spans:?}\n{asked:?}");
        }
    }
}
