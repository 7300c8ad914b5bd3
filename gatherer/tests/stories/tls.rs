//! Who may follow a gatherer whose gRPC is mutual TLS: who shows a certificate of its authority, and nobody else.

use std::{fs, path::Path, time::Duration};

use proto::{
    FollowReply, FollowRequest, Start,
    rpc::{self, WireRequest},
    tls::{Settings, Tls},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::harness::Venue;

/// The three files of one member of a fleet.
struct Member {
    cert: String,
    key: String,
    ca: String,
}

impl Member {
    fn tls(&self) -> Tls {
        let settings =
            Settings { cert: &self.cert, key: &self.key, ca: &self.ca, ..Settings::default() };
        Tls::read(&settings, &mut |problem| panic!("{problem}")).expect("three files")
    }
}

/// An authority of its own, and a certificate of it for this machine.
fn member(dir: &Path, name: &str) -> Member {
    let file = |what: &str, text: String| {
        let path = dir.join(format!("{name}-{what}.pem"));
        fs::write(&path, text).expect("a writable folder");
        path.display().to_string()
    };
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let cert = params.signed_by(&key, &issuer).expect("a certificate");
    Member {
        cert: file("cert", cert.pem()),
        key: file("key", key.serialize_pem()),
        ca: file("ca", signed.pem()),
    }
}

/// What a follower with this TLS is answered first.
async fn hello(url: String, tls: Option<&Tls>) -> Result<String, String> {
    let follow = async {
        let endpoint = rpc::endpoint(url, tls).map_err(|error| format!("{error:?}"))?;
        let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
        let (requests, outgoing) = mpsc::channel::<WireRequest>(1);
        let start = FollowRequest::Start(Start { deduplicator: "test".to_owned(), from: None });
        requests.send(start.into()).await.expect("room");
        let stream = rpc::client(channel).follow(ReceiverStream::new(outgoing)).await;
        let mut replies = stream.map_err(|status| format!("{status:?}"))?.into_inner();
        let first = replies.message().await.map_err(|status| format!("{status:?}"))?;
        match first.expect("an answer").try_into().expect("a good reply") {
            FollowReply::Hello(hello) => Ok(hello.gatherer_id),
            other => Err(format!("{other:?}")),
        }
    };
    timeout(Duration::from_secs(60), follow).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_the_authority_opens_the_stream() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let (ours, theirs) = (member(venue.dir.path(), "ours"), member(venue.dir.path(), "theirs"));
    let flags = [
        ["--grpc-tls-cert", &ours.cert],
        ["--grpc-tls-key", &ours.key],
        ["--grpc-tls-ca", &ours.ca],
    ];
    let gatherer = venue.gatherer("east", flags.as_flattened()).await;
    let port = gatherer.grpc.rsplit(':').next().expect("a port");
    let url = |scheme: &str| format!("{scheme}://localhost:{port}");

    assert_eq!(hello(url("https"), Some(&ours.tls())).await, Ok("east".to_owned()));

    let stranger = Member { ca: ours.ca.clone(), ..member(venue.dir.path(), "stranger") };
    let refused = hello(url("https"), Some(&stranger.tls())).await;
    assert!(refused.is_err(), "a certificate of another authority: {refused:?}");

    let fooled = hello(url("https"), Some(&theirs.tls())).await;
    assert!(fooled.is_err(), "a gatherer of another authority is not believed: {fooled:?}");

    let plain = hello(url("http"), None).await;
    assert!(plain.is_err(), "plain text: {plain:?}");

    let elsewhere = hello(format!("https://127.0.0.1:{port}"), Some(&ours.tls())).await;
    assert!(elsewhere.is_err(), "the certificate does not name 127.0.0.1: {elsewhere:?}");
    gatherer.stop().await;
}
