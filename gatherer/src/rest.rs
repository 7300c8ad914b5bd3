//! Asks the exchange's REST interface: signed, with limits, and with errors that say whether asking again may help.

use std::{sync::Arc, time::Duration};

use service::clock::Clock;
use url::Url;

use crate::{config::Venue, tls};

/// A dial, and a whole answer: a page of a thousand markets takes a second or two on a bad day.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The exchange's REST interface.
#[derive(Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: Url,
    signer: Arc<exchange::Signer>,
    clock: Clock,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    #[error("no answer from {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} answered {status}: {said}")]
    Refused { url: String, status: u16, said: String },
    #[error("cannot sign a request")]
    Sign(#[from] exchange::SignError),
}

impl RestError {
    /// Whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Sign(_) => false,
        }
    }
}

/// An answer of any status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    url: String,
}

impl Rest {
    pub(crate) fn new(
        venue: &Venue,
        signer: Arc<exchange::Signer>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(venue.ca_file.as_deref())?)
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, base: venue.rest_url.clone(), signer, clock })
    }

    /// The body of a successful answer.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<String, RestError> {
        let answer = self.ask(path, query).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let said = exchange::rest_error_text(&answer.body);
        Err(RestError::Refused { url: answer.url, status: answer.status, said })
    }

    /// Any answer, whatever its status.
    pub(crate) async fn ask(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, RestError> {
        let mut url = self.base.clone();
        let whole = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        let shown = url.to_string();
        let millis = self.clock.wall_ns().div_euclid(1_000_000);
        let mut request = self.http.get(url).query(query);
        for (name, value) in self.signer.headers(millis, "GET", &whole)? {
            request = request.header(name, value);
        }
        let unreachable = |source: reqwest::Error| RestError::Unreachable {
            url: shown.clone(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.text().await.map_err(unreachable)?;
        Ok(Answer { status, body, url: shown })
    }
}
