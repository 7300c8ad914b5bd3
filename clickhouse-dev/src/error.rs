//! Why an engine could not be started: each variant says what to do about it.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitStatus};

/// Why [`crate::ClickHouse::start`] gave up. Nothing half-made is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Neither the library nor a server can run here.
    #[error(
        "no ClickHouse for this machine: {because}, and no `clickhouse` binary is on the PATH; \
         install ClickHouse, or give the URL of a server (CLICKHOUSE_URL)"
    )]
    NoEngine {
        /// Why the embedded library is out of the question.
        because: &'static str,
    },
    /// A server was asked for and none is there.
    #[error(
        "no `clickhouse` binary is on the PATH; install ClickHouse, or use the embedded engine"
    )]
    NoServer,
    /// npm is what fetches the library.
    #[error(
        "npm is needed once to fetch the ClickHouse engine and is not on the PATH; install Node.js \
         (npm), or a `clickhouse` binary, or give the URL of a server (CLICKHOUSE_URL)"
    )]
    NoNpm,
    /// npm ran and failed.
    #[error(
        "npm could not fetch the ClickHouse engine ({package}): {said}; check the network and npm's \
         registry setting, then start again"
    )]
    Npm {
        /// What was asked for.
        package: &'static str,
        /// Its last words.
        said: String,
    },
    /// What came is not what we pinned.
    #[error(
        "the fetched {file} is not the pinned one (sha256 {found}, wanted {wanted}); it was thrown \
         away: start again, and if it happens again ask who serves npm packages here"
    )]
    Checksum {
        /// Which file.
        file: &'static str,
        /// What we pinned.
        wanted: &'static str,
        /// What came.
        found: String,
    },
    /// A file or folder was not to be had.
    #[error("cannot {doing} {path}")]
    Files {
        /// What we were about to do.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No cache folder is known.
    #[error("no home folder is known to keep the ClickHouse engine in; name one (--cache)")]
    NoCache,
    /// An open address needs a password.
    #[error("{0} can be reached from elsewhere: set a password, or listen on 127.0.0.1")]
    OpenWithoutPassword(SocketAddr),
    /// Another engine has the folder.
    #[error("{0} is in use by another ClickHouse; stop that one, or name another folder (--data)")]
    FolderInUse(PathBuf),
    /// Somebody listens there.
    #[error("port {address} is taken; stop who holds it, or choose another (--listen)")]
    PortTaken {
        /// Where we were to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// This executable could not be started again.
    #[error("cannot start the engine's process")]
    Spawn(#[source] io::Error),
    /// It ended before it answered.
    #[error("the ClickHouse engine ended while starting ({status}); it said: {said}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        said: String,
    },
    /// It never answered.
    #[error("the ClickHouse engine did not answer within {seconds} s; it said: {said}")]
    Silent {
        /// How long we waited.
        seconds: u64,
        /// The end of its log.
        said: String,
    },
}

impl StartError {
    /// For `map_err`: what we were doing with which path.
    pub(crate) fn files(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Files { doing, path, source }
    }
}
