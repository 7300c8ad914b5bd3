//! The one owner of the merge and of the journal: events in, records out, checkpoints, acks.
//!
//! It decides nothing about the feed: that is `merge`'s.

mod captures;
mod polled;
mod saving;

pub(crate) use polled::Polled;
pub(crate) use saving::accounts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use exchange::{Moment, Side};
use merge::{GathererIndex, Input, Merge, Output, Record};
use proto::Position;
use service::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use crate::book::Book;
use crate::ingest::{Event, Refresh};
use crate::journal::Journal;
use crate::recover::Recovered;
use crate::status::{PipelineView, StreamView};
use crate::telemetry;
use saving::Saving;

const MINUTE_NS: i64 = 60_000_000_000;
/// How often the pipeline shows itself.
const SHOW_EVERY: Duration = Duration::from_millis(250);
/// Questions about books. Policy wait: the asking HTTP request waits.
pub(crate) const QUESTIONS_MAX: usize = 16;

/// Asks for the book of a market as it stands.
pub(crate) struct Question {
    pub(crate) ticker: String,
    pub(crate) answer: oneshot::Sender<Option<Book>>,
}

/// The ends of the pipeline's queues.
pub(crate) struct Ends {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) questions: mpsc::Receiver<Question>,
    /// By name; a gatherer that is no longer configured has none.
    pub(crate) acks: BTreeMap<String, watch::Sender<Option<Position>>>,
    pub(crate) refreshes: BTreeMap<String, mpsc::Sender<Refresh>>,
    pub(crate) view: watch::Sender<PipelineView>,
    /// Below this, no restart needs the journal.
    pub(crate) restart_from: watch::Sender<Option<spool::Position>>,
}

/// The pipeline.
pub(crate) struct Pipeline {
    merge: Merge,
    journal: Journal,
    clock: Clock,
    ends: Ends,
    streams: Vec<StreamView>,
    polled: Polled,
    saving: Saving,
    show_at: Moment,
    checkpoint_every: Duration,
    checkpoint_at: Moment,
}

impl Pipeline {
    pub(crate) fn new(
        recovered: Recovered,
        journal: Journal,
        ends: Ends,
        checkpoints: PathBuf,
        checkpoint_every: Duration,
        clock: Clock,
    ) -> Self {
        let Recovered { merge, positions, number, newest, polled, .. } = recovered;
        let named = merge.totals().gatherers;
        let streams = named
            .into_iter()
            .map(|gatherer| StreamView {
                next: positions.get(&gatherer.name).copied(),
                name: gatherer.name,
                ..StreamView::default()
            })
            .collect();
        let now = Moment::from_nanos(clock.mono_ns());
        Self {
            merge,
            saving: Saving::new(checkpoints, journal.log().clone(), number, newest),
            journal,
            clock,
            ends,
            streams,
            polled,
            show_at: now,
            checkpoint_every,
            checkpoint_at: now.plus(checkpoint_every),
        }
    }

    /// Works until every ingest has ended, then leaves a whole checkpoint behind. `owed` are records
    /// that recovery found missing in the journal.
    pub(crate) async fn run(mut self, owed: Vec<Record>) -> anyhow::Result<()> {
        for record in &owed {
            self.journal.append(record).await?;
        }
        self.carry_out().await?;
        loop {
            let wait = self.until_due();
            tokio::select! {
                event = self.ends.events.recv() => match event {
                    Some(event) => self.take(&event),
                    None => break,
                },
                stored = self.saving.stored() => self.saved(stored?).await?,
                Some(question) = self.ends.questions.recv() => self.answer(question),
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.now();
            if self.merge.next_timeout().is_some_and(|due| due <= now) {
                self.merge.handle_timeout(now);
            }
            self.carry_out().await?;
            self.save_and_show(now);
        }
        self.finish().await
    }

    fn now(&self) -> Moment {
        Moment::from_nanos(self.clock.mono_ns())
    }

    fn until_due(&self) -> Duration {
        let saving = if self.saving.is_idle() { self.checkpoint_at } else { self.show_at };
        let due = self.show_at.min(saving);
        let due = self.merge.next_timeout().map_or(due, |timeout| timeout.min(due));
        due.since(self.now())
    }

    fn take(&mut self, event: &Event) {
        let now = self.now();
        match event {
            Event::Connected { gatherer, from, written } => {
                let stream = &mut self.streams[usize::from(gatherer.0)];
                (stream.connected, stream.written) = (true, Some(*written));
                stream.next = Some(*from);
                self.merge.handle(Input::Connected { gatherer: *gatherer }, now);
            }
            Event::Disconnected { gatherer } => {
                self.streams[usize::from(gatherer.0)].connected = false;
                self.merge.handle(Input::Disconnected { gatherer: *gatherer }, now);
            }
            Event::Batch { gatherer, batch } => self.take_batch(*gatherer, batch, now),
            Event::Heartbeat { gatherer, heartbeat } => {
                self.streams[usize::from(gatherer.0)].written = Some(heartbeat.written);
                if heartbeat.sent_below == heartbeat.written {
                    self.progress(*gatherer, heartbeat.wall_ns, now);
                }
            }
        }
    }

    fn progress(&mut self, gatherer: GathererIndex, wall_ns: i64, now: Moment) {
        self.streams[usize::from(gatherer.0)].progress_wall_ns = wall_ns;
        self.merge.handle(Input::Progress { gatherer, wall_ns }, now);
    }

    /// Does what the merge wants.
    async fn carry_out(&mut self) -> anyhow::Result<()> {
        while let Some(output) = self.merge.poll() {
            match output {
                Output::Record(record) => self.journal.append(&record).await?,
                Output::Refresh { source, market_ticker } => {
                    let name = &self.streams[usize::from(source.gatherer.0)].name;
                    let sent = self.ends.refreshes.get(name).is_some_and(|refreshes| {
                        refreshes.try_send((source.session, market_ticker)).is_ok()
                    });
                    if !sent {
                        telemetry::refresh_shed(name);
                    }
                }
                Output::Alarm(alarm) => {
                    let gatherer = alarm
                        .source
                        .map_or("", |source| &self.streams[usize::from(source.gatherer.0)].name);
                    telemetry::alarm_raised(&alarm, gatherer);
                }
            }
        }
        for record in self.polled.drain() {
            self.journal.append(&record).await?;
        }
        self.journal.appended();
        Ok(())
    }

    /// Once everything that the merge said is in the journal.
    fn save_and_show(&mut self, now: Moment) {
        if self.checkpoint_at <= now && self.saving.is_idle() {
            self.begin_checkpoint(self.clock.wall_ns().div_euclid(MINUTE_NS));
            self.checkpoint_at = now.plus(self.checkpoint_every);
        }
        if self.show_at <= now {
            self.show();
            self.show_at = now.plus(SHOW_EVERY);
        }
    }

    fn show(&self) {
        self.ends.view.send_replace(PipelineView {
            totals: self.merge.totals(),
            streams: self.streams.clone(),
            checkpoint: self.saving.newest(),
        });
    }

    fn answer(&self, question: Question) {
        let market = self.merge.markets().find(|market| market.ticker == question.ticker);
        let book = market.map(|market| Book {
            market_ticker: market.ticker.to_owned(),
            market_id: market.market_id,
            seq: market.seq,
            era: market.era,
            clock: market.clock,
            ts_ms: market.ts_ms,
            yes: crate::book::side(&market.levels(Side::Yes)),
            no: crate::book::side(&market.levels(Side::No)),
        });
        // Who asked may have gone meanwhile.
        drop(question.answer.send(book));
    }
}
