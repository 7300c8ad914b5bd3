//! The way from the sockets to the spool: what is sent, and the proof of what has arrived.
//!
//! A ticket is taken before the clock is read and given back when the item is in the spool, or lost with its session.
//! So when no ticket is out at some moment after a clock reading, everything received before that reading is written.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use bytes::Bytes;
use proto::{Capture, Stamp};
use service::clock::Clock;
use tokio::sync::{mpsc, oneshot};

/// Two seconds of the busiest minute on record for a few hundred markets. Full: the socket waits; it waits for
/// nothing else.
const TO_SPOOL_MAX: usize = 16_384;

/// One thing to keep.
pub(crate) struct Item {
    ticket: Ticket,
    what: What,
}

/// What is kept.
pub(crate) enum What {
    /// A session was opened; the text is JSON about it.
    Opened { session: u64, about: String },
    /// A text message came.
    Frame { session: u64, bytes: Bytes },
    /// A session ended.
    Closed { session: u64, reason: String },
    /// The exchange's status changed.
    Status { exchange_active: bool, trading_active: bool },
    /// Books came over REST.
    RestBooks {
        body: String,
        /// Closed when the item is in the spool.
        _in_spool: oneshot::Sender<()>,
    },
}

impl Item {
    /// As the spool keeps it.
    pub(crate) fn capture(&self) -> Capture<'_> {
        let stamp = self.ticket.stamp;
        match &self.what {
            What::Opened { session, about } => {
                Capture::SessionOpened { session: *session, stamp, about }
            }
            What::Frame { session, bytes } => Capture::Frame { session: *session, stamp, bytes },
            What::Closed { session, reason } => {
                Capture::SessionClosed { session: *session, stamp, reason }
            }
            What::Status { exchange_active, trading_active } => Capture::Status {
                stamp,
                exchange_active: *exchange_active,
                trading_active: *trading_active,
            },
            What::RestBooks { body, .. } => Capture::RestBooks { stamp, body },
        }
    }
}

/// Something was received at this time and is not in the spool yet.
pub(crate) struct Ticket {
    stamp: Stamp,
    flow: Arc<Flow>,
}

impl Ticket {
    /// When it was received.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flow.given_back.fetch_add(1, Ordering::SeqCst);
    }
}

/// How many tickets were taken and given back, and up to when everything is known to be written.
#[derive(Debug)]
pub(crate) struct Flow {
    clock: Clock,
    taken: AtomicU64,
    given_back: AtomicU64,
    settled_wall_ns: AtomicI64,
}

impl Flow {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let settled_wall_ns = AtomicI64::new(clock.wall_ns());
        let (taken, given_back) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { clock, taken, given_back, settled_wall_ns })
    }

    /// Takes a ticket, then reads the clocks.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        self.taken.fetch_add(1, Ordering::SeqCst);
        let stamp = Stamp { wall_ns: self.clock.wall_ns(), mono_ns: self.clock.mono_ns() };
        Ticket { stamp, flow: Arc::clone(self) }
    }

    /// A wall time before which everything received has been written. Read the written position after it.
    pub(crate) fn settled_wall_ns(&self) -> i64 {
        let now = self.clock.wall_ns();
        let taken = self.taken.load(Ordering::SeqCst);
        if self.given_back.load(Ordering::SeqCst) >= taken {
            self.settled_wall_ns.store(now, Ordering::SeqCst);
            return now;
        }
        self.settled_wall_ns.load(Ordering::SeqCst)
    }
}

/// The sockets' end of the queue to the spool.
#[derive(Clone)]
pub(crate) struct Intake {
    flow: Arc<Flow>,
    items: mpsc::Sender<Item>,
}

/// The queue and its two ends.
pub(crate) fn intake(flow: Arc<Flow>) -> (Intake, mpsc::Receiver<Item>) {
    let (items, to_spool) = mpsc::channel(TO_SPOOL_MAX);
    (Intake { flow, items }, to_spool)
}

/// The same for those who must not keep the queue open: the program ends when every socket is gone.
#[derive(Clone)]
pub(crate) struct WeakIntake {
    flow: Arc<Flow>,
    items: mpsc::WeakSender<Item>,
}

impl WeakIntake {
    /// The way in, while there is one.
    pub(crate) fn upgrade(&self) -> Option<Intake> {
        Some(Intake { flow: Arc::clone(&self.flow), items: self.items.upgrade()? })
    }
}

impl Intake {
    /// A way in that does not keep the queue open.
    pub(crate) fn downgrade(&self) -> WeakIntake {
        WeakIntake { flow: Arc::clone(&self.flow), items: self.items.downgrade() }
    }

    /// Stamps something that has just been received.
    pub(crate) fn ticket(&self) -> Ticket {
        self.flow.ticket()
    }

    /// Hands an item over; waits while the queue is full. `false`: nobody keeps any more.
    pub(crate) async fn keep(&self, ticket: Ticket, what: What) -> bool {
        self.items.send(Item { ticket, what }).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_is_settled_only_while_no_ticket_is_out() {
        let flow = Flow::new(Clock::start());
        let (intake, mut queue) = intake(Arc::clone(&flow));
        let ticket = intake.ticket();
        let received = ticket.stamp().wall_ns;
        assert!(flow.settled_wall_ns() <= received);
        let what = What::Status { exchange_active: true, trading_active: true };
        assert!(intake.keep(ticket, what).await);
        let item = queue.recv().await.expect("one item");
        assert!(flow.settled_wall_ns() <= received, "it is not in the spool yet");
        drop(item);
        assert!(flow.settled_wall_ns() >= received);
    }
}
