//! Carries out ordered faults, and maintenance.

use std::time::{Duration, Instant};

use crate::{
    channel::Channel,
    clock::Now,
    faults::{Frames, Order, Selector},
    hub::{Hub, Phase},
    session::Session,
};

/// No fault lasts longer than this, so that a wrong number cannot hang a run for ever.
const SECONDS_MAX: f64 = 86_400.0;

impl Hub {
    /// How many connections the order met; the fault is counted once.
    pub(crate) fn trouble(&mut self, order: &Order, now: Now) -> Result<usize, String> {
        let until = |seconds: f64| {
            if (0.0..=SECONDS_MAX).contains(&seconds) {
                Ok(now.at + Duration::from_secs_f64(seconds))
            } else {
                Err(format!("seconds must lie between 0 and {SECONDS_MAX}"))
            }
        };
        let met = match order {
            Order::Cut { connection, close } => {
                self.each(connection, |session| cut(session, *close))
            }
            Order::Drop(Frames { connection, frames }) => {
                self.each(connection, |session| session.line.ordered.drop += frames)
            }
            Order::Repeat(Frames { connection, frames }) => {
                self.each(connection, |session| session.line.ordered.repeat += frames)
            }
            Order::Corrupt(Frames { connection, frames }) => {
                self.each(connection, |session| session.line.ordered.corrupt += frames)
            }
            Order::Reorder(Frames { connection, frames }) => {
                self.each(connection, |session| session.line.ordered.hold += frames)
            }
            Order::Stall { connection, seconds } => {
                let until = until(*seconds)?;
                self.each(connection, |session| session.line.stalled_until = Some(until))
            }
            Order::Slow { connection, bytes_per_sec, seconds } => {
                let slow = (*bytes_per_sec, until(*seconds)?);
                self.each(connection, |session| session.line.slow = Some(slow))
            }
            Order::Error { code, connection, channel } => {
                self.error(connection, (*code, channel.as_str()), now)?
            }
            Order::Refuse { status, seconds } => {
                self.refusing = Some((*status, until(*seconds)?));
                0
            }
            Order::Limit { seconds } => at_rest(&mut self.limiting, until(*seconds)?),
            Order::Forbid { seconds } => at_rest(&mut self.forbidding, until(*seconds)?),
            Order::Maintenance { seconds } => {
                let until = until(*seconds)?;
                self.each(&Selector::Everyone, |session| session.close(1001));
                self.phase = Phase::Maintenance { until };
                0
            }
            Order::Lie { connection, how, seconds } => {
                let lie = (*how, until(*seconds)?);
                self.each(connection, |session| session.line.lie = Some(lie))
            }
            Order::Schema { change, field, seconds } => {
                self.schema = Some((*change, field.clone(), until(*seconds)?));
                0
            }
        };
        self.count_fault(order.name());
        Ok(met)
    }

    /// Ends maintenance when its time has come: a new era, with clocks that fell.
    pub(crate) fn pass_maintenance(&mut self, now: Now) {
        let Phase::Maintenance { until } = self.phase else { return };
        if now.at < until {
            return;
        }
        // Whoever has not read the last frames by now loses them.
        self.each(&Selector::Everyone, |session| session.cut.notify_one());
        self.phase = Phase::Open;
        self.source.new_era(&mut self.markets);
        self.era += 1;
        self.truth.era(self.era, now.wall_ms);
        for (_, market) in self.markets.iter() {
            self.truth.book(market, self.era, (market.wire_clock(), &market.book));
        }
    }

    fn error(
        &mut self,
        to: &Selector,
        (code, channel): (u16, &str),
        now: Now,
    ) -> Result<usize, String> {
        let channel = Channel::named(channel).ok_or(format!("{channel}: no such channel"))?;
        let met = self.each(to, |session| session.terminate(channel, code, now));
        self.forget_overflowed();
        Ok(met)
    }

    fn each(&mut self, selector: &Selector, mut act: impl FnMut(&mut Session)) -> usize {
        let mut met = 0;
        for session in self.sessions.values_mut() {
            if selector.selects(session.index, &session.peer.key_id, &session.peer.agent) {
                act(session);
                session.wake_writer();
                met += 1;
            }
        }
        met
    }
}

/// Trouble with REST meets no connection.
fn at_rest(trouble: &mut Option<Instant>, until: Instant) -> usize {
    *trouble = Some(until);
    0
}

/// Ends a connection with a goodbye, or without one; unsent frames are lost either way.
fn cut(session: &mut Session, with_close: bool) {
    session.forget_queue();
    if with_close {
        session.close(1001);
    } else {
        session.closing = true;
        session.cut.notify_one();
    }
}
