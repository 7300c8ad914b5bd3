//! The generated client and server, with the limits of [`crate::limits`] already set.
//!
//! Streams carry [`WireRequest`] and [`WireReply`], which nobody looks into: make them with `into`, read them with
//! `try_into`, which checks.

use std::time::Duration;

use tonic::{
    codec::CompressionEncoding,
    transport::{self, Channel, Endpoint, Server},
};

use crate::{limits, tls::Tls, wire};

pub use wire::{
    FollowReply as WireReply, FollowRequest as WireRequest, gatherer_client::GathererClient,
    gatherer_server::Gatherer, gatherer_server::GathererServer,
};

/// A peer that answers no ping for this long is gone; well below the silence limits.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How to reach a gatherer: windows, TCP_NODELAY, pings and a limit for the dial; by TLS where the URL is `https`.
pub fn endpoint(url: String, tls: Option<&Tls>) -> Result<Endpoint, transport::Error> {
    let tls = tls.filter(|_| url.starts_with("https:"));
    let endpoint = Endpoint::from_shared(url)?
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .keep_alive_while_idle(true)
        .connect_timeout(PING_EVERY);
    match tls {
        Some(tls) => endpoint.tls_config(tls.client()),
        None => Ok(endpoint),
    }
}

/// A client that takes batches of the greatest size, packed or not.
pub fn client(channel: Channel) -> GathererClient<Channel> {
    GathererClient::new(channel)
        .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .accept_compressed(CompressionEncoding::Zstd)
}

/// A service that takes requests of a bounded size.
pub fn service<T: Gatherer>(gatherer: T) -> GathererServer<T> {
    GathererServer::new(gatherer)
        .max_decoding_message_size(limits::REQUEST_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
}

/// A server with our windows, pings, and no more streams a connection than allowed.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::STREAMS_MAX as u32)
        .http2_max_header_list_size(limits::HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_EVERY))
}
