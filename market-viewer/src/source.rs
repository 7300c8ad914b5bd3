//! Asks the deduplicator for the book.

use std::time::Duration;

use anyhow::Context as _;
use url::Url;

use crate::book::{Answer, Book};
use crate::config::Config;

/// The deduplicator answers within a batch, or is stuck.
const ANSWER_MAX: Duration = Duration::from_secs(6);

/// Where the book comes from.
pub(crate) struct Source {
    http: reqwest::Client,
    url: Url,
    token: service::redacted::Secret,
}

/// How a question was answered.
pub(crate) enum Told {
    /// With a book.
    Book(Box<Answer>, Box<Book>),
    /// The deduplicator is there and will not answer this ever.
    Refused(String),
    /// Not now.
    Problem(String),
}

impl Source {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        // The one provider we link; a second call in one process changes nothing.
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        let http = reqwest::Client::builder()
            .timeout(ANSWER_MAX)
            .connect_timeout(ANSWER_MAX)
            .tcp_nodelay(true)
            .build()
            .context("cannot make an HTTP client")?;
        let mut url = config.url.clone();
        let path = format!("{}/book/{}", url.path().trim_end_matches('/'), config.ticker);
        url.set_path(&path);
        Ok(Self { http, url, token: config.admin_token.clone() })
    }

    pub(crate) async fn ask(&self) -> Told {
        let mut request = self.http.get(self.url.clone());
        if !self.token.is_empty() {
            request = request.bearer_auth(self.token.expose());
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = if error.is_timeout() { "no answer in time" } else { "cannot connect" };
                return Told::Problem(format!("{}: {why}", self.url));
            }
        };
        let status = answer.status();
        let body = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            let said = format!("{}: {status}: {}", self.url, body.trim());
            return if status.is_client_error() {
                Told::Refused(said)
            } else {
                Told::Problem(said)
            };
        }
        let answer: Answer = match serde_json::from_str(&body) {
            Ok(answer) => answer,
            Err(error) => return Told::Refused(format!("{}: {error}", self.url)),
        };
        match Book::read(&answer) {
            Ok(book) => Told::Book(Box::new(answer), Box::new(book)),
            Err(error) => Told::Refused(format!("{}: {error}", self.url)),
        }
    }
}
