//! Reads single settings; what is wrong with one is noted and a harmless value comes back, so that
//! the next is looked at too.

use std::fmt::Display;

use schema::rows::GapState;
use url::Url;

use crate::hole::Selector;
use crate::times;

/// What was found wrong so far, one line each.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, name: &str, problem: impl Display) {
        self.0.push(format!("{name}: {problem}"));
    }

    /// The value, if nothing was wrong.
    pub(crate) fn none_or<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    pub(crate) fn url(&mut self, name: &str, text: &str) -> Url {
        match Url::parse(text.trim()) {
            // URLs are shown in errors: what is secret has settings of its own, and is not repeated.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.add(name, "has a user or password in it, and would be shown with them");
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => return url,
            Ok(_) => self.add(name, format_args!("{text:?} must begin with http:// or https://")),
            Err(error) => self.add(name, format_args!("not a URL ({error})")),
        }
        Url::parse("http://127.0.0.1/wrong").expect("a constant URL")
    }

    /// `east=http://host:port,west=...`
    pub(crate) fn gatherers(&mut self, name: &str, text: &str) -> Vec<(String, Url)> {
        let mut known: Vec<(String, Url)> = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.split_once('=') {
                Some((who, _)) if who.is_empty() || known.iter().any(|(other, _)| other == who) => {
                    self.add(name, format_args!("{who:?} is empty or stands there twice"));
                }
                Some((who, url)) => known.push((who.to_owned(), self.url(name, url))),
                None => self.add(name, "is not a list of NAME=http://host:port"),
            }
        }
        known
    }

    /// A time, if one was given.
    pub(crate) fn time(&mut self, name: &str, text: &str, now_ms: i64) -> Option<i64> {
        if text.trim().is_empty() {
            return None;
        }
        let time = times::parse(text, now_ms);
        if time.is_none() {
            let forms = "2026-11-21T08:00:00Z, 2026-11-21, an age such as 90m, 24h or 7d, or now";
            self.add(name, format_args!("{text:?} is not a time: {forms}"));
        }
        time
    }

    /// `FROM..TO`, if one was given.
    pub(crate) fn span(&mut self, name: &str, text: &str, now_ms: i64) -> Option<(i64, i64)> {
        if text.trim().is_empty() {
            return None;
        }
        let Some((from, to)) = text.split_once("..") else {
            self.add(name, format_args!("{text:?} is not FROM..TO"));
            return None;
        };
        let (from, to) = (self.time(name, from, now_ms)?, self.time(name, to, now_ms)?);
        if from >= to {
            self.add(name, format_args!("{text:?} ends before it begins"));
        }
        Some((from, to))
    }

    /// `all`, or states separated by commas.
    pub(crate) fn states(&mut self, name: &str, text: &str) -> Vec<GapState> {
        let all = [GapState::Open, GapState::Repaired, GapState::Permanent];
        let mut states = Vec::new();
        for word in text.split(',').map(str::trim) {
            match (word, all.iter().find(|state| crate::hole::state(**state) == word)) {
                ("all", _) => states.extend(all),
                (_, Some(state)) => states.push(*state),
                _ => self.add(
                    name,
                    format_args!("{word:?} is not a state: open, repaired, permanent, all"),
                ),
            }
        }
        states
    }

    pub(crate) fn selectors(&mut self, name: &str, typed: &[String]) -> Vec<Selector> {
        let read = |text: &String| Selector::parse(text).map_err(|why| self.add(name, why)).ok();
        typed.iter().filter_map(read).collect()
    }
}
