//! The one owner of the merge and of the journal: events in, records out, checkpoints, acks.
//!
//! It decides nothing about the feed: that is `merge`'s.

mod accounts;
mod captures;
mod polled;
mod questions;
mod saving;
pub mod simulated;

pub(crate) use accounts::{Superseded, accounts};
pub(crate) use polled::Polled;
pub(crate) use questions::{About, QUESTIONS_MAX, Question};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exchange::Moment;
use merge::{AlarmKind, GathererIndex, Input, Merge, Output, Record};
use proto::Position;
use service::clock::Clock;
use tokio::sync::{mpsc, watch};

use crate::activity::Activity;
use crate::audit::Tally;
use crate::catalog_notes::Notes;
use crate::ingest::{Event, Refresh};
use crate::journal::Journal;
use crate::recover::Recovered;
use crate::recover::settled::Counted;
use crate::status::{PipelineView, StreamView};
use crate::telemetry;
use saving::Saving;

const MINUTE_NS: i64 = 60_000_000_000;
/// How often the pipeline shows itself.
const SHOW_EVERY: Duration = Duration::from_millis(250);
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
    /// For the catalog.
    pub(crate) notes: Notes,
    /// What was compared, and how it ended.
    pub(crate) audit: Arc<Tally>,
}

/// The pipeline.
pub(crate) struct Pipeline {
    merge: Merge,
    journal: Journal,
    clock: Clock,
    ends: Ends,
    streams: Vec<StreamView>,
    polled: Polled,
    counted: Counted,
    superseded: Superseded,
    saving: Saving,
    activity: Activity,
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
        let Recovered { merge, positions, number, newest, polled, counted, superseded, .. } =
            recovered;
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
            counted,
            superseded,
            activity: Activity::default(),
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
                    Some(event) => self.take(&event, self.now()),
                    None => break,
                },
                stored = self.saving.stored() => self.saved(stored?).await?,
                Some(question) = self.ends.questions.recv() => self.answer(question),
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.now();
            self.time_passed(now);
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

    pub(crate) fn take(&mut self, event: &Event, now: Moment) {
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
                    self.just_stamped(*gatherer, heartbeat.wall_ns);
                    self.progress(*gatherer, heartbeat.wall_ns, now);
                }
            }
        }
    }

    pub(crate) fn time_passed(&mut self, now: Moment) {
        if self.merge.next_timeout().is_some_and(|due| due <= now) {
            self.merge.handle_timeout(now);
        }
    }

    /// A gatherer that is not behind stamped this a moment ago.
    fn just_stamped(&mut self, gatherer: GathererIndex, wall_ns: i64) {
        let (here_ns, mono_ns) = (self.clock.wall_ns(), self.clock.mono_ns());
        self.streams[usize::from(gatherer.0)].skew.note(here_ns, wall_ns, mono_ns);
    }

    fn progress(&mut self, gatherer: GathererIndex, wall_ns: i64, now: Moment) {
        self.streams[usize::from(gatherer.0)].progress_wall_ns = wall_ns;
        self.merge.handle(Input::Progress { gatherer, wall_ns }, now);
    }

    /// Does what the merge wants.
    pub(crate) async fn carry_out(&mut self) -> anyhow::Result<()> {
        while let Some(output) = self.merge.poll() {
            match output {
                Output::Record(record) => {
                    self.activity.note(&record);
                    self.ends.notes.note(&record);
                    self.journal.append(&record).await?;
                }
                Output::Refresh { source, market_ticker } => {
                    self.refresh(source, market_ticker);
                }
                Output::Alarm(alarm) => {
                    let gatherer = alarm
                        .source
                        .map_or("", |source| &self.streams[usize::from(source.gatherer.0)].name);
                    telemetry::alarm_raised(&alarm, gatherer);
                    if alarm.kind == AlarmKind::SnapshotDiverged {
                        let asked = &self.ends.audit.get_snapshot;
                        asked.differs(
                            "get_snapshot",
                            &alarm.market_ticker,
                            "the exchange's book is another one",
                        );
                    }
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

    fn show(&mut self) {
        let shown_mono_ns = self.clock.mono_ns();
        self.ends.view.send_replace(PipelineView {
            activity: self.activity.show(&self.merge, shown_mono_ns),
            shown_mono_ns,
            totals: self.merge.totals(),
            streams: self.streams.clone(),
            checkpoint: self.saving.newest(),
        });
    }
}
