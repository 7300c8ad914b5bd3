//! Opens one WebSocket to the exchange: TCP, TLS, signed handshake. What is said on it is `socket`'s.

use std::{io, sync::Arc, time::Duration};

use proto::limits::FRAME_BYTES_MAX;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use service::clock::Clock;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest as _,
        handshake::client::Request,
        http::{HeaderName, HeaderValue, header},
        protocol::WebSocketConfig,
    },
};
use url::Url;

use crate::{config::Venue, tls};

/// From the first packet to the last of the handshake: a venue that takes longer is tried again.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How to reach the exchange's WebSocket.
pub(crate) struct Dialer {
    url: Url,
    hostname: Option<String>,
    user_agent: String,
    tls: TlsConnector,
    signer: Arc<exchange::Signer>,
    clock: Clock,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot reach {host}:{port}")]
    Tcp { host: String, port: u16, source: io::Error },
    #[error("TLS with {name} failed")]
    Tls { name: String, source: io::Error },
    #[error("{0:?} is no name for TLS")]
    Name(String, #[source] InvalidDnsNameError),
    #[error("cannot sign the handshake")]
    Sign(#[from] exchange::SignError),
    #[error("the exchange refused the handshake with {status}: {said}")]
    Refused { status: u16, said: String },
    #[error("the WebSocket handshake failed")]
    Handshake(#[source] Box<tungstenite::Error>),
    #[error("a header of the handshake cannot be sent: {0}")]
    Header(String),
    #[error("no connection within {DIAL_MAX:?}")]
    Slow,
}

impl Dialer {
    /// # Errors
    /// When CA_FILE is not usable.
    pub(crate) fn new(
        venue: &Venue,
        gatherer_id: &str,
        signer: Arc<exchange::Signer>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            url: venue.ws_url.clone(),
            hostname: venue.ws_hostname.clone(),
            user_agent: format!("kalshi-gatherer/{gatherer_id}"),
            tls: TlsConnector::from(Arc::new(tls::client(venue.ca_file.as_deref())?)),
            signer,
            clock,
        })
    }

    /// Where it dials, for the record of a session.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Opens a connection.
    pub(crate) async fn dial(&self) -> Result<Socket, DialError> {
        timeout(DIAL_MAX, self.connect()).await.map_err(|_| DialError::Slow)?
    }

    async fn connect(&self) -> Result<Socket, DialError> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.url.port_or_known_default().unwrap_or(443);
        let tcp = async {
            let tcp = TcpStream::connect((&*host, port)).await?;
            tcp.set_nodelay(true)?;
            Ok(tcp)
        };
        let tcp =
            tcp.await.map_err(|source| DialError::Tcp { host: host.clone(), port, source })?;
        let stream = if self.url.scheme() == "wss" {
            MaybeTlsStream::Rustls(self.secure(tcp, host).await?)
        } else {
            MaybeTlsStream::Plain(tcp)
        };
        // Signed at the last moment: a signature is good for seconds.
        let request = self.request()?;
        match client_async_with_config(request, stream, Some(limits())).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(DialError::Refused {
                status: response.status().as_u16(),
                said: said(response.body().as_deref().unwrap_or_default()),
            }),
            Err(error) => Err(DialError::Handshake(Box::new(error))),
        }
    }

    async fn secure(
        &self,
        tcp: TcpStream,
        host: String,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, DialError> {
        let name = self.hostname.clone().unwrap_or(host);
        let server = ServerName::try_from(name.clone())
            .map_err(|source| DialError::Name(name.clone(), source))?;
        self.tls.connect(server, tcp).await.map_err(|source| DialError::Tls { name, source })
    }

    fn request(&self) -> Result<Request, DialError> {
        let failed = |error: tungstenite::Error| DialError::Handshake(Box::new(error));
        let mut request = self.url.as_str().into_client_request().map_err(failed)?;
        let mut put = |name: &str, value: &str| -> Result<(), DialError> {
            let bad = || DialError::Header(name.to_owned());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            request.headers_mut().insert(header, value);
            Ok(())
        };
        if let Some(name) = &self.hostname {
            put(header::HOST.as_str(), name)?;
        }
        put(header::USER_AGENT.as_str(), &self.user_agent)?;
        let millis = self.clock.wall_ns().div_euclid(1_000_000);
        for (name, value) in self.signer.headers(millis, "GET", self.url.path())? {
            put(name, &value)?;
        }
        Ok(request)
    }
}

/// No message may be longer than what the spool takes.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

fn said(body: &[u8]) -> String {
    exchange::rest_error_text(&String::from_utf8_lossy(body))
}
