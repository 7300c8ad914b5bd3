//! Moves bytes between one socket and its session: a reader and a writer, ended together.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    clock,
    hub::Shared,
    session::{Peer, Take},
    wire::{Decoder, Incoming},
};

type Io = TokioIo<hyper::upgrade::Upgraded>;

/// What a writer keeps of the room that a slow moment of its client took.
const KEPT_BYTES: usize = 1 << 20;

/// A connection whose handshake was accepted.
pub(crate) struct Upgraded {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) peer: Peer,
}

/// Runs every connection until the last sender of new ones is gone and all have ended.
pub(crate) async fn serve_all(mut arriving: mpsc::Receiver<Upgraded>, hub: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            arrived = arriving.recv() => match arrived {
                Some(upgraded) => {
                    connections.spawn(serve(upgraded, Arc::clone(&hub)));
                }
                None => break,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(upgraded: Upgraded, hub: Arc<Shared>) {
    let Ok(io) = upgraded.upgrade.await else { return };
    let (reader, writer) = tokio::io::split(TokioIo::new(io));
    let now = clock::now();
    let (index, wake, cut) = {
        let mut hub = hub.lock();
        let index = hub.attach(upgraded.peer, now);
        let Some(session) = hub.sessions.get(&index) else { return };
        (index, Arc::clone(&session.wake), Arc::clone(&session.cut))
    };
    tracing::debug!(index, "connection opened");
    tokio::select! {
        () = cut.notified() => {}
        () = write(writer, index, &hub, &wake) => {}
        () = read(reader, index, &hub) => {}
    }
    hub.lock().detach(index);
    tracing::debug!(index, "connection ended");
}

async fn write(mut writer: WriteHalf<Io>, index: u32, hub: &Shared, wake: &Notify) {
    let mut bytes = Vec::new();
    loop {
        let take = hub.lock().take(index, &mut bytes, clock::now().at);
        match take {
            Take::Write => {
                if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
                bytes.clear();
                bytes.shrink_to(KEPT_BYTES);
            }
            Take::Wait => wake.notified().await,
            Take::Sleep(time) => tokio::time::sleep(time).await,
            Take::Finish => {
                // The peer may be gone already; there is nothing left to tell it.
                drop(writer.shutdown().await);
                return;
            }
        }
    }
}

/// Ends when the client has gone or cannot be understood.
async fn read(mut reader: ReadHalf<Io>, index: u32, hub: &Shared) {
    let (mut decoder, mut bytes) = (Decoder::default(), vec![0; 16 << 10]);
    loop {
        let read = match reader.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        decoder.feed(&bytes[..read]);
        loop {
            let message = match decoder.next() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(index, %error, "client broke the WebSocket protocol");
                    return;
                }
            };
            let now = clock::now();
            let mut hub = hub.lock();
            match message {
                Incoming::Text(text) => hub.hear(index, &text, now),
                Incoming::Pong => {}
                Incoming::Ping(payload) => {
                    if let Some(session) = hub.sessions.get_mut(&index) {
                        session.pong(&payload);
                        session.wake_writer();
                    }
                }
                Incoming::Close => {
                    if let Some(session) = hub.sessions.get_mut(&index) {
                        session.close(1000);
                        session.wake_writer();
                    }
                }
            }
        }
    }
}
