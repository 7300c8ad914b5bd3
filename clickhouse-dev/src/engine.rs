//! The engine's side of the process border: this file runs in the child, and holds all `unsafe`.
//!
//! The child hosts the library (or a server's process), and ends when its parent lets go of the pipe
//! that is its standard input: by asking to stop, or by dying.
#![expect(unsafe_code, reason = "a C library is loaded and called, and left by _exit only")]

use std::{
    ffi::{CString, OsString, c_char, c_int, c_void},
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    os::unix::ffi::OsStringExt,
    process::Command,
    thread,
    time::Duration,
};

use nix::{libc, pty::openpty, sys::signal::Signal, unistd};

/// Hidden first argument: host the engine instead of running `main`.
pub(crate) const ARGUMENT: &str = "__clickhouse-engine";
/// Second argument: what is hosted.
pub(crate) const LIBRARY: &str = "library";
/// Second argument: what is hosted.
pub(crate) const SERVER: &str = "server";

/// An engine that was asked to leave and does not is ended: what it acknowledged is on disk.
const LEAVE_MAX: Duration = Duration::from_secs(20);

/// The engine shares its machine with programs that must not lose a frame: they go first.
const NICENESS: c_int = 5;

/// Runs before `main`, so that a test binary, whose `main` is not ours, can host the engine too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[used]
// SAFETY: the C runtime calls every pointer in this section once, after std has taken the arguments
// (it does so in an earlier-sorted entry of the same section).
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        run_engine_if_asked();
    }
    before_main
};

/// Hosts the engine and never returns if this process was started for that; else does nothing.
///
/// Called before `main` already wherever that is possible (Linux with glibc); a program for other
/// systems calls it first thing in `main`.
pub fn run_engine_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ARGUMENT) {
        return;
    }
    let kind = arguments.next();
    let rest: Vec<OsString> = arguments.collect();
    let status = match host(kind.as_ref().and_then(|kind| kind.to_str()), rest) {
        Ok(status) => status,
        Err(error) => {
            writeln!(io::stderr(), "{error}").unwrap_or_default();
            1
        }
    };
    leave(status)
}

fn host(kind: Option<&str>, arguments: Vec<OsString>) -> io::Result<i32> {
    match kind {
        Some(LIBRARY) => host_library(arguments),
        Some(SERVER) => host_server(arguments),
        _ => Err(io::Error::other("neither library nor server")),
    }
}

/// Without destructors: the library's threads still run, and its own would deadlock.
fn leave(status: i32) -> ! {
    // SAFETY: ends the process, touching none of its memory.
    unsafe { libc::_exit(status) }
}

/// Arguments: the library, then what `clickhouse local` is to be told.
fn host_library(mut arguments: Vec<OsString>) -> io::Result<i32> {
    let library = arguments.remove(0);
    give_way();
    let parent = io::stdin().as_fd().try_clone_to_owned()?;
    let terminal = terminal_as_stdin()?;
    let keyboard = terminal.try_clone()?;
    thread::Builder::new().name("screen".to_owned()).spawn(move || drain(terminal))?;
    thread::Builder::new().name("parent".to_owned()).spawn(move || {
        wait_for_end(parent);
        type_exit(keyboard);
        thread::sleep(LEAVE_MAX);
        leave(0)
    })?;
    call(&library, arguments)?;
    Ok(0)
}

/// Before the engine's threads exist, which inherit it.
fn give_way() {
    // SAFETY: a system call without pointers. To be less nice than this is never refused.
    unsafe { libc::nice(NICENESS) };
}

/// One garbage packet ends an engine of this version whose input is not a terminal (ClickHouse issue
/// 115666); with one it survives, and can be told to exit by typing it.
fn terminal_as_stdin() -> io::Result<File> {
    let terminal = openpty(None, None)?;
    unistd::dup2_stdin(terminal.slave.as_fd())?;
    Ok(File::from(terminal.master))
}

/// What the engine prints at its prompt is of no use, but must not fill the terminal's buffer.
fn drain(mut terminal: File) {
    let mut screen = [0; 4096];
    while matches!(terminal.read(&mut screen), Ok(read) if read > 0) {}
}

/// Returns when the parent has closed its end or is dead.
fn wait_for_end(parent: OwnedFd) {
    let mut parent = File::from(parent);
    let mut byte = [0];
    while matches!(parent.read(&mut byte), Ok(read) if read > 0) {}
}

fn type_exit(mut keyboard: File) {
    // If the terminal is gone the engine is leaving already, and the limit after this ends it.
    keyboard.write_all(b"exit\n").unwrap_or_default();
}

type QueryCommandLine = unsafe extern "C" fn(c_int, *const *const c_char) -> *mut c_void;

/// Blocks until the engine's prompt has been left.
fn call(library: &OsString, arguments: Vec<OsString>) -> io::Result<()> {
    let arguments: Vec<CString> = std::iter::once(OsString::from("clickhouse"))
        .chain(arguments)
        .map(|argument| CString::new(argument.into_vec()).map_err(io::Error::other))
        .collect::<io::Result<_>>()?;
    let pointers: Vec<*const c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    let count = c_int::try_from(pointers.len()).map_err(io::Error::other)?;
    // SAFETY: the file is the one whose checksum we know; its initialisers may run in any process.
    let library = unsafe { libloading::Library::new(library) }.map_err(io::Error::other)?;
    // SAFETY: the signature is that of the pinned version's header.
    let query = unsafe { library.get::<QueryCommandLine>(b"chdb_query_cmdline\0") }
        .map_err(io::Error::other)?;
    // SAFETY: `count` pointers to strings that end in zero and outlive the call; called once.
    unsafe { query(count, pointers.as_ptr()) };
    // Its threads run on until the process ends: unloading would take the code from under them.
    std::mem::forget(library);
    Ok(())
}

/// Arguments: a ClickHouse binary and its arguments.
fn host_server(mut arguments: Vec<OsString>) -> io::Result<i32> {
    let parent = io::stdin().as_fd().try_clone_to_owned()?;
    let mut command = Command::new(arguments.remove(0));
    command.args(arguments).stdin(std::process::Stdio::null());
    die_with_this_thread(&mut command);
    let mut server = command.spawn()?;
    let pid = unistd::Pid::from_raw(server.id().cast_signed());
    thread::Builder::new().name("parent".to_owned()).spawn(move || {
        wait_for_end(parent);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            // It fails only if the server has ended, which the main thread sees.
            nix::sys::signal::kill(pid, signal).unwrap_or_default();
            thread::sleep(LEAVE_MAX);
        }
    })?;
    Ok(server.wait()?.code().unwrap_or(1))
}

/// A kill of this process must end the server too. The calling thread is the main one: it lives on.
fn die_with_this_thread(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        let death = || Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?);
        // SAFETY: one system call, nothing allocated, between fork and exec.
        unsafe { command.pre_exec(death) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
