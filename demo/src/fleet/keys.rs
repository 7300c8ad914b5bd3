//! Throw-away keys for the simulated exchange: made for one run, never the operator's.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A key pair in files.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// What the exchange calls the key.
    pub(super) id: String,
    /// PEM that signs.
    pub(super) private: PathBuf,
    /// PEM that checks.
    pub(super) public: PathBuf,
}

impl Keys {
    /// Makes an Ed25519 pair in `folder`, in files named after `owner`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(super) fn make(folder: &Path, owner: &str) -> anyhow::Result<Self> {
        let pair =
            rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).context("cannot make a key")?;
        let id = uuid::Uuid::new_v4().to_string();
        let keys = Self {
            id,
            private: folder.join(format!("{owner}.key.pem")),
            public: folder.join(format!("{owner}.public.pem")),
        };
        write(&keys.private, &pair.serialize_pem())?;
        write(&keys.public, &pair.public_key_pem())?;
        Ok(keys)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
