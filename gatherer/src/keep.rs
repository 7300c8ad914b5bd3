//! The one writer of the spool: takes what the sockets received, in order, and hands it to the operating system in
//! bursts. The fsync is the spool's own thread's.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use spool::{AppendError, Position, Writer};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{intake::Item, telemetry};

/// Items between two hand-overs to the operating system: about a millisecond, which the uplink waits at most.
const BURST_MAX: usize = 1_024;

/// While the spool cannot take a record, it is tried again after this.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Whether the spool takes records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Spooling {
    /// It does.
    Working,
    /// It does not, for this reason; the sockets are closed until it does again.
    Failing(Arc<str>),
}

/// The writing end of the spool and who is told about it.
pub(crate) struct Keeper {
    pub(crate) writer: Writer,
    pub(crate) items: mpsc::Receiver<Item>,
    pub(crate) state: watch::Sender<Spooling>,
    pub(crate) written: watch::Sender<Position>,
    pub(crate) stopping: CancellationToken,
}

impl Keeper {
    /// Keeps until every sender is gone and the queue is empty; then everything is durable.
    ///
    /// # Errors
    /// When the spool is broken for good, or still cannot take records when the program stops.
    pub(crate) fn run(mut self, runtime: &Handle) -> anyhow::Result<()> {
        let mut burst = Vec::with_capacity(BURST_MAX);
        while runtime.block_on(self.items.recv_many(&mut burst, BURST_MAX)) > 0 {
            for item in &burst {
                self.until_taken(runtime, |writer| append(writer, item))?;
            }
            let written = self.until_taken(runtime, Writer::flush)?;
            // Tickets are given back with the items: only now is it true that they are written.
            burst.clear();
            self.written.send_replace(written);
        }
        self.writer.commit().context("the last commit of the spool")?;
        self.written.send_replace(self.writer.next());
        Ok(())
    }

    fn until_taken<T>(
        &mut self,
        runtime: &Handle,
        mut attempt: impl FnMut(&mut Writer) -> Result<T, AppendError>,
    ) -> anyhow::Result<T> {
        loop {
            match attempt(&mut self.writer) {
                Ok(done) => {
                    self.state.send_if_modified(recovered);
                    return Ok(done);
                }
                Err(error) => {
                    let reason = with_cause(&error);
                    self.state.send_if_modified(|state| failing(state, &reason));
                    if !error.is_transient() {
                        return Err(error).context("the spool is closed for good; start again");
                    }
                    if self.stopping.is_cancelled() || self.items.is_closed() {
                        return Err(error).context("frames in hand at the stop are lost");
                    }
                    runtime.block_on(tokio::time::sleep(RETRY_EVERY));
                }
            }
        }
    }
}

fn append(writer: &mut Writer, item: &Item) -> Result<(), AppendError> {
    let capture = item.capture();
    writer.append_parts(&[&capture.header(), capture.body()]).map(drop)
}

fn recovered(state: &mut Spooling) -> bool {
    let failed = *state != Spooling::Working;
    if failed {
        *state = Spooling::Working;
        telemetry::spool_recovered();
    }
    failed
}

fn failing(state: &mut Spooling, reason: &str) -> bool {
    let first = *state == Spooling::Working;
    if first {
        *state = Spooling::Failing(reason.into());
        telemetry::spool_failed(reason);
    }
    first
}

/// The error and what the system said.
fn with_cause(error: &AppendError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
