//! Signs requests with the user's private key, RSA or Ed25519, as the exchange demands.
//!
//! The signed text is `timestamp_ms + METHOD + path`, without host and query. An RSA signature is
//! PSS with SHA-256 and a salt of 32 bytes; its salt and its blinding come from the operating
//! system's randomness, the only thing in this crate that is not a function of its arguments.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::pss::BlindedSigningKey;
use rsa::rand_core::OsRng;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use sha2::Sha256;

/// The header of the key's id.
pub const KEY_HEADER: &str = "KALSHI-ACCESS-KEY";
/// The header of the time of signing.
pub const TIMESTAMP_HEADER: &str = "KALSHI-ACCESS-TIMESTAMP";
/// The header of the signature.
pub const SIGNATURE_HEADER: &str = "KALSHI-ACCESS-SIGNATURE";

/// As long as the digest.
const SALT_BYTES: usize = 32;

/// What the exchange issues; anything shorter is some other key.
const RSA_BITS_MIN: usize = 2048;

/// A private key that can sign. Its `Debug` says only what kind it is.
pub struct SigningKey(Kind);

/// A private key with its id at the exchange.
#[derive(Debug)]
pub struct Signer {
    key_id: String,
    key: SigningKey,
}

enum Kind {
    Rsa(Box<BlindedSigningKey<Sha256>>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a text is not a private key that we can sign with. Never quotes the text.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// There is no `-----BEGIN ...-----` block.
    #[error("no PEM block found: expected -----BEGIN PRIVATE KEY----- or BEGIN RSA PRIVATE KEY")]
    NotPem,
    /// The block's base64 is damaged or cut.
    #[error("the PEM block is damaged")]
    Damaged,
    /// The key is protected by a passphrase.
    #[error("the key is encrypted: decrypt it first, we have no passphrase")]
    Encrypted,
    /// Some other PEM file.
    #[error("the file holds a {label}, not an RSA or Ed25519 private key")]
    WrongKind {
        /// What the PEM block calls itself.
        label: String,
    },
    /// Neither an RSA nor an Ed25519 key is in the block.
    #[error("the private key is neither a sound RSA nor a sound Ed25519 key")]
    Unsupported,
    /// Shorter than what the exchange issues.
    #[error("the RSA key has {bits} bits, and {RSA_BITS_MIN} are the least")]
    TooShort {
        /// Its length.
        bits: usize,
    },
}

/// Why a text could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The operating system gave no randomness, or the key is unsound.
    #[error("the RSA key could not sign")]
    Rsa(#[source] rsa::signature::Error),
}

impl SigningKey {
    /// Reads a PEM file: PKCS#1 or PKCS#8 for RSA, PKCS#8 (v1 or v2) for Ed25519.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let block = Block::find(pem)?;
        match block.label {
            "RSA PRIVATE KEY" if block.body.contains("ENCRYPTED") => Err(BadKey::Encrypted),
            "RSA PRIVATE KEY" => {
                let der = block.der()?;
                let key = RsaPrivateKey::from_pkcs1_der(&der).map_err(|_| BadKey::Unsupported)?;
                Self::from_rsa(key)
            }
            "PRIVATE KEY" => {
                let der = block.der()?;
                if let Ok(key) = RsaPrivateKey::from_pkcs8_der(&der) {
                    return Self::from_rsa(key);
                }
                let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                    .map_err(|_| BadKey::Unsupported)?;
                Ok(Self(Kind::Ed25519(Box::new(key))))
            }
            "ENCRYPTED PRIVATE KEY" => Err(BadKey::Encrypted),
            label => Err(BadKey::WrongKind { label: label.chars().take(40).collect() }),
        }
    }

    fn from_rsa(key: RsaPrivateKey) -> Result<Self, BadKey> {
        let bits = key.n().bits();
        if bits < RSA_BITS_MIN {
            return Err(BadKey::TooShort { bits });
        }
        let key = BlindedSigningKey::new_with_salt_len(key, SALT_BYTES);
        Ok(Self(Kind::Rsa(Box::new(key))))
    }

    /// Signs one request, in base64. What follows a `?` in `path` is not signed.
    pub fn sign(&self, timestamp_ms: i64, method: &str, path: &str) -> Result<String, SignError> {
        let text = signed_text(timestamp_ms, method, path);
        Ok(match &self.0 {
            Kind::Rsa(key) => {
                let signature =
                    key.try_sign_with_rng(&mut OsRng, text.as_bytes()).map_err(SignError::Rsa)?;
                STANDARD.encode(signature.to_bytes())
            }
            Kind::Ed25519(key) => STANDARD.encode(key.sign(text.as_bytes())),
        })
    }
}

impl Signer {
    /// A key of this id; see [`SigningKey::from_pem`].
    pub fn from_pem(key_id: &str, pem: &str) -> Result<Self, BadKey> {
        Ok(Self { key_id: key_id.to_owned(), key: SigningKey::from_pem(pem)? })
    }

    /// The headers of one request. They are good for about ten seconds: sign at the last moment.
    pub fn headers(
        &self,
        timestamp_ms: i64,
        method: &str,
        path: &str,
    ) -> Result<[(&'static str, String); 3], SignError> {
        Ok([
            (KEY_HEADER, self.key_id.clone()),
            (TIMESTAMP_HEADER, timestamp_ms.to_string()),
            (SIGNATURE_HEADER, self.key.sign(timestamp_ms, method, path)?),
        ])
    }
}

/// What is signed: the exchange's side verifies the same text.
pub fn signed_text(timestamp_ms: i64, method: &str, path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{timestamp_ms}{method}{path}")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Rsa(_) => "SigningKey(RSA)",
            Kind::Ed25519(_) => "SigningKey(Ed25519)",
        })
    }
}

/// The first PEM block of a file.
struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl<'a> Block<'a> {
    fn find(pem: &'a str) -> Result<Self, BadKey> {
        let (_, after) = pem.split_once("-----BEGIN ").ok_or(BadKey::NotPem)?;
        let (label, after) = after.split_once("-----").ok_or(BadKey::NotPem)?;
        let (body, after) = after.split_once("-----END ").ok_or(BadKey::Damaged)?;
        if after.starts_with(label) { Ok(Self { label, body }) } else { Err(BadKey::Damaged) }
    }

    fn der(&self) -> Result<Vec<u8>, BadKey> {
        let text: String = self.body.split_ascii_whitespace().collect();
        STANDARD.decode(text).map_err(|_| BadKey::Damaged)
    }
}

#[cfg(test)]
mod tests;
