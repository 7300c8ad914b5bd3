//! Public requests to the exchange's REST interface, without a key; one at a time, and slowly
//! enough that an address may ask so for ever.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use exchange::rest::Request;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::config;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A page of a thousand markets takes a second or two on a bad day.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Between two requests: five a second, a quarter of what the smallest account may.
const PAUSE: Duration = Duration::from_millis(200);

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
        tokio::time::sleep(PAUSE).await;
        let failed = || format!("cannot ask {}{} (REST_URL)", self.host, request.path());
        let url = format!("{}{}", self.host, request.target());
        let answer = self.http.get(url).send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(failed)?;
        let status = answer.status();
        let body = answer.text().await.map_err(reqwest::Error::without_url);
        let body = body.with_context(failed)?;
        if !status.is_success() {
            let said = exchange::rest_error_text(&body);
            anyhow::bail!("{}{} answered {status}: {said}", self.host, request.path());
        }
        Ok(body)
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
