//! Who is let in.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePublicKey as _, LineEnding},
    pss::BlindedSigningKey,
    rand_core::OsRng,
    signature::{RandomizedSigner as _, SignatureEncoding as _},
};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, client_async_tls_with_config, connect_async,
    tungstenite::{Error, handshake::client::Request},
};

use crate::{
    client::{now_ms, request},
    world::World,
};

async fn refused(request: Request) -> (u16, Value) {
    match connect_async(request).await {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handshake_is_judged_by_signature_time_and_key() {
    let world = World::open(&["--key-id", "the-key"]).await;
    let url = format!("ws://{}/trade-api/ws/v2", world.address);
    let sign = |text: &[u8]| world.key.sign(text).as_ref().to_vec();
    let now = now_ms();
    let good = request(&url, ("the-key", "a"), now - 10_000, sign);
    assert!(connect_async(good).await.is_ok());
    for (request, details) in [
        (request(&url, ("the-key", "a"), now, |_| vec![1; 64]), "INCORRECT_API_KEY_SIGNATURE"),
        (request(&url, ("other", "a"), now, sign), "NOT_FOUND"),
    ] {
        let (status, body) = refused(request).await;
        assert_eq!((status, body["error"]["details"].as_str()), (401, Some(details)));
    }
    for skew in [-30_000, 30_000] {
        let (status, body) = refused(request(&url, ("the-key", "a"), now + skew, sign)).await;
        assert_eq!(status, 401);
        assert_eq!(body["error"]["code"], "header_timestamp_expired");
    }
    let mut unsigned = request(&url, ("the-key", "a"), now, sign);
    unsigned.headers_mut().remove("kalshi-access-signature");
    let (_, body) = refused(unsigned).await;
    assert_eq!(body["error"]["code"], "signature_is_missing_from_headers");
    world.close().await;
}

#[tokio::test]
async fn an_rsa_key_signs_with_pss_and_sha256() {
    let private = RsaPrivateKey::new(&mut OsRng, 2048).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rsa.pem");
    let pem = private.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
    std::fs::write(&path, pem).unwrap();
    let world = World::open(&["--public-key", path.to_str().unwrap()]).await;
    let url = format!("ws://{}/trade-api/ws/v2", world.address);
    let pss = |salt: usize| {
        let signer = BlindedSigningKey::<Sha256>::new_with_salt_len(private.clone(), salt);
        move |text: &[u8]| signer.sign_with_rng(&mut OsRng, text).to_vec()
    };
    assert!(connect_async(request(&url, ("k", "a"), now_ms(), pss(32))).await.is_ok());
    let (status, _) = refused(request(&url, ("k", "a"), now_ms(), pss(20))).await;
    assert_eq!(status, 401, "the salt must be as long as the digest");
    world.close().await;
}

#[tokio::test]
async fn account_limits_are_signed_like_a_handshake() {
    let world = World::open(&[]).await;
    let path = "/trade-api/v2/account/limits";
    assert_eq!(world.get(path).await.0, 401);
    let now = now_ms();
    let signature = STANDARD.encode(world.key.sign(format!("{now}GET{path}").as_bytes()));
    let headers = format!(
        "kalshi-access-key: k\r\nkalshi-access-timestamp: {now}\r\n\
         kalshi-access-signature: {signature}\r\n"
    );
    let (status, body) = world.http("GET", path, &headers, "").await;
    assert_eq!((status, body["read"]["refill_rate"].as_u64()), (200, Some(200)));
    world.close().await;
}

#[tokio::test]
async fn tls_works_for_whoever_trusts_the_ca() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let world = World::open(&["--tls", "--tls-ca-out", ca.to_str().unwrap()]).await;
    let pem = std::fs::read_to_string(&ca).unwrap();
    let packed: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(STANDARD.decode(packed).unwrap().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let url = format!("wss://localhost:{}/trade-api/ws/v2", world.address.port());
    let sign = |text: &[u8]| world.key.sign(text).as_ref().to_vec();
    let request = request(&url, ("k", "a"), now_ms(), sign);
    let connector = Some(Connector::Rustls(Arc::new(config)));
    let (socket, _) = client_async_tls_with_config(request, stream, None, connector).await.unwrap();
    let mut client = crate::client::Client { socket, frames: Vec::new(), pings: Vec::new() };
    client.settle().await;
    drop(client);
    world.close().await;
}
