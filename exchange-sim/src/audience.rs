//! Which connections listen to which market, per channel: the list that each event goes down.

/// The listeners of one channel.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    all: Vec<u32>,
    by_market: Vec<Vec<u32>>,
}

impl Audience {
    pub(crate) fn of(&self, market: usize) -> impl Iterator<Item = u32> {
        let narrow = self.by_market.get(market).map_or(&[][..], Vec::as_slice);
        self.all.iter().chain(narrow).copied()
    }

    pub(crate) fn everything(&self) -> impl Iterator<Item = u32> {
        self.all.iter().copied()
    }

    pub(crate) fn is_heard(&self, market: usize) -> bool {
        self.of(market).next().is_some()
    }

    pub(crate) fn join_all(&mut self, connection: u32) {
        self.leave_all(connection);
        self.all.push(connection);
    }

    pub(crate) fn join(&mut self, market: usize, connection: u32) {
        if self.by_market.len() <= market {
            self.by_market.resize_with(market + 1, Vec::new);
        }
        self.by_market[market].push(connection);
    }

    pub(crate) fn leave(&mut self, market: usize, connection: u32) {
        if let Some(listeners) = self.by_market.get_mut(market) {
            listeners.retain(|listener| *listener != connection);
        }
    }

    /// The connection is gone from this channel altogether.
    pub(crate) fn leave_all(&mut self, connection: u32) {
        self.all.retain(|listener| *listener != connection);
        for listeners in &mut self.by_market {
            listeners.retain(|listener| *listener != connection);
        }
    }
}
