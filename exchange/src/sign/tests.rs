//! Keys are made anew in every run: no private key lies in the repository.

use ring::rand::SystemRandom;
use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;

use super::*;

/// PKCS#8 version 1 of an Ed25519 seed: all but the seed is constant.
const ED25519_V1: &[u8] = &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn an_rsa_key_of_either_form_signs_with_pss_and_a_salt_of_32_bytes() {
    let private = RsaPrivateKey::new(&mut OsRng, 2048).unwrap();
    let verifier = VerifyingKey::<Sha256>::new_with_salt_len(private.to_public_key(), 32);
    let pkcs1 = private.to_pkcs1_pem(LineEnding::CRLF).unwrap();
    let pkcs8 = private.to_pkcs8_pem(LineEnding::LF).unwrap();
    for text in [pkcs1, pkcs8] {
        let key = SigningKey::from_pem(&format!("some notes\n{}\n\n", *text)).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(RSA)");
        let path = "/trade-api/v2/markets";
        let first = key.sign(1_700_000_000_123, "GET", &format!("{path}?limit=5")).unwrap();
        let signature = Signature::try_from(&*STANDARD.decode(&first).unwrap()).unwrap();
        let signed = b"1700000000123GET/trade-api/v2/markets";
        verifier.verify(signed, &signature).unwrap();
        assert!(verifier.verify(b"1700000000124GET/trade-api/v2/markets", &signature).is_err());
        assert_ne!(first, key.sign(1_700_000_000_123, "GET", path).unwrap(), "the salt is random");
    }
}

#[test]
fn an_ed25519_key_of_either_version_signs() {
    let seed = [7_u8; 32];
    let version_1 = pem("PRIVATE KEY", &[ED25519_V1, &seed].concat());
    let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let generated = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(generated.as_ref()).unwrap();
    let version_2 = pem("PRIVATE KEY", generated.as_ref());
    for (text, public) in [(version_1, public.public_key()), (version_2, pair.public_key())] {
        let signer = Signer::from_pem("the-id", &text).unwrap();
        let headers = signer.headers(5, "GET", "/trade-api/ws/v2").unwrap();
        assert_eq!(headers[0], ("KALSHI-ACCESS-KEY", "the-id".to_owned()));
        assert_eq!(headers[1], ("KALSHI-ACCESS-TIMESTAMP", "5".to_owned()));
        let signature = STANDARD.decode(&headers[2].1).unwrap();
        let verifier = UnparsedPublicKey::new(&ED25519, public.as_ref());
        verifier.verify(b"5GET/trade-api/ws/v2", &signature).unwrap();
        let shown = format!("{signer:?}");
        assert_eq!(shown, r#"Signer { key_id: "the-id", key: SigningKey(Ed25519) }"#);
    }
}

#[test]
fn what_cannot_sign_is_told_apart() {
    let short = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    let short = short.to_pkcs8_pem(LineEnding::LF).unwrap();
    let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
                     -----END RSA PRIVATE KEY-----";
    let cut = pem("PRIVATE KEY", &[ED25519_V1, &[7; 32]].concat());
    let rows = [
        ("", "no PEM block"),
        ("my secret", "no PEM block"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", "damaged"),
        (&cut.replace("MC4C", "MC4*"), "damaged"),
        (&pem("PRIVATE KEY", b"nonsense"), "neither"),
        (&pem("RSA PRIVATE KEY", b"nonsense"), "neither"),
        (&pem("ENCRYPTED PRIVATE KEY", b"x"), "encrypted"),
        (encrypted, "encrypted"),
        (&pem("PUBLIC KEY", b"x"), "holds a PUBLIC KEY"),
        (&pem("EC PRIVATE KEY", b"x"), "holds a EC PRIVATE KEY"),
        (&short, "1024 bits"),
    ];
    for (text, expected) in rows {
        let error = SigningKey::from_pem(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} for {expected}");
        assert!(!error.contains("secret"));
    }
}
