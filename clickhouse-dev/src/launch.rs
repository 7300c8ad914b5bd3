//! Which engine is started, and what it is told.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    engine,
    error::StartError,
    fetch,
    options::{EngineKind, Options},
    process::Listenable,
};

/// Where the embedded engine writes the port it got.
pub(crate) const PORT_FILE: &str = "http_port";

/// What will run.
pub(crate) enum Launch {
    /// The library at this path.
    Library(PathBuf),
    /// The `clickhouse` binary at this path.
    Server(PathBuf),
}

/// What the options and this machine allow; fetches the library if it is needed and not here.
pub(crate) fn choose(options: &Options) -> Result<Launch, StartError> {
    let cache = options.cache.as_deref();
    match (options.engine, embedded_impossible()) {
        (EngineKind::Server, _) => server().map(Launch::Server).ok_or(StartError::NoServer),
        (EngineKind::Auto | EngineKind::Embedded, None) => {
            fetch::library(cache).map(Launch::Library)
        }
        (EngineKind::Embedded, Some(because)) => Err(StartError::NoEngine { because }),
        (EngineKind::Auto, Some(because)) => {
            server().map(Launch::Server).ok_or(StartError::NoEngine { because })
        }
    }
}

/// Why the library cannot run on this machine.
fn embedded_impossible() -> Option<&'static str> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
    {
        (!std::arch::is_x86_feature_detected!("avx2"))
            .then_some("the embedded engine needs a processor with AVX2")
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
    {
        Some("the embedded engine is made for Linux on x86-64 only")
    }
}

fn server() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("clickhouse")).find(|file| file.is_file())
}

impl Launch {
    /// The library takes port 0 and tells which it got; a server must be told a free one.
    pub(crate) fn port(&self, listenable: Listenable) -> u16 {
        match self {
            Self::Library(_) => listenable.asked,
            Self::Server(_) => listenable.free,
        }
    }

    /// The port, if it is known before the engine tells.
    pub(crate) fn known_port(&self, port: u16) -> Option<u16> {
        match self {
            Self::Library(_) => None,
            Self::Server(_) => Some(port),
        }
    }

    /// What follows the hidden argument.
    pub(crate) fn arguments(&self, data: &Path, config: &Path, port: u16) -> Vec<OsString> {
        match self {
            Self::Library(library) => library_arguments(library, data, config, port),
            Self::Server(binary) => vec![
                engine::SERVER.into(),
                binary.into(),
                "server".into(),
                with("--config-file=", config),
            ],
        }
    }
}

fn library_arguments(library: &Path, data: &Path, config: &Path, port: u16) -> Vec<OsString> {
    let told = data.join(PORT_FILE).to_string_lossy().replace('\\', "\\\\").replace('\'', "\\'");
    vec![
        engine::LIBRARY.into(),
        library.into(),
        "--interactive".into(),
        with("--path=", data),
        with("--config-file=", config),
        format!("--http_port={port}").into(),
        "--disable_suggestion".into(),
        "--history_file=/dev/null".into(),
        "--highlight=0".into(),
        "--progress=off".into(),
        format!(
            "--query=SYSTEM START LISTEN HTTP; SELECT getServerPort('http_port') \
             INTO OUTFILE '{told}' TRUNCATE FORMAT TSVRaw"
        )
        .into(),
    ]
}

fn with(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push(path);
    argument
}
