//! Tells systemd that the program works, still works, or is stopping: one datagram each, as sd_notify(3) describes.
//! It decides nothing about health; without `NOTIFY_SOCKET` every call does nothing.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Where the service manager listens, and how often it wants to hear from us.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the service manager set it: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` if it is meant for this process.
    pub fn from_environment() -> Self {
        let number = |name| std::env::var_os(name)?.to_str()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Self {
            socket: std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()),
            watchdog: number("WATCHDOG_USEC")
                .filter(|usec| for_us && *usec > 0)
                .map(Duration::from_micros),
        }
    }

    /// All ports are listened on and all parts run. Units that wait for this one may start.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// A stop was asked for; what follows is the drain.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says every half of the watchdog's time that the runtime still turns, until `stopping`; run it as a part. A runtime
    /// whose threads all hang says nothing, and the unit is killed and started again. What turns but makes no progress
    /// is for the alerts: a restart does not mend a store that is away.
    ///
    /// # Errors
    /// Never; the type is that of a part.
    pub async fn watchdog(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let Some(every) = self.watchdog.map(|within| within / 2) else {
            stopping.cancelled().await;
            return Ok(());
        };
        loop {
            self.tell("WATCHDOG=1");
            if stopping.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// A lost message is not worth a failure: systemd acts by itself if it hears nothing.
    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = send(socket, state)
        {
            tracing::debug!(component = "program", event = "sd_notify_failed", state, %error, "systemd was not told");
        }
    }
}

/// A leading `@` names a socket in Linux's abstract space, all else is a path.
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    // A full queue at the other end must not hold a thread of the runtime.
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(on: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = on.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn path_of(name: &str) -> OsString {
        let file = format!("sd-notify-{name}-{}", std::process::id());
        std::env::temp_dir().join(file).into_os_string()
    }

    #[test]
    fn readiness_and_stop_reach_a_socket_in_the_file_system() {
        let socket = path_of("path");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        let notifier = Notifier { socket: Some(socket.clone()), watchdog: None };
        notifier.ready();
        notifier.stopping();
        assert_eq!([heard(&systemd), heard(&systemd)], ["READY=1", "STOPPING=1"]);
        std::fs::remove_file(socket).unwrap();
    }

    #[test]
    fn an_abstract_socket_is_told_by_its_at_sign() {
        let name = path_of("abstract");
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        let mut socket = OsString::from("@");
        socket.push(&name);
        Notifier { socket: Some(socket), watchdog: None }.ready();
        assert_eq!(heard(&systemd), "READY=1");
    }

    #[test]
    fn nobody_listening_is_no_failure() {
        Notifier { socket: Some(path_of("nobody")), watchdog: None }.ready();
        Notifier::default().ready();
    }

    #[tokio::test]
    async fn the_watchdog_is_fed_until_the_stop_and_not_after_it() {
        let socket = path_of("watchdog");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        let within = Duration::from_millis(40);
        let notifier = Notifier { socket: Some(socket.clone()), watchdog: Some(within) };
        let stopping = CancellationToken::new();
        let part = notifier.watchdog(stopping.clone());
        let ears = systemd.try_clone().unwrap();
        let three = tokio::task::spawn_blocking(move || [heard(&ears), heard(&ears), heard(&ears)]);
        let stop = async {
            assert_eq!(three.await.unwrap(), ["WATCHDOG=1"; 3]);
            stopping.cancel();
        };
        let (ended, ()) = tokio::join!(part, stop);
        ended.unwrap();
        systemd.set_nonblocking(true).unwrap();
        while systemd.recv(&mut [0; 64]).is_ok() {}
        tokio::time::sleep(2 * within).await;
        assert!(systemd.recv(&mut [0; 64]).is_err(), "fed after the stop");
        std::fs::remove_file(socket).unwrap();
    }
}
