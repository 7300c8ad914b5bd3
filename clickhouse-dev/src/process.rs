//! The parent's side: starts an engine, waits until it answers, and ends it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    clock, config, engine,
    error::StartError,
    http,
    launch::{self, Launch},
    options::Options,
};

/// A cold start takes under a second; a machine that is busy with four of them, several.
const READY_MAX: Duration = Duration::from_secs(30);
/// More than the engine gives itself to leave.
const STOP_MAX: Duration = Duration::from_secs(25);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The engine's output, and the lock: held by the engine as its output for as long as it lives.
const LOG_FILE: &str = "engine.log";
const LOG_TAIL_BYTES: u64 = 2000;

/// A running engine. Dropping it ends the process, and removes the folder if it was temporary.
#[derive(Debug)]
pub struct ClickHouse {
    url: String,
    /// `None`: somebody else's server, or ours after it has ended.
    child: Option<Child>,
    options: Options,
    data: PathBuf,
    /// Kept for its drop.
    temporary: Option<TempDir>,
}

impl ClickHouse {
    /// Starts an engine and returns when it answers; blocks for at most 30 s, and for the time the
    /// first fetch of the engine takes.
    ///
    /// # Errors
    /// With what to do about it; nothing half-made is left behind.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let launch = launch::choose(&options)?;
        let (data, temporary) = folder(options.data.as_deref())?;
        let (child, address) = launch_in(&data, &options, &launch)?;
        let url = format!("http://{address}");
        Ok(Self { url, child: Some(child), options, data, temporary })
    }

    /// An engine for one test: the server at `url` if one is given and not empty, else an own one in
    /// a temporary folder.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn for_tests(url: Option<&str>) -> Result<Self, StartError> {
        match url.filter(|url| !url.is_empty()) {
            None => Self::start(Options::default()),
            Some(url) => Ok(Self {
                url: url.trim_end_matches('/').to_owned(),
                child: None,
                options: Options::default(),
                data: PathBuf::new(),
                temporary: None,
            }),
        }
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// User to log in as: `default`, or `kalshi` if a password was set.
    pub fn user(&self) -> &'static str {
        match self.options.password {
            None => config::USER_DEFAULT,
            Some(_) => config::USER_WITH_PASSWORD,
        }
    }

    /// The folder of its tables.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Id of the engine's process; 0 if it has ended or is not ours.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// How the engine ended, if it did without being asked to.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn has_ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), Child::try_wait)
    }

    /// Ends it as a power cut would (SIGKILL) and waits for that; the folder stays as it is. Does
    /// nothing to a server that is not ours.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end_now(&mut child);
        }
    }

    /// Starts again after [`Self::kill`], in the same folder and on the same port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.kill();
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let options = Options { port: port.unwrap_or(0), ..self.options.clone() };
        let (child, address) = launch_in(&self.data, &options, &launch::choose(&options)?)?;
        self.url = format!("http://{address}");
        self.child = Some(child);
        Ok(())
    }

    /// Lets it finish what it does, at most 25 s, and ends it.
    pub fn stop(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Closing its standard input is how it is asked.
        drop(child.stdin.take());
        let asked = clock::now();
        while asked.elapsed() < STOP_MAX {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
        end_now(&mut child);
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        if self.temporary.is_some() {
            // Nobody will read that folder again.
            self.kill();
        } else {
            self.leave();
        }
    }
}

fn end_now(child: &mut Child) {
    // Both fail only if it has ended already.
    child.kill().unwrap_or_default();
    child.wait().map(drop).unwrap_or_default();
}

/// Absolute, because the engine fails to sync parts below a relative one.
fn folder(data: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), StartError> {
    let (path, temporary) = match data {
        Some(path) => {
            fs::create_dir_all(path).map_err(StartError::files("create", path))?;
            (path.to_owned(), None)
        }
        None => {
            let folder = tempfile::Builder::new()
                .prefix("clickhouse-dev-")
                .tempdir()
                .map_err(StartError::files("create a temporary folder in", std::env::temp_dir()))?;
            (folder.path().to_owned(), Some(folder))
        }
    };
    let absolute = path.canonicalize().map_err(StartError::files("open", &path))?;
    Ok((absolute, temporary))
}

