//! Stands between two programs on a TCP connection and is as bad a network as it is told to be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const CHUNK_BYTES: usize = 16 << 10;

/// What it does to every byte from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Passes everything at once.
    Good,
    /// Passes nothing and closes nothing: a cable that was pulled.
    Silent,
    /// Ends every connection, and new ones at once.
    Cut,
    /// Passes so many bytes a second in each direction.
    Slow(u32),
    /// Passes what the caller says; the answer is read and thrown away, then the connection ends.
    Unanswered,
}

/// A proxy to one address. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    /// Held for its drop.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a port of its own for connections to `target` (`HOST:PORT`). Needs a runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn to(target: &str) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (line, seen) = watch::channel(Line::Good);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::from(target), seen));
        Ok(Self { address, line, _tasks: tasks })
    }

    /// `HOST:PORT` to dial.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes the line, for connections that stand too.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn accept(listener: TcpListener, target: Arc<str>, line: watch::Receiver<Line>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((near, _)) = accepted {
                    connections.spawn(connect(near, Arc::clone(&target), line.clone()));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Ends when either side does, or when the line is cut.
async fn connect(near: TcpStream, target: Arc<str>, line: watch::Receiver<Line>) {
    if *line.borrow() == Line::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(&*target).await else { return };
    // Small messages are answered by small messages here; a delay would be ours and not the line's.
    near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).unwrap_or_default();
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let mut cut = line.clone();
    tokio::select! {
        () = carry(near_read, far_write, line.clone(), false) => {}
        () = carry(far_read, near_write, line, true) => {}
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    is_answer: bool,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let slow = match *line.borrow() {
            Line::Slow(bytes_per_second) => Some(bytes_per_second.max(20)),
            _ => None,
        };
        // Twenty portions a second.
        let portion = slow.map_or(CHUNK_BYTES, |rate| (rate as usize / 20).min(CHUNK_BYTES));
        let Ok(read) = from.read(&mut chunk[..portion]).await else { return };
        if read == 0 {
            return;
        }
        if line.wait_for(|line| *line != Line::Silent).await.is_err() {
            return;
        }
        if is_answer && *line.borrow() == Line::Unanswered {
            return;
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
        if slow.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that repeats what it hears, and says how much it heard.
    async fn echo() -> (String, watch::Receiver<usize>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (heard, seen) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut chunk = [0; 64];
                while let Ok(read @ 1..) = socket.read(&mut chunk).await {
                    heard.send_modify(|sum| *sum += read);
                    if socket.write_all(&chunk[..read]).await.is_err() {
                        break;
                    }
                }
            }
        });
        (address, seen, tasks)
    }

    async fn asked(socket: &mut TcpStream) -> std::io::Result<usize> {
        socket.write_all(b"ping").await?;
        socket.read(&mut [0; 8]).await
    }

    #[tokio::test]
    async fn each_line_does_what_it_is_called_for() {
        let (address, mut heard, _server) = echo().await;
        let proxy = Proxy::to(&address).expect("a proxy");
        let mut socket = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(asked(&mut socket).await.expect("an answer"), 4);

        proxy.set(Line::Silent);
        socket.write_all(b"ping").await.expect("the near end takes it");
        let mut chunk = [0; 8];
        let silence = tokio::time::timeout(Duration::from_millis(300), socket.read(&mut chunk));
        assert!(silence.await.is_err(), "nothing may pass a silent line");
        proxy.set(Line::Good);
        assert_eq!(socket.read(&mut chunk).await.expect("it was only late"), 4);

        proxy.set(Line::Unanswered);
        let before = *heard.borrow();
        assert!(!matches!(asked(&mut socket).await, Ok(1..)), "the answer was swallowed");
        heard.wait_for(|heard| *heard == before + 4).await.expect("the question had arrived");

        proxy.set(Line::Good);
        let mut socket = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(asked(&mut socket).await.expect("an answer"), 4);
        proxy.set(Line::Cut);
        assert!(!matches!(socket.read(&mut chunk).await, Ok(1..)));
    }
}
