//! Whom we trust: the machine's certificate authorities, and those of CA_FILE.

use std::path::Path;

use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// A client's TLS with ring and no certificate of its own.
///
/// # Errors
/// When CA_FILE cannot be read or holds no certificate.
pub(crate) fn client(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // A machine without any root store can still talk to a venue named by CA_FILE.
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = ca_file {
        add(&mut roots, path).with_context(|| format!("CA_FILE {}", path.display()))?;
    }
    Ok(ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .context("ring supports TLS 1.2 and 1.3")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> anyhow::Result<()> {
    let mut certificates = 0;
    for certificate in CertificateDer::pem_file_iter(path).context("cannot be read")? {
        roots.add(certificate.context("is not PEM")?).context("holds no usable certificate")?;
        certificates += 1;
    }
    anyhow::ensure!(certificates > 0, "holds no certificate");
    Ok(())
}
