//! Public requests to the exchange's REST interface, without a key; one at a time, and slowly
//! enough that an address may ask so for ever.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use exchange::rest::Request;
use reqwest::StatusCode;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::config;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A page of a thousand markets takes a second or two on a bad day.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Between two requests: five a second, a quarter of what the smallest account may.
const PAUSE: Duration = Duration::from_millis(200);
/// Before it is asked again after "too many requests", or while it is not available.
const PAUSE_MAX: Duration = Duration::from_secs(13);
const TRIES_MAX: u32 = 5;

/// The interface.
pub(crate) struct Rest {
    http: reqwest::Client,
    /// Scheme and host: requests carry the root path.
    host: String,
}

impl Rest {
    pub(crate) fn new(config: &config::Rest) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(config.ca_file.as_deref())?)
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .build()?;
        let host = config.url.strip_suffix(exchange::rest::API_ROOT).unwrap_or(&config.url);
        Ok(Self { http, host: host.to_owned() })
    }

    /// The body of a good answer.
    pub(crate) async fn get(&self, request: &Request) -> anyhow::Result<String> {
        let told = self.ask(request).await?;
        told.with_context(|| format!("{}{} does not exist", self.host, request.path()))
    }

    /// The body of a good answer; `None`: the exchange knows nothing of what was asked about.
    pub(crate) async fn find(&self, request: &Request) -> anyhow::Result<Option<String>> {
        self.ask(request).await
    }

    /// Patient: an exchange that has had enough is asked again, later and later, before a round is given up.
    async fn ask(&self, request: &Request) -> anyhow::Result<Option<String>> {
        let mut pause = PAUSE;
        for tried in 1.. {
            tokio::time::sleep(pause).await;
            let (status, body) = self.once(request).await?;
            if status.is_success() {
                return Ok(Some(body));
            }
            let error = exchange::RestError::of(status.as_u16(), &body);
            if error == exchange::RestError::NotFound {
                return Ok(None);
            }
            if !error.is_transient() || tried == TRIES_MAX {
                let said = exchange::rest_error_text(&body);
                anyhow::bail!("{}{} answered {status}: {said}", self.host, request.path());
            }
            pause = (pause * 4).min(PAUSE_MAX);
        }
        unreachable!("the loop ends by itself")
    }

    async fn once(&self, request: &Request) -> anyhow::Result<(StatusCode, String)> {
        let failed = || format!("cannot ask {}{} (REST_URL)", self.host, request.path());
        let url = format!("{}{}", self.host, request.target());
        let answer = self.http.get(url).send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(failed)?;
        let status = answer.status();
        let body = answer.text().await.map_err(reqwest::Error::without_url);
        Ok((status, body.with_context(failed)?))
    }
}

/// The machine's certificate authorities, and those of CA_FILE.
fn tls(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let failed = || format!("CA_FILE {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(failed)? {
            roots.add(certificate.with_context(failed)?).with_context(failed)?;
        }
    }
    Ok(ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .context("ring supports TLS 1.2 and 1.3")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
