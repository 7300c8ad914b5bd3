//! Query strings as the exchange reads them: repeated keys, limits, opaque cursors.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

/// The parameters of one request, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(key), unescape(value))
        });
        Self(decoded.collect())
    }

    /// The value of a key, if it is there and not empty.
    pub(crate) fn one(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// `limit`, or the body the exchange answers when it is out of bounds; 0 is the default.
    #[expect(clippy::result_large_err, reason = "a response is what the caller returns at once")]
    pub(crate) fn limit(&self, call: &str, default: usize, max: usize) -> Result<usize, Response> {
        let Some(text) = self.one("limit") else { return Ok(default) };
        match text.parse::<usize>() {
            Ok(0) => Ok(default),
            Ok(limit) if limit <= max => Ok(limit),
            _ => {
                let problem = format!(
                    "Parameter validation failed for {call}: Key: '{call}Params.Limit' \
                     Error:Field validation for 'Limit' failed on the 'lte' tag"
                );
                Err((StatusCode::BAD_REQUEST, Json(json!({"msg": problem}))).into_response())
            }
        }
    }
}

pub(crate) fn cursor_of(position: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("p{position}"))
}

/// `None` for garbage: the exchange answers with the first page then.
pub(crate) fn position_of(cursor: Option<&str>) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor?).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix('p')?.parse().ok()
}

fn unescape(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_repeat_and_values_may_be_escaped() {
        let query = Query::parse(Some("tickers=A&tickers=B%2CC&status=&x"));
        assert_eq!(query.all("tickers"), ["A", "B,C"]);
        assert_eq!(query.one("status"), None);
    }

    #[test]
    fn a_garbage_cursor_is_no_cursor() {
        assert_eq!(position_of(Some(&cursor_of(42))), Some(42));
        assert_eq!(position_of(Some("!!")), None);
        assert_eq!(position_of(None), None);
    }
}
