//! What the program needs, made from what was typed; every mistake is reported at once.

use std::path::PathBuf;
use std::time::Duration;

use service::redacted::Secret;
use url::Url;

use crate::args::Args;

/// More often a second than a person or a pipeline can use.
const RATE_MAX: f64 = 50.0;
const RATE_MIN: f64 = 0.01;

/// Everything the program needs.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) ticker: String,
    pub(crate) is_compact: bool,
    pub(crate) every: Duration,
    pub(crate) ndjson: Option<PathBuf>,
    pub(crate) changes_max: Option<u64>,
    pub(crate) url: Url,
    pub(crate) admin_token: Secret,
}

impl Config {
    /// Checks what was typed.
    ///
    /// # Errors
    /// Every problem at once, one line each.
    pub fn from_args(args: &Args) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if args.ticker.is_empty() || args.ticker.len() > 128 || !args.ticker.bytes().all(allowed) {
            problems.push(format!("--ticker: {:?} is not a ticker", args.ticker));
        }
        let rate = args.rate.trim().parse::<f64>().unwrap_or(0.0);
        let rate_is_right = (RATE_MIN..=RATE_MAX).contains(&rate);
        if !rate_is_right {
            let text = &args.rate;
            problems
                .push(format!("--rate: {text:?} is not a number from {RATE_MIN} to {RATE_MAX}"));
        }
        let changes = args.changes.trim().parse::<u64>();
        if changes.is_err() {
            problems.push(format!("--changes: {:?} is not a whole number", args.changes));
        }
        let url = Url::parse(args.url.trim()).ok();
        // It is shown in errors, so it holds no password; the wrong one is not repeated either.
        let is_open = |url: &Url| url.username().is_empty() && url.password().is_none();
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let url = url.filter(|url| is_http(url) && is_open(url));
        if url.is_none() {
            problems.push("--url: is not an http:// address without user and password".to_owned());
        }
        match url {
            Some(url) if problems.is_empty() => Ok(Self {
                ticker: args.ticker.clone(),
                is_compact: args.compact,
                every: Duration::from_secs_f64(1.0 / rate),
                ndjson: args.ndjson.clone(),
                changes_max: changes.ok().filter(|changes| *changes > 0),
                url,
                admin_token: args.admin_token.clone(),
            }),
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let typed = ["v", "--ticker=a b", "--rate=0", "--changes=x", "--url=db:8080"];
        let args = Args::try_parse_from(typed).expect("known flags");
        let problems = Config::from_args(&args).expect_err("all wrong");
        for (problem, name) in problems.iter().zip(["--ticker", "--rate", "--changes", "--url"]) {
            assert!(problem.starts_with(name), "{problem}");
        }
        assert_eq!(problems.len(), 4);
        let args = Args::try_parse_from(["v", "--ticker=KXA-1", "--rate=4"]).expect("known flags");
        let config = Config::from_args(&args).expect("right");
        assert_eq!((config.every, config.changes_max), (Duration::from_millis(250), None));
    }
}
