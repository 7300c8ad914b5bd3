//! What the records of a batch say to the merge.

use exchange::Moment;
use merge::{GathererIndex, Input, Source};
use proto::{Batch, Capture};

use super::Pipeline;
use crate::telemetry;

impl Pipeline {
    pub(super) fn take_batch(&mut self, gatherer: GathererIndex, batch: &Batch, now: Moment) {
        let mut newest_ns = None;
        for record in batch.split() {
            // The list of records was checked at the border; what one record says was not.
            match record.and_then(Capture::decode) {
                Ok(capture) => newest_ns = Some(self.take_capture(gatherer, &capture, now)),
                Err(error) => {
                    let name = &self.streams[usize::from(gatherer.0)].name;
                    telemetry::record_refused(name, &error.to_string());
                }
            }
        }
        let stream = &mut self.streams[usize::from(gatherer.0)];
        (stream.next, stream.written) = (Some(batch.next), Some(batch.written));
        if let Some(wall_ns) = newest_ns {
            if batch.next == batch.written {
                self.just_stamped(gatherer, wall_ns);
            }
            self.progress(gatherer, wall_ns, now);
        }
    }

    /// Hands one capture over; returns its receipt.
    fn take_capture(&mut self, gatherer: GathererIndex, capture: &Capture<'_>, now: Moment) -> i64 {
        let source = |session: &u64| Source { gatherer, session: *session };
        match capture {
            Capture::SessionOpened { session, stamp, about } => {
                let (source, wall_ns) = (source(session), stamp.wall_ns);
                self.ends.notes.session_opened(self.name(gatherer), source.session, wall_ns, about);
                self.merge.handle(Input::SessionOpened { source, wall_ns }, now);
                wall_ns
            }
            Capture::Frame { session, stamp, bytes } => {
                let (source, wall_ns) = (source(session), stamp.wall_ns);
                self.streams[usize::from(gatherer.0)].last_frame_wall_ns = wall_ns;
                match exchange::decode_bytes(bytes) {
                    Ok(frame) => {
                        if let (Some(_), exchange::Message::Snapshot(shown)) =
                            (frame.id, &frame.message)
                        {
                            self.ends.audit.answered(source, shown.market_ticker);
                        }
                        self.merge.handle(Input::Frame { source, wall_ns, frame: &frame }, now);
                    }
                    Err(_) => self.merge.handle(Input::BadFrame { source, wall_ns }, now),
                }
                wall_ns
            }
            Capture::SessionClosed { session, stamp, reason } => {
                let (source, wall_ns) = (source(session), stamp.wall_ns);
                self.ends.notes.session_closed(
                    self.name(gatherer),
                    source.session,
                    wall_ns,
                    reason,
                );
                self.merge.handle(Input::SessionClosed { source, wall_ns }, now);
                wall_ns
            }
            Capture::Status { stamp, trading_active, .. } => {
                let (wall_ns, trading_active) = (stamp.wall_ns, *trading_active);
                self.merge.handle(Input::Status { gatherer, wall_ns, trading_active }, now);
                wall_ns
            }
            Capture::RestBooks { stamp, body } => {
                if let Err(error) =
                    self.polled.take((gatherer, stamp.wall_ns), body, self.merge.share())
                {
                    let name = &self.streams[usize::from(gatherer.0)].name;
                    telemetry::record_refused(name, &error.to_string());
                }
                stamp.wall_ns
            }
        }
    }
}
