//! How an engine is to be started.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

/// Enough for one program's tables and merges; four engines fit on a small machine.
const MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

/// What runs behind the HTTP interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineKind {
    /// Embedded where it can run, else a `clickhouse` binary on the PATH.
    #[default]
    Auto,
    /// The library, fetched once (Linux on x86-64 with AVX2).
    Embedded,
    /// A `clickhouse` binary on the PATH.
    Server,
}

/// How to start; `Options::default()` is a temporary engine on a free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where tables are kept. `None`: a temporary folder, removed on drop.
    pub data: Option<PathBuf>,
    /// Address to listen on: the loopback, unless a password is set.
    pub host: IpAddr,
    /// Port of the HTTP interface; 0: a free one.
    pub port: u16,
    /// Password of user `default`. `None`: none is asked for.
    pub password: Option<String>,
    /// Memory the engine may use. `None`: 1 GB.
    pub memory_bytes: Option<u64>,
    /// Memory one query may use. `None`: as much as the engine.
    pub query_memory_bytes: Option<u64>,
    /// Where the fetched engine is kept. `None`: the user's cache folder.
    pub cache: Option<PathBuf>,
    /// What runs behind the interface.
    pub engine: EngineKind,
}

impl Options {
    pub(crate) fn memory(&self) -> u64 {
        self.memory_bytes.unwrap_or(MEMORY_BYTES_DEFAULT)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            password: None,
            memory_bytes: None,
            query_memory_bytes: None,
            cache: None,
            engine: EngineKind::Auto,
        }
    }
}
