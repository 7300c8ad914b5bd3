//! What the numbers in journal records stand for: gatherers and markets.
//!
//! Names are journalled once; a sink that begins in the middle of the journal gets the earlier ones
//! from the recovered merge.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use merge::{GathererIndex, Merge, Record};
use schema::rows::Text;
use uuid::Uuid;

/// One market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Market {
    pub(crate) id: Uuid,
    pub(crate) ticker: Text,
}

/// The dictionaries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    gatherers: Vec<Text>,
    markets: HashMap<u32, Market>,
    /// Tickers of records that carry their own.
    shared: HashMap<String, Text>,
}

impl Names {
    /// Everything a recovered merge knows.
    pub(crate) fn known_to(merge: &Merge) -> Self {
        let gatherers = merge.totals().gatherers;
        let gatherers = gatherers.iter().map(|gatherer| gatherer.name.as_str().into()).collect();
        let market = |view: merge::MarketView<'_>| {
            (view.sid, Market { id: view.market_id, ticker: view.ticker.into() })
        };
        Self { gatherers, markets: merge.markets().map(market).collect(), ..Self::default() }
    }

    /// Takes in a record that names something; `false` for every other.
    pub(crate) fn learn(&mut self, record: &Record) -> anyhow::Result<bool> {
        match record {
            Record::Gatherer { index, name } => {
                let at = usize::from(index.0);
                match self.gatherers.get(at) {
                    Some(known) if **known == **name => {}
                    Some(known) => bail!("gatherer {at} is {known} and {name}"),
                    None if at == self.gatherers.len() => self.gatherers.push(name.as_str().into()),
                    None => {
                        bail!("gatherer {at} ({name}) is named before {}", self.gatherers.len())
                    }
                }
                Ok(true)
            }
            Record::Market { sid, market_id, ticker } => {
                let market = Market { id: *market_id, ticker: ticker.as_str().into() };
                self.markets.insert(*sid, market);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(crate) fn gatherer(&self, index: GathererIndex) -> anyhow::Result<Text> {
        let name = self.gatherers.get(usize::from(index.0));
        name.cloned().with_context(|| format!("gatherer {} was never named", index.0))
    }

    pub(crate) fn market(&self, sid: u32) -> anyhow::Result<&Market> {
        self.markets.get(&sid).with_context(|| format!("market {sid} was never named"))
    }

    /// A text that many rows share.
    pub(crate) fn share(&mut self, text: &str) -> Text {
        if let Some(shared) = self.shared.get(text) {
            return shared.clone();
        }
        let shared = Text::from(text);
        self.shared.insert(text.to_owned(), shared.clone());
        shared
    }
}
