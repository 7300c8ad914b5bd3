//! Mutual TLS between gatherers and deduplicators: three PEM files, the same three settings on both
//! sides, each side proving itself to the other by the same authority.
//!
//! Decides who must have it: everybody who is reached over more than the loopback, unless told.

use std::{fmt, fs, net::IpAddr, path::Path, time::Duration};

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::rpc;

/// A handshake that takes longer is given up.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The settings as typed; each empty where nothing was said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// `GRPC_TLS_CERT`: our certificate, and what leads from it to the authority.
    pub cert: &'a str,
    /// `GRPC_TLS_KEY`: its private key.
    pub key: &'a str,
    /// `GRPC_TLS_CA`: the authority whose certificates we trust, and no other.
    pub ca: &'a str,
    /// `GRPC_INSECURE`: plain text is accepted on any address.
    pub insecure: bool,
}

/// Our certificate, its key, and whom we trust: checked, ready for either side.
#[derive(Clone)]
pub struct Tls {
    identity: Identity,
    authority: Certificate,
}

/// Never the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads and tries the three files; `None` where none is named. What is wrong goes to `note`.
    pub fn read(settings: &Settings<'_>, note: &mut impl FnMut(String)) -> Option<Self> {
        let named = [
            ("GRPC_TLS_CERT", settings.cert, "CERTIFICATE-----"),
            ("GRPC_TLS_KEY", settings.key, "PRIVATE KEY-----"),
            ("GRPC_TLS_CA", settings.ca, "CERTIFICATE-----"),
        ];
        if named.iter().all(|(_, path, _)| path.is_empty()) {
            return None;
        }
        let [cert, key, ca] = named.map(|(name, path, label)| pem(name, path, label, note));
        let (cert, key, ca) = (cert?, key?, ca?);
        let tls =
            Self { identity: Identity::from_pem(cert, key), authority: Certificate::from_pem(ca) };
        match rpc::server().tls_config(tls.server()) {
            Ok(_) => Some(tls),
            Err(error) => {
                let why = causes(&error);
                note(format!("GRPC_TLS_CERT, GRPC_TLS_KEY, GRPC_TLS_CA: not usable: {why}"));
                None
            }
        }
    }

    /// For the side that listens: a caller without a certificate of the authority is refused.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity.clone())
            .client_ca_root(self.authority.clone())
            .timeout(HANDSHAKE_MAX)
    }

    /// For the side that dials: the certificate must be of the authority and name the host dialled.
    pub fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .identity(self.identity.clone())
            .ca_certificate(self.authority.clone())
            .timeout(HANDSHAKE_MAX)
    }
}

/// Why plain text would be wrong on an address that others reach, if it would.
pub fn plain_refused(ip: IpAddr, settings: &Settings<'_>) -> Option<&'static str> {
    let refused = !ip.is_loopback() && !settings.insecure;
    refused.then_some(
        "is not a loopback address, and plain gRPC is open to whoever reaches it: set \
         GRPC_TLS_CERT, GRPC_TLS_KEY and GRPC_TLS_CA, or GRPC_INSECURE=true in a network that is \
         yours alone",
    )
}

/// Why a gatherer's URL does not go with the settings, if so.
pub fn url_refused(url: &str, tls: Option<&Tls>, settings: &Settings<'_>) -> Option<&'static str> {
    let Ok(uri) = url.parse::<tonic::codegen::http::Uri>() else { return None };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Some("has a user in it; gRPC knows certificates only");
    }
    let named = !settings.cert.is_empty() || !settings.key.is_empty() || !settings.ca.is_empty();
    match (uri.scheme_str(), tls) {
        (Some("https"), None) if !named => {
            Some("is https: set GRPC_TLS_CERT, GRPC_TLS_KEY and GRPC_TLS_CA")
        }
        (Some("http"), _) => {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let local =
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            let refused = !local && !settings.insecure;
            refused.then_some(
                "is plain gRPC to another machine: use https:// with GRPC_TLS_CERT, GRPC_TLS_KEY and \
                 GRPC_TLS_CA, or set GRPC_INSECURE=true in a network that is yours alone",
            )
        }
        _ => None,
    }
}

/// A PEM file's text; what it holds is never told.
fn pem(name: &str, path: &str, label: &str, note: &mut impl FnMut(String)) -> Option<String> {
    if path.is_empty() {
        note(format!("{name}: not set; the three GRPC_TLS_ files go together"));
        return None;
    }
    match fs::read_to_string(Path::new(path)) {
        Ok(text) if text.contains(label) => Some(text),
        Ok(_) => {
            note(format!("{name}: {path} holds no PEM {}", label.trim_end_matches('-')));
            None
        }
        Err(error) => {
            note(format!("{name}: cannot read {path}: {error}"));
            None
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(insecure: bool) -> Settings<'static> {
        Settings { insecure, ..Settings::default() }
    }

    #[test]
    fn plain_text_stays_on_the_loopback_unless_told() {
        let (loopback, any) = ([127, 0, 0, 1].into(), [0, 0, 0, 0].into());
        assert!(plain_refused(loopback, &settings(false)).is_none());
        assert!(plain_refused(any, &settings(false)).is_some());
        assert!(plain_refused(any, &settings(true)).is_none());
    }

    #[test]
    fn a_gatherer_is_dialled_in_plain_text_on_this_machine_only() {
        let refused = |url: &str, insecure| url_refused(url, None, &settings(insecure)).is_some();
        for url in ["http://127.0.0.1:7070", "http://localhost:7070", "http://[::1]:7070"] {
            assert!(!refused(url, false), "{url}");
        }
        for url in ["http://10.0.1.10:7070", "http://east.internal:7070", "https://10.0.1.10:7070"]
        {
            assert!(refused(url, false), "{url}");
        }
        assert!(!refused("http://10.0.1.10:7070", true));
        assert!(refused("http://me:hunter2@127.0.0.1:7070", true));
    }

    #[test]
    fn half_a_set_is_told_and_a_key_is_never_shown() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("wrong.pem").display().to_string();
        fs::write(&path, "hunter2").expect("a file");
        let mut problems = Vec::new();
        let half = Settings { cert: "/nonexistent/cert.pem", key: &path, ..Settings::default() };
        assert!(Tls::read(&half, &mut |problem| problems.push(problem)).is_none());
        assert_eq!(problems.len(), 3, "{problems:#?}");
        for name in ["GRPC_TLS_CERT", "GRPC_TLS_KEY", "GRPC_TLS_CA"] {
            assert!(problems.iter().any(|problem| problem.starts_with(name)), "{problems:#?}");
        }
        assert!(!problems.concat().contains("hunter2"), "{problems:#?}");
    }

    #[test]
    fn files_that_look_right_and_are_not_are_told_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, label: &str| {
            let path = dir.path().join(name).display().to_string();
            let text = format!("-----BEGIN {label}-----\naHVudGVyMg==\n-----END {label}-----\n");
            fs::write(&path, text).expect("a file");
            path
        };
        let (cert, key) = (file("cert.pem", "CERTIFICATE"), file("key.pem", "PRIVATE KEY"));
        let mut problems = Vec::new();
        let settings = Settings { cert: &cert, key: &key, ca: &cert, insecure: false };
        assert!(Tls::read(&settings, &mut |problem| problems.push(problem)).is_none());
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
}
