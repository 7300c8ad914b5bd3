//! Checks the signature of a handshake or a signed request.

use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{
    ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use rsa::{
    RsaPublicKey,
    pkcs1::{DecodeRsaPublicKey as _, EncodeRsaPublicKey as _},
    pkcs8::DecodePublicKey as _,
};
use serde_json::{Value, json};

/// Between what was measured to be accepted (10 s) and refused (30 s).
const SKEW_MS_MAX: u64 = 15_000;
/// What stands before the 32 bytes of an Ed25519 key in SPKI.
const ED25519_SPKI: [u8; 12] =
    [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0];

/// The keys of the clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// Signatures are not looked at: for measurements.
    anyone: bool,
}

#[derive(Clone, Debug)]
struct Key {
    /// Any id, if none was given.
    id: Option<String>,
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Rsa,
    Ed25519,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unauthorized {
    Missing,
    Expired,
    UnknownKey,
    WrongSignature,
}

impl Unauthorized {
    /// The body of the 401.
    pub(crate) fn body(self) -> Value {
        let authentication = |details: &str| {
            json!({"error": {"code": "authentication_error", "message": "authentication_error",
                             "details": details}})
        };
        match self {
            Self::Missing => json!({"error": {"code": "signature_is_missing_from_headers",
                                              "message": "signature is missing from headers"}}),
            Self::Expired => json!({"error": {"code": "header_timestamp_expired",
                                              "message": "header timestamp expired"}}),
            Self::UnknownKey => authentication("NOT_FOUND"),
            Self::WrongSignature => authentication("INCORRECT_API_KEY_SIGNATURE"),
        }
    }
}

impl Keys {
    /// Reads the key files; returns every problem at once.
    pub(crate) fn load(paths: &[PathBuf], ids: &[String]) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if paths.is_empty() {
            problems.push("--public-key is required: no client could log in without it".to_owned());
        }
        if !ids.is_empty() && ids.len() != paths.len() {
            let (ids, keys) = (ids.len(), paths.len());
            problems.push(format!("--key-id: {ids} given for {keys} keys; give all or none"));
        }
        let mut keys = Vec::new();
        for (place, path) in paths.iter().enumerate() {
            match read_key(path) {
                Ok((kind, bytes)) => keys.push(Key { id: ids.get(place).cloned(), kind, bytes }),
                Err(problem) => {
                    problems.push(format!("--public-key {}: {problem}", path.display()))
                }
            }
        }
        if problems.is_empty() { Ok(Self { keys, anyone: false }) } else { Err(problems) }
    }

    /// Lets everybody in who says anything at all.
    pub(crate) fn anyone() -> Self {
        Self { keys: Vec::new(), anyone: true }
    }

    /// The key id of a request that is signed as it must be.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        (method, path): (&str, &str),
        now_ms: i64,
    ) -> Result<String, Unauthorized> {
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.filter(|value| !value.is_empty()).ok_or(Unauthorized::Missing)
        };
        let key_id = header("kalshi-access-key")?;
        let timestamp = header("kalshi-access-timestamp")?;
        let signature = header("kalshi-access-signature")?;
        let sent_ms: i64 = timestamp.parse().map_err(|_| Unauthorized::Expired)?;
        if sent_ms.abs_diff(now_ms) > SKEW_MS_MAX {
            return Err(Unauthorized::Expired);
        }
        if self.anyone {
            return Ok(key_id.to_owned());
        }
        let mut candidates = self.keys.iter().filter(|key| match &key.id {
            Some(id) => id == key_id,
            None => true,
        });
        let signature = STANDARD.decode(signature).map_err(|_| Unauthorized::WrongSignature)?;
        let text = format!("{timestamp}{method}{path}");
        let mut is_known = false;
        let signed = candidates.any(|key| {
            is_known = true;
            key.verifies(text.as_bytes(), &signature)
        });
        match (signed, is_known) {
            (true, _) => Ok(key_id.to_owned()),
            (false, true) => Err(Unauthorized::WrongSignature),
            (false, false) => Err(Unauthorized::UnknownKey),
        }
    }
}

impl Key {
    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::Rsa => &RSA_PSS_2048_8192_SHA256,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(text, signature).is_ok()
    }
}

fn read_key(path: &Path) -> Result<(Kind, Vec<u8>), String> {
    let pem = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let (label, der) = unarmour(&pem).ok_or("not a PEM file")?;
    if label.contains("PRIVATE") {
        return Err("this is a private key; the exchange needs the public one".to_owned());
    }
    if let Some(key) = der.strip_prefix(&ED25519_SPKI).filter(|key| key.len() == 32) {
        return Ok((Kind::Ed25519, key.to_vec()));
    }
    let key = match label {
        "RSA PUBLIC KEY" => RsaPublicKey::from_pkcs1_der(&der).map_err(|error| error.to_string()),
        _ => RsaPublicKey::from_public_key_der(&der).map_err(|error| error.to_string()),
    };
    let key = key.map_err(|error| format!("neither an RSA nor an Ed25519 public key ({error})"))?;
    let der = key.to_pkcs1_der().map_err(|error| error.to_string())?;
    Ok((Kind::Rsa, der.as_bytes().to_vec()))
}

/// Label and bytes of the first PEM block.
fn unarmour(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, after) = pem.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (body, _) = after.split_once("-----END ")?;
    let packed: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(packed).ok()?))
}
