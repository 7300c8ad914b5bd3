//! Turns single typed values into checked ones; a wrong one is noted and a stand-in returned, so that the next is
//! looked at too.

use std::{
    ffi::OsStr, fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration,
};

use url::Url;

/// What was found wrong so far, one line each.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Notes what is wrong with `name`.
    pub(crate) fn add(&mut self, name: &str, problem: impl Display) {
        self.0.push(format!("{name}: {problem}"));
    }

    /// Notes a line that names what it is about itself.
    pub(crate) fn line(&mut self, problem: String) {
        self.0.push(problem);
    }

    /// The value, if nothing was wrong.
    pub(crate) fn none_or<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// The value, or a note and the type's default.
pub(crate) fn or_default<T: Default, E: Display>(
    problems: &mut Problems,
    name: &str,
    parsed: Result<T, E>,
) -> T {
    parsed.unwrap_or_else(|error| {
        problems.add(name, error);
        T::default()
    })
}

/// A whole number within `allowed`.
pub(crate) fn number(
    problems: &mut Problems,
    name: &str,
    text: &str,
    allowed: RangeInclusive<u64>,
) -> u64 {
    match text.trim().parse::<u64>() {
        Ok(number) if allowed.contains(&number) => number,
        _ => {
            let (least, most) = allowed.into_inner();
            problems.add(name, format_args!("{text:?} must be a number from {least} to {most}"));
            least
        }
    }
}

/// Whole seconds within `allowed`.
pub(crate) fn seconds(
    problems: &mut Problems,
    name: &str,
    text: &str,
    allowed: RangeInclusive<u64>,
) -> Duration {
    Duration::from_secs(number(problems, name, text, allowed))
}

/// A number with its unit: s, m, h or d.
pub(crate) fn duration(problems: &mut Problems, name: &str, text: &str) -> Duration {
    let text = text.trim();
    let parsed = text.char_indices().last().and_then(|(at, unit)| {
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        text[..at].parse::<u64>().ok()?.checked_mul(seconds)
    });
    match parsed {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            problems.add(name, format_args!("{text:?} must be a time such as 90s, 30m, 24h or 7d"));
            Duration::ZERO
        }
    }
}

/// A URL of one of `schemes` with a host.
pub(crate) fn url(problems: &mut Problems, name: &str, text: &str, schemes: &[&str]) -> Url {
    let wanted = schemes.join(":// or ");
    match Url::parse(text.trim()) {
        // URLs are logged and shown: what is secret has settings of its own, and is not repeated here either.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            problems.add(name, "has a user or password in it, and would be logged with them");
        }
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => return url,
        Ok(_) => problems.add(name, format_args!("{text:?} must begin with {wanted}://")),
        Err(error) if text.contains('@') => problems.add(name, format_args!("not a URL ({error})")),
        Err(error) => problems.add(name, format_args!("{text:?} is not a URL ({error})")),
    }
    Url::parse("ws://127.0.0.1/wrong").expect("a constant URL")
}

/// An address to listen on.
pub(crate) fn address(problems: &mut Problems, name: &str, text: &str) -> SocketAddr {
    text.trim().parse().unwrap_or_else(|_| {
        problems.add(name, format_args!("{text:?} must be an address and port: 0.0.0.0:7070"));
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

/// A name that may stand in file names, labels and messages, as `proto` demands.
pub(crate) fn name(problems: &mut Problems, name: &str, text: &str) -> String {
    let text = text.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let length = 1..=proto::limits::NAME_BYTES_MAX;
    if !length.contains(&text.len()) || text.starts_with('.') || !text.bytes().all(allowed) {
        let most = length.end();
        let problem = format_args!("{text:?} must be 1 to {most} of A-Z a-z 0-9 - _ .");
        problems.add(name, problem);
    }
    text.to_owned()
}

/// A path that must be given.
pub(crate) fn path(problems: &mut Problems, name: &str, given: &OsStr) -> Option<PathBuf> {
    let path = optional_path(given);
    if path.is_none() {
        problems.add(name, "not set");
    }
    path
}

/// A path, if one is given.
pub(crate) fn optional_path(given: &OsStr) -> Option<PathBuf> {
    (!given.is_empty()).then(|| given.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let read = |text: &str| {
            let mut problems = Problems::default();
            let time = duration(&mut problems, "T", text);
            problems.none_or(time).map(|time| time.as_secs())
        };
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(read(text), Ok(seconds));
        }
        for wrong in ["", "5", "h", "-1h", "1.5h", "1µ", "999999999999999999d"] {
            assert!(read(wrong).is_err(), "{wrong} was taken");
        }
    }
}