fn launch_in(
    data: &Path,
    options: &Options,
    launch: &Launch,
) -> Result<(Child, SocketAddr), StartError> {
    let address = SocketAddr::new(options.host, options.port);
    if !options.host.is_loopback() && options.password.is_none() {
        return Err(StartError::OpenWithoutPassword(address));
    }
    let log = take_folder(data)?;
    let port = launch.port(free_to_listen(address)?);
    let config = config::write(data, options, port)?;
    let told = data.join(launch::PORT_FILE);
    if told.exists() {
        fs::remove_file(&told).map_err(StartError::files("remove", &told))?;
    }
    let mut child = spawn(data, &launch.arguments(data, &config, port), &log)?;
    let known = launch.known_port(port);
    match wait_until_ready(&mut child, options, known, &told, &data.join(LOG_FILE)) {
        Ok(address) => Ok((child, address)),
        Err(error) => {
            end_now(&mut child);
            Err(error)
        }
    }
}

/// Who holds the lock on the log holds the folder.
fn take_folder(data: &Path) -> Result<File, StartError> {
    let path = data.join(LOG_FILE);
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .map_err(StartError::files("write", &path))?;
    match log.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StartError::FolderInUse(data.to_owned())),
        Err(TryLockError::Error(error)) => return Err(StartError::files("lock", &path)(error)),
    }
    log.set_len(0).map_err(StartError::files("empty", &path))?;
    Ok(log)
}

/// Says early and clearly that a port is taken; for port 0, which one is free.
fn free_to_listen(address: SocketAddr) -> Result<Listenable, StartError> {
    let listener =
        TcpListener::bind(address).map_err(|source| StartError::PortTaken { address, source })?;
    let free = listener.local_addr().map_or(address.port(), |found| found.port());
    Ok(Listenable { asked: address.port(), free })
}

/// A port that could be listened on a moment ago.
pub(crate) struct Listenable {
    /// As the caller wanted it, 0 for any.
    pub(crate) asked: u16,
    /// One that is free.
    pub(crate) free: u16,
}

fn spawn(data: &Path, arguments: &[OsString], log: &File) -> Result<Child, StartError> {
    let output = || log.try_clone().map(Stdio::from).map_err(StartError::Spawn);
    let mut command = Command::new(this_executable()?);
    command
        .arg0("clickhouse-engine")
        .arg(engine::ARGUMENT)
        .args(arguments)
        .current_dir(data)
        // Settings of the caller's environment are not meant for the engine.
        .env_clear()
        .env("TZ", "UTC")
        // A ctrl-c at the terminal is for the programs; the engine is stopped by its owner.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(output()?)
        .stderr(output()?);
    command.spawn().map_err(StartError::Spawn)
}

/// Through /proc it is still this one when the file was built anew meanwhile.
fn this_executable() -> Result<PathBuf, StartError> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe().map_err(StartError::Spawn)
    }
}

fn wait_until_ready(
    child: &mut Child,
    options: &Options,
    known: Option<u16>,
    told: &Path,
    log: &Path,
) -> Result<SocketAddr, StartError> {
    let started = clock::now();
    while started.elapsed() < READY_MAX {
        if let Some(port) = known.or_else(|| port_in(told)) {
            let address = SocketAddr::new(options.host, port);
            if http::answers(address) {
                return Ok(address);
            }
        }
        if let Some(status) = child.try_wait().map_err(StartError::Spawn)? {
            return Err(StartError::Ended { status, said: tail(log) });
        }
        thread::sleep(LOOK_AGAIN);
    }
    Err(StartError::Silent { seconds: READY_MAX.as_secs(), said: tail(log) })
}

/// The file is whole when its line has ended.
fn port_in(told: &Path) -> Option<u16> {
    fs::read_to_string(told).ok()?.strip_suffix('\n')?.parse().ok().filter(|&port| port != 0)
}

/// The end of what the engine said, without what moves a cursor.
fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) if !bytes.is_empty() => {
            String::from_utf8_lossy(&bytes).replace(|c: char| c.is_control() && c != '\n', "")
        }
        _ => "nothing".to_owned(),
    }
}
