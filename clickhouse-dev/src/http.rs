//! Whether the interface answers yet. One request by hand: this crate needs no HTTP client.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An engine that is up answers in a millisecond; a stuck one must not hold the start for long.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Whether `GET /ping` is answered with 200.
pub(crate) fn answers(address: SocketAddr) -> bool {
    ping(address).unwrap_or(false)
}

fn ping(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(&head == b"HTTP/1.1 200")
}
