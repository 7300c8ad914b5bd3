//! Asks the exchange's REST interface: signed, within the account's limits, and with errors that say whether asking again
//! may help.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exchange::{
    Moment,
    rest::{API_ROOT, AccountLimits, BadBody, Request, request},
};
use service::clock::Clock;
use tokio::time::sleep;
use url::Url;

use crate::{budget::Budget, config::Venue, telemetry, tls};

/// A dial, and a whole answer: a page of a thousand markets takes a second or two on a bad day.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A request that meets "too many requests" so often is given up; the silence between grows.
const TRIES_MAX: u32 = 8;

/// The exchange's REST interface.
#[derive(Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    /// Scheme, host and port, and what a proxy puts before the exchange's own path.
    base: Url,
    signer: Arc<exchange::Signer>,
    clock: Clock,
    budget: Arc<Mutex<Budget>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    #[error("no answer from {url}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} answered")]
    Refused { url: String, source: exchange::RestError },
    #[error("cannot sign a request")]
    Sign(#[from] exchange::SignError),
    #[error("{url}")]
    Strange { url: String, source: BadBody },
}

impl RestError {
    /// Whether the exchange does not know what was asked about.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { source: exchange::RestError::NotFound, .. })
    }

    /// Whether the request itself is refused, whoever makes it.
    pub(crate) fn is_of_the_request(&self) -> bool {
        use exchange::RestError::{NotFound, Refused};
        let Self::Refused { source, .. } = self else { return false };
        matches!(source, NotFound | Refused { .. }) && !source.is_transient()
    }

    /// Whether the exchange refuses our key, and so whatever we ask.
    pub(crate) fn is_of_the_key(&self) -> bool {
        matches!(self, Self::Refused { .. }) && !self.is_of_the_request() && !self.is_transient()
            || matches!(self, Self::Sign(_))
    }

    /// Whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Strange { .. } => true,
            Self::Refused { source, .. } => source.is_transient(),
            Self::Sign(_) => false,
        }
    }
}

/// An answer of any status.
struct Answer {
    status: u16,
    body: String,
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
        let mut base = venue.rest_url.clone();
        let path = base.path().trim_end_matches('/');
        let before = path.strip_suffix(API_ROOT).unwrap_or(path).to_owned();
        base.set_path(&before);
        let budget = Budget::new(venue.rest_percent, clock.wall_ns().cast_unsigned());
        Ok(Self { http, base, signer, clock, budget: Arc::new(Mutex::new(budget)) })
    }

    /// The meaning of a successful answer.
    pub(crate) async fn get<T>(
        &self,
        request: &Request,
        read: impl FnOnce(&str) -> Result<T, BadBody>,
    ) -> Result<T, RestError> {
        let (url, body) = self.body(request).await?;
        read(&body).map_err(|source| RestError::Strange { url, source })
    }

    /// From where, and the body of a successful answer.
    pub(crate) async fn body(&self, request: &Request) -> Result<(String, String), RestError> {
        for tried in 1.. {
            let answer = self.ask(request).await?;
            if (200..300).contains(&answer.status) {
                return Ok((answer.url, answer.body));
            }
            let source = exchange::RestError::of(answer.status, &answer.body);
            if source == exchange::RestError::TooManyRequests {
                let silence = self.budget(|budget, now| budget.refused(now));
                telemetry::markets::rest_limited(silence);
                if tried < TRIES_MAX {
                    continue;
                }
            }
            return Err(RestError::Refused { url: answer.url, source });
        }
        unreachable!("the loop ends by returning")
    }

    /// The meaning of an answer whose body counts whatever its status.
    pub(crate) async fn whatever<T>(
        &self,
        request: &Request,
        read: impl FnOnce(&str) -> Result<T, BadBody>,
    ) -> Result<T, RestError> {
        let answer = self.ask(request).await?;
        if answer.status == 429 {
            telemetry::markets::rest_limited(self.budget(|budget, now| budget.refused(now)));
            let source = exchange::RestError::TooManyRequests;
            return Err(RestError::Refused { url: answer.url, source });
        }
        let url = answer.url;
        read(&answer.body).map_err(|source| RestError::Strange { url, source })
    }

    /// Asks what the account may spend, and keeps to this gatherer's part of it.
    pub(crate) async fn learn_limits(&self) -> Result<AccountLimits, RestError> {
        let limits = self.get(&request::account_limits(), exchange::rest::account_limits).await?;
        self.budget(|budget, _| budget.set(limits.read));
        Ok(limits)
    }

    fn budget<T>(&self, act: impl FnOnce(&mut Budget, Moment) -> T) -> T {
        let now = Moment::from_nanos(self.clock.mono_ns());
        // Never left half-changed, so a panic elsewhere takes nothing from it.
        act(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    async fn ask(&self, request: &Request) -> Result<Answer, RestError> {
        loop {
            match self.budget(Budget::pay) {
                Duration::ZERO => break,
                wait => sleep(wait).await,
            }
        }
        let target = request.target();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let shown = url.to_string();
        url.set_query(query);
        let millis = self.clock.wall_ns().div_euclid(1_000_000);
        let mut sent = self.http.get(url);
        for (name, value) in self.signer.headers(millis, "GET", request.path())? {
            sent = sent.header(name, value);
        }
        let unreachable = |source: reqwest::Error| RestError::Unreachable {
            url: shown.clone(),
            source: source.without_url(),
        };
        let response = sent.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.text().await.map_err(unreachable)?;
        Ok(Answer { status, body, url: shown })
    }
}
