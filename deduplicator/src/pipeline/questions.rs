//! What others ask of the merge: a book as it stands, a comparison with the exchange, a repetition.

use exchange::{Price, Side};
use merge::{GathererIndex, MarketView, Source};
use tokio::sync::oneshot;

use super::Pipeline;
use crate::book::Held;
use crate::telemetry;

/// Questions about books. Policy wait: who asks waits.
pub(crate) const QUESTIONS_MAX: usize = 16;

/// Which market.
pub(crate) enum About {
    Ticker(String),
    /// The canonical stream.
    Sid(u32),
}

/// What is asked.
pub(crate) enum Question {
    /// The book of a market as it stands.
    Book { about: About, answer: oneshot::Sender<Option<Held>> },
    /// That the exchange shows the market's book again (`get_snapshot`) on one of the lanes that
    /// cover it, a different one each `turn`; the merge compares it with ours at equal clock. Says
    /// whether a lane was asked.
    Compare { about: About, turn: usize, answer: oneshot::Sender<bool> },
    /// That the market's book is written once more, with tombstones for levels that a store holds
    /// and the book does not.
    Repeat { sid: u32, gone: Vec<(Side, Price)> },
}

impl Pipeline {
    pub(super) fn answer(&mut self, question: Question) {
        match question {
            Question::Book { about, answer } => {
                let held = self.about(about).as_ref().map(Held::of);
                // Who asked may have gone meanwhile.
                drop(answer.send(held));
            }
            Question::Compare { about, turn, answer } => {
                answer.send(self.compare(about, turn)).unwrap_or_default();
            }
            Question::Repeat { sid, gone } => {
                self.merge.repeat_book(sid, gone, self.clock.wall_ns());
            }
        }
    }

    fn about(&self, about: About) -> Option<MarketView<'_>> {
        match about {
            About::Sid(sid) => self.merge.market(sid),
            About::Ticker(ticker) => self.merge.markets().find(|market| market.ticker == ticker),
        }
    }

    fn compare(&mut self, about: About, turn: usize) -> bool {
        let Some(market) = self.about(about) else { return false };
        let sources = market.sources();
        let Some(&source) = sources.get(turn % sources.len().max(1)) else { return false };
        let ticker = Box::<str>::from(market.ticker);
        let asked = self.refresh(source, ticker.clone());
        if asked {
            self.ends.audit.asked(source, ticker, self.clock.mono_ns());
        }
        asked
    }

    /// Asks a gatherer for a fresh snapshot; `false`: its queue is full, or it is no longer ours.
    pub(super) fn refresh(&self, source: Source, market_ticker: Box<str>) -> bool {
        let name = self.name(source.gatherer);
        let sent =
            self.ends.refreshes.get(name).is_some_and(|refreshes| {
                refreshes.try_send((source.session, market_ticker)).is_ok()
            });
        if !sent {
            telemetry::refresh_shed(name);
        }
        sent
    }

    pub(super) fn name(&self, gatherer: GathererIndex) -> &str {
        &self.streams[usize::from(gatherer.0)].name
    }
}
