//! What went wrong at a store, in the categories that logs, metrics and the runbooks share.

use std::fmt;

/// Why a statement failed, as far as an operator's next step depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Category {
    /// The server refused for lack of memory (code 241).
    MemoryLimit,
    /// Nobody listens there, or the connection was reset.
    ConnectionRefused,
    /// The host's name has no address.
    DnsResolution,
    /// No answer in time; what was sent may or may not have been stored.
    Timeout,
    /// The server holds too many parts for now (code 252).
    TooManyParts,
    /// The rows or the table are not as they must be; sending again will not help by itself.
    Constraint,
    /// User or password is wrong, or a right is missing.
    Denied,
    /// Anything else.
    Other,
}

impl Category {
    /// The word in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryLimit => "memory_limit",
            Self::ConnectionRefused => "connection_refused",
            Self::DnsResolution => "dns_resolution",
            Self::Timeout => "timeout",
            Self::TooManyParts => "too_many_parts",
            Self::Constraint => "constraint",
            Self::Denied => "denied",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A statement that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be used at all.
    #[error("CLICKHOUSE_URL {url:?} is not an http:// or https:// address")]
    BadUrl {
        /// As given, without user or password.
        url: String,
    },
    /// The system's root certificates could not be read.
    #[error("cannot read the system's root certificates")]
    Roots(#[source] std::io::Error),
    /// The server answered with an error or not at all.
    #[error("clickhouse: {doing} failed ({category})")]
    Statement {
        /// What we were doing, such as `insert into trades`.
        doing: String,
        /// Its kind.
        category: Category,
        /// The client's error.
        source: clickhouse::error::Error,
    },
    /// How a batch is cut could not be written down; nothing was sent.
    #[error("cannot write down how a batch is cut: {0:#}")]
    Pieces(anyhow::Error),
    /// The database's migrations do not fit this program.
    #[error(transparent)]
    Schema(#[from] schema::SchemaError),
}

impl StoreError {
    /// An error met while `doing` something.
    pub(crate) fn statement(doing: impl Into<String>, source: clickhouse::error::Error) -> Self {
        Self::Statement { doing: doing.into(), category: categorise(&source), source }
    }

    /// The error's kind.
    pub fn category(&self) -> Category {
        match self {
            Self::Statement { category, .. } => *category,
            Self::BadUrl { .. } | Self::Roots(_) | Self::Pieces(_) | Self::Schema(_) => {
                Category::Other
            }
        }
    }
}

/// The number behind the first `Code: ` in a server's text: ClickHouse puts it anywhere.
fn server_code(text: &str) -> Option<u32> {
    let digits = text.split("Code: ").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn categorise(error: &clickhouse::error::Error) -> Category {
    use clickhouse::error::Error;
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if matches!(error, Error::TimedOut) {
        return Category::Timeout;
    }
    categorise_text(&text)
}

fn categorise_text(text: &str) -> Category {
    match server_code(text) {
        Some(241) => return Category::MemoryLimit,
        Some(252) => return Category::TooManyParts,
        Some(159 | 160 | 209) => return Category::Timeout,
        Some(192..=195 | 497 | 516) => return Category::Denied,
        Some(
            16 | 20 | 26 | 27 | 33 | 38 | 41 | 53 | 60 | 62 | 69 | 70 | 72 | 117 | 321 | 349 | 469,
        ) => {
            return Category::Constraint;
        }
        Some(_) => return Category::Other,
        None => {}
    }
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["dns error", "failed to lookup", "name or service not known"]) {
        Category::DnsResolution
    } else if says(&["timed out", "timeout"]) {
        Category::Timeout
    } else if says(&["connection refused", "connect", "reset by peer", "closed", "broken pipe"]) {
        Category::ConnectionRefused
    } else if says(&["schema mismatch", "column"]) {
        Category::Constraint
    } else {
        Category::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fall_into_the_runbooks_categories() {
        for (text, expected) in [
            ("bad response: Code: 241. DB::Exception: (total) memory limit", Category::MemoryLimit),
            ("x Code: 252. DB::Exception: Too many parts", Category::TooManyParts),
            ("Code: 516. DB::Exception: default: Authentication failed", Category::Denied),
            ("Code: 469. DB::Exception: Constraint violated", Category::Constraint),
            ("network error: tcp connect error: Connection refused", Category::ConnectionRefused),
            ("network error: dns error: failed to lookup address", Category::DnsResolution),
            ("Code: 999. DB::Exception", Category::Other),
        ] {
            assert_eq!(categorise_text(text), expected, "{text}");
        }
    }
}
