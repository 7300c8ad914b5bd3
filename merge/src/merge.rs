//! The merge as its caller sees it: inputs in, outputs out, time as an argument.

use std::collections::VecDeque;

use exchange::Moment;
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    input::{GathererIndex, Input},
    minutes::{LaneMinute, Minutes},
    output::Output,
    record::Record,
    totals::{GathererTotals, Totals},
    view::MarketView,
};

/// The merge of all lanes of all gatherers. Its serialised form is a checkpoint.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Merge {
    config: Config,
    gatherers: Vec<GathererTotals>,
    minutes: Minutes,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Merge {
    /// An empty merge.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            gatherers: Vec::new(),
            minutes: Minutes::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Replaces the waits and bounds, after a checkpoint was read.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// The number of a gatherer. A new name emits `Record::Gatherer`; every name given here is
    /// waited for in decisions about starts and holes.
    pub fn gatherer(&mut self, name: &str) -> GathererIndex {
        let known = self.gatherers.iter().position(|gatherer| gatherer.name == name);
        let index = GathererIndex(known.unwrap_or(self.gatherers.len()) as u8);
        if known.is_none() {
            let named = GathererTotals { name: name.to_owned(), ..GathererTotals::default() };
            self.gatherers.push(named);
            let record = Record::Gatherer { index, name: name.to_owned() };
            self.outputs.push_back(Output::Record(record));
        }
        index
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: Input<'_>, _now: Moment) {
        if let Input::Frame { source, .. } = input {
            self.gatherers[source.gatherer.0 as usize].frames += 1;
        }
    }

    /// Decides what waited until `now`.
    pub fn handle_timeout(&mut self, _now: Moment) {}

    /// When `handle_timeout` wants to be called next.
    pub fn next_timeout(&self) -> Option<Moment> {
        None
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Replays a record that the journal holds after the checkpoint; emits nothing.
    pub fn apply(&mut self, _record: &Record) {}

    /// Ends the replay; must also be called after a checkpoint was read with nothing to replay,
    /// because moments of the former process mean nothing in this one.
    pub fn resumed(&mut self, _now: Moment) {}

    /// The accounts of all minutes before `before_minute` (Unix minutes), forgotten here.
    pub fn close_minutes(&mut self, before_minute: i64) -> Vec<LaneMinute> {
        self.minutes.close(before_minute)
    }

    /// Every market seen, by canonical sid.
    pub fn markets(&self) -> impl Iterator<Item = MarketView<'_>> {
        std::iter::empty()
    }

    /// One market.
    pub fn market(&self, sid: u32) -> Option<MarketView<'_>> {
        self.markets().find(|market| market.sid == sid)
    }

    /// All counters.
    pub fn totals(&self) -> Totals {
        Totals { gatherers: self.gatherers.clone(), ..Totals::default() }
    }
}
