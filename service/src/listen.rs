//! How many callers a port bears, and for how long one may be silent.
//!
//! Too many: the newest is hung up on and counted, so that those who are served stay served. Silent:
//! the connection ends, so that forgotten ones do not use the room up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::Connected;

/// Connections of one port. A fleet has a handful of callers: an operator, a scraper, a load
/// balancer, deduplicators.
pub const CONNECTIONS_MAX: usize = 64;

/// A connection on which nothing was read or written for this long ends; above the slowest usual
/// scrape, which keeps its connection.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// A listener with room for so many connections.
pub struct Limited {
    listener: TcpListener,
    room: Arc<Semaphore>,
    surface: &'static str,
    silence_max: Duration,
}

impl Limited {
    /// Takes over a bound listener; `surface` names it where refusals are counted.
    pub fn new(listener: TcpListener, surface: &'static str) -> Self {
        Self::with(listener, surface, CONNECTIONS_MAX, SILENCE_MAX)
    }

    fn with(
        listener: TcpListener,
        surface: &'static str,
        connections_max: usize,
        silence_max: Duration,
    ) -> Self {
        let room = Arc::new(Semaphore::new(connections_max));
        Self { listener, room, surface, silence_max }
    }
}

impl Listener for Limited {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        loop {
            // Its trouble with file descriptors is waited out there.
            let (io, addr) = Listener::accept(&mut self.listener).await;
            match Arc::clone(&self.room).try_acquire_owned() {
                Ok(permit) => return (Held::new(io, permit, self.silence_max), addr),
                Err(_) => {
                    metrics::counter!("connections_refused_total", "surface" => self.surface)
                        .increment(1);
                    drop(io);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection that holds its place until it ends.
pub struct Held {
    io: TcpStream,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    _place: OwnedSemaphorePermit,
}

impl Held {
    fn new(io: TcpStream, place: OwnedSemaphorePermit, silence_max: Duration) -> Self {
        // Small answers must not wait for each other; a socket that refuses is only slower.
        io.set_nodelay(true).unwrap_or_default();
        Self { io, silence: Box::pin(sleep(silence_max)), silence_max, _place: place }
    }

    /// Something moved, or nothing has for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let until = Instant::now() + self.silence_max;
            self.silence.as_mut().reset(until);
            return polled;
        }
        match self.silence.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, into);
        self.watch(cx, polled)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, pieces);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connected for Held {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn limited(silence_max: Duration) -> (Limited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        (Limited::with(listener, "test", 1, silence_max), addr)
    }

    #[tokio::test]
    async fn who_comes_when_there_is_no_room_is_hung_up_on_and_a_place_that_ends_is_given_again() {
        let (mut limited, addr) = limited(Duration::from_secs(600)).await;
        let mut first = TcpStream::connect(addr).await.expect("dialled");
        let (mut held, _) = limited.accept().await;
        let mut second = TcpStream::connect(addr).await.expect("dialled");
        let hung_up = async { second.read(&mut [0; 1]).await.unwrap_or(0) };
        let read = tokio::select! {
            read = hung_up => read,
            _ = limited.accept() => panic!("a second caller was let in"),
        };
        assert_eq!(read, 0);
        held.write_all(b"x").await.expect("the first is still served");
        let mut byte = [0];
        first.read_exact(&mut byte).await.expect("the first still hears us");
        drop(held);
        let _third = TcpStream::connect(addr).await.expect("dialled");
        limited.accept().await;
    }

    #[tokio::test]
    async fn a_caller_that_says_nothing_is_not_held_for_ever() {
        let (mut limited, addr) = limited(Duration::from_millis(50)).await;
        let _silent = TcpStream::connect(addr).await.expect("dialled");
        let (mut held, _) = limited.accept().await;
        let error = held.read(&mut [0; 1]).await.expect_err("it never spoke");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
