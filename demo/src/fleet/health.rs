//! What a program's health endpoint says, and requests to programs in general.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// A program on this machine answers at once, or is busy enough to be worth reporting.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The body of `/health`.
#[derive(Clone, Debug)]
pub struct Health(Value);

impl Health {
    /// Asks the program that listens at `addr`.
    ///
    /// # Errors
    /// When it does not answer with JSON.
    pub async fn of(addr: &str) -> anyhow::Result<Self> {
        // An unhealthy program answers with 503 and the same body.
        let url = format!("http://{addr}/health");
        let answer = client()?.get(&url).send().await.with_context(|| format!("GET {url}"))?;
        Ok(Self(answer.json().await.with_context(|| format!("GET {url}"))?))
    }

    /// The value at a JSON pointer; null where there is none.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The whole number at a JSON pointer; 0 where there is none.
    pub fn count(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_default()
    }

    /// The number at a JSON pointer, if there is one.
    pub fn measure(&self, pointer: &str) -> Option<f64> {
        self.at(pointer).as_f64()
    }

    /// The text at a JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The entries of the list at a JSON pointer.
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Everything, as text.
    pub fn whole(&self) -> String {
        self.0.to_string()
    }
}

/// A client for the programs of the run.
///
/// # Errors
/// When it cannot be made.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    // The first call decides; later ones find it done.
    rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
    let builder = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy();
    // The simulator's certificate is made for the run; what it guards here is a loopback.
    Ok(builder.tls_danger_accept_invalid_certs(true).build()?)
}

/// What a program says on `/metrics`.
#[derive(Clone, Debug)]
pub struct Scraped(String);

impl Scraped {
    /// Asks the program that serves metrics at `addr`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn of(addr: &str) -> anyhow::Result<Self> {
        let url = format!("http://{addr}/metrics");
        let answer = client()?.get(&url).send().await.with_context(|| format!("GET {url}"))?;
        Ok(Self(answer.text().await.with_context(|| format!("GET {url}"))?))
    }

    /// The sum of every series of `name` whose labels hold `label` (empty: of every one).
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let series = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        series.sum()
    }
}
