//! Asks the gatherers, one after the other, to poll a market.

use crate::config::Config;

/// What the first gatherer that did it said.
pub(crate) struct Answer {
    pub(crate) gatherer: String,
    pub(crate) yes_levels: u64,
    pub(crate) no_levels: u64,
}

/// How the asking went.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) answer: Option<Answer>,
    /// Why each of the others did not.
    pub(crate) refusals: Vec<String>,
}

/// `POST /admin/poll-market?ticker=...` at each gatherer until one stores the book.
pub(crate) async fn poll(http: &reqwest::Client, config: &Config, ticker: &str) -> Asked {
    let mut asked = Asked::default();
    for (name, url) in &config.gatherers {
        let url = format!("{}/admin/poll-market", url.as_str().trim_end_matches('/'));
        let request =
            http.post(&url).query(&[("ticker", ticker)]).bearer_auth(config.admin_token.expose());
        match said(request).await {
            Ok(body) => {
                let count = |what: &str| body[what].as_u64().unwrap_or_default();
                asked.answer = Some(Answer {
                    gatherer: name.clone(),
                    yes_levels: count("yes_levels"),
                    no_levels: count("no_levels"),
                });
                return asked;
            }
            Err(why) => asked.refusals.push(format!("{name}: {why}")),
        }
    }
    asked
}

async fn said(request: reqwest::RequestBuilder) -> Result<serde_json::Value, String> {
    let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    let body = answer.text().await.map_err(|error| error.without_url().to_string())?;
    if status.is_success() {
        return serde_json::from_str(&body).map_err(|error| error.to_string());
    }
    Err(format!("{status}: {}", exchange::rest_error_text(&body)))
}
