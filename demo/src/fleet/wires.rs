//! Lets a test stand between two programs.

use std::fmt;
use std::sync::Arc;

/// A connection that one program keeps to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire<'a> {
    /// The deduplicator follows this gatherer; the address is `HOST:PORT`.
    Stream(&'a str),
    /// This program writes to its ClickHouse; the address is `http://HOST:PORT`.
    Store(&'a str),
}

type Reroute = dyn Fn(Wire<'_>, &str) -> String + Send + Sync;

/// Who is asked before a program is told whom to dial. By default nobody: the address stays.
#[derive(Clone, Default)]
pub struct Wires(Option<Arc<Reroute>>);

impl Wires {
    /// Asks `reroute`, which gives the address to dial instead.
    pub fn through(reroute: impl Fn(Wire<'_>, &str) -> String + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reroute)))
    }

    /// The address to dial, if it is another.
    pub(super) fn instead(&self, wire: Wire<'_>, address: &str) -> Option<String> {
        self.0.as_ref().map(|reroute| reroute(wire, address))
    }
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "rerouted" } else { "direct" })
    }
}
