//! What an answer that is no success means.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// A body that is no JSON is quoted no longer than this.
const QUOTED_CHARS_MAX: usize = 200;

/// The body of an error, whichever of the four shapes it had.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorBody {
    /// `authentication_error`, `not_found`, ...
    pub code: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// `NOT_FOUND`, `INCORRECT_API_KEY_SIGNATURE`, ...
    pub details: Option<String>,
}

/// Why the exchange did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestError {
    /// 429: ask less often; there is no hint how long to wait.
    TooManyRequests,
    /// 401: our clock and the exchange's are more than some ten seconds apart.
    TimestampExpired,
    /// 401: the key does not belong to the id, or the signed text was another.
    WrongSignature,
    /// 401: the exchange does not know the key's id; demo and production keys are separate.
    UnknownKey,
    /// 401: a header is missing.
    SignatureMissing,
    /// 401 of another kind, or 403.
    Unauthorized(ErrorBody),
    /// 404.
    NotFound,
    /// 400 and the other 4xx: it will fail the same way again.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the exchange says.
        body: ErrorBody,
    },
    /// 5xx: the exchange's fault, or maintenance.
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// What the exchange says.
        body: ErrorBody,
    },
}

#[derive(Deserialize)]
struct Fields {
    code: Option<Value>,
    message: Option<String>,
    details: Option<String>,
}

impl ErrorBody {
    /// Reads `{"error":{code,message,details}}`, `{code,message,details}`, `{"msg":...}` or
    /// `{"error":"..."}`; anything else is quoted as the message.
    pub fn parse(body: &str) -> Self {
        let quoted = || {
            let text: String = body.trim().chars().take(QUOTED_CHARS_MAX).collect();
            Self { message: Some(text).filter(|text| !text.is_empty()), ..Self::default() }
        };
        let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(body) else {
            return quoted();
        };
        match (object.remove("error"), object.remove("msg")) {
            (Some(Value::String(message)), _) | (None, Some(Value::String(message))) => {
                Self { message: Some(message), ..Self::default() }
            }
            (Some(nested @ Value::Object(_)), _) => Self::of(nested).unwrap_or_else(quoted),
            _ => Self::of(Value::Object(object)).unwrap_or_else(quoted),
        }
    }

    fn of(fields: Value) -> Option<Self> {
        let fields: Fields = serde_json::from_value(fields).ok()?;
        let code = fields.code.map(|code| match code {
            Value::String(code) => code,
            other => other.to_string(),
        });
        let all = Self { code, message: fields.message, details: fields.details };
        (all != Self::default()).then_some(all)
    }
}

impl RestError {
    /// The meaning of an answer with a status that is not 2xx.
    pub fn of(status: u16, body: &str) -> Self {
        let body = ErrorBody::parse(body);
        let code = body.code.as_deref().unwrap_or_default();
        let details = body.details.as_deref().unwrap_or_default();
        match (status, code, details) {
            (429, ..) => Self::TooManyRequests,
            (401, "header_timestamp_expired", _) => Self::TimestampExpired,
            (401, "signature_is_missing_from_headers", _) => Self::SignatureMissing,
            (401, _, "INCORRECT_API_KEY_SIGNATURE") => Self::WrongSignature,
            (401, _, "NOT_FOUND") => Self::UnknownKey,
            (401 | 403, ..) => Self::Unauthorized(body),
            (404, ..) => Self::NotFound,
            (500.., ..) => Self::Unavailable { status, body },
            _ => Self::Refused { status, body },
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::TooManyRequests | Self::TimestampExpired | Self::Unavailable { .. } => true,
            Self::Refused { status, .. } => *status == 408,
            _ => false,
        }
    }
}

/// What the body of an error says, on one line, for a person.
pub fn rest_error_text(body: &str) -> String {
    ErrorBody::parse(body).to_string()
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_deref().filter(|text| Some(*text) != self.code.as_deref());
        let parts = [self.code.as_deref(), message, self.details.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        let text = if parts.is_empty() { "no reason given".to_owned() } else { parts.join(": ") };
        let clean = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        f.write_str(&clean.collect::<String>())
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRequests => f.write_str("too many requests"),
            Self::TimestampExpired => {
                f.write_str("the signature's time is refused: this machine's clock is off")
            }
            Self::WrongSignature => {
                f.write_str("the signature is wrong: the key does not belong to the key id")
            }
            Self::UnknownKey => {
                f.write_str("unknown key id: demo and production have separate keys")
            }
            Self::SignatureMissing => f.write_str("the request was not signed"),
            Self::Unauthorized(body) => write!(f, "not allowed: {body}"),
            Self::NotFound => f.write_str("not found"),
            Self::Refused { status, body } => write!(f, "refused with {status}: {body}"),
            Self::Unavailable { status, body } => write!(f, "unavailable with {status}: {body}"),
        }
    }
}

impl std::error::Error for RestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_shapes_of_an_error_say_the_same() {
        let rows = [
            (r#"{"error":{"code":"a","message":"b","details":"C","service":"s"}}"#, "a: b: C"),
            (r#"{"code":"a","message":"b","details":"C"}"#, "a: b: C"),
            (r#"{"code":7,"message":"b"}"#, "7: b"),
            (r#"{"msg":"Parameter validation\nfailed"}"#, "Parameter validation failed"),
            (r#"{"error":"too many requests"}"#, "too many requests"),
            (r#"{"error":{"code":"a","message":"a"}}"#, "a"),
            ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
            ("", "no reason given"),
            (r#"{"other":1}"#, r#"{"other":1}"#),
        ];
        for (body, text) in rows {
            assert_eq!(rest_error_text(body), text, "{body}");
        }
        assert_eq!(rest_error_text(&"é".repeat(5000)).chars().count(), QUOTED_CHARS_MAX);
    }

    #[test]
    fn statuses_have_meanings() {
        let of = |status, code: &str, details: &str| {
            let body = format!(r#"{{"error":{{"code":"{code}","details":"{details}"}}}}"#);
            RestError::of(status, &body)
        };
        assert_eq!(of(401, "header_timestamp_expired", ""), RestError::TimestampExpired);
        assert_eq!(of(401, "signature_is_missing_from_headers", ""), RestError::SignatureMissing);
        let auth = "authentication_error";
        assert_eq!(of(401, auth, "INCORRECT_API_KEY_SIGNATURE"), RestError::WrongSignature);
        assert_eq!(of(401, auth, "NOT_FOUND"), RestError::UnknownKey);
        assert!(matches!(of(401, auth, "?"), RestError::Unauthorized(_)));
        assert_eq!(of(404, "not_found", "NOT_FOUND"), RestError::NotFound);
        assert!(matches!(of(400, "", ""), RestError::Refused { status: 400, .. }));
        assert!(RestError::of(429, r#"{"error":"too many requests"}"#).is_transient());
        assert!(RestError::of(502, "<html>").is_transient());
        assert!(!of(401, auth, "NOT_FOUND").is_transient());
    }
}
