//! Where files are made, and how they come to their place: a folder, or a bucket.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart, path};

use super::manifest::Manifest;
use super::part::Finished;
use crate::config::ArchivePlace;

const DAY_SECONDS: i64 = 86_400;
/// Parts of an upload, and how many are on their way at once.
const UPLOAD_BYTES: usize = 8 << 20;
const UPLOADS_MAX: usize = 4;

/// A file's names.
pub(super) struct Begun {
    /// Below the archive's root, its name for good.
    pub(super) path: String,
    /// Where it is written meanwhile.
    pub(super) write_to: PathBuf,
}

/// The archive's root.
pub(super) enum Place {
    Folder(PathBuf),
    Bucket { store: Arc<dyn ObjectStore>, prefix: String, staging: PathBuf },
}

impl Place {
    pub(super) fn open(place: &ArchivePlace, staging: &Path) -> anyhow::Result<Self> {
        match place {
            ArchivePlace::Folder(root) => {
                let failed = || format!("cannot write to {} (PARQUET_DIR)", root.display());
                fs::create_dir_all(root).with_context(failed)?;
                let probe = root.join(".probe.tmp");
                File::create(&probe).and_then(|_| fs::remove_file(&probe)).with_context(failed)?;
                Ok(Self::Folder(root.clone()))
            }
            ArchivePlace::Bucket(url) => {
                // The one provider we link; a second call in one process changes nothing.
                drop(rustls::crypto::ring::default_provider().install_default());
                let store = AmazonS3Builder::from_env()
                    .with_url(url)
                    .build()
                    .with_context(|| format!("cannot use {url} (PARQUET_DIR)"))?;
                let prefix = url.splitn(4, '/').nth(3).unwrap_or_default().trim_matches('/');
                Ok(Self::Bucket {
                    store: Arc::new(store),
                    prefix: prefix.to_owned(),
                    staging: staging.to_owned(),
                })
            }
        }
    }

    /// Names the file of (dataset, day) for its first row's receipt; a name that is taken by an
    /// earlier chunk is moved on by microseconds.
    pub(super) async fn begin(
        &self,
        dataset: &'static str,
        day: i64,
        first_us: i64,
        manifest: &Manifest,
    ) -> anyhow::Result<Begun> {
        let mut us = first_us;
        let path = loop {
            let path = name(dataset, day, us)?;
            if !manifest.has(&path).await? {
                break path;
            }
            us += 1;
        };
        let write_to = match self {
            Self::Folder(root) => root.join(format!("{path}.tmp")),
            Self::Bucket { staging, .. } => staging.join(path.replace('/', "_")),
        };
        let dir = write_to.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Begun { path, write_to })
    }

    /// The complete files of (dataset, day), by their names below the root.
    pub(super) async fn files(&self, dataset: &str, day: i64) -> anyhow::Result<Vec<String>> {
        let folder = folder(dataset, day)?;
        let names: Vec<String> = match self {
            Self::Folder(root) => match fs::read_dir(root.join(&folder)) {
                Ok(entries) => entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect::<anyhow::Result<_>>()?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {folder}"));
                }
            },
            Self::Bucket { store, prefix, .. } => {
                let below = path::Path::from(format!("{prefix}/{folder}"));
                let listed = store.list_with_delimiter(Some(&below)).await;
                let listed = listed.with_context(|| format!("cannot list {below}"))?;
                let name =
                    |found: &object_store::ObjectMeta| found.location.filename().map(str::to_owned);
                listed.objects.iter().filter_map(name).collect()
            }
        };
        let whole = names.into_iter().filter(|name| name.ends_with(".parquet"));
        Ok(whole.map(|name| format!("{folder}/{name}")).collect())
    }

    /// A complete file's bytes.
    pub(super) async fn read(&self, file: &str) -> anyhow::Result<bytes::Bytes> {
        match self {
            Self::Folder(root) => Ok(fs::read(root.join(file))?.into()),
            Self::Bucket { store, prefix, .. } => {
                let from = path::Path::from(format!("{prefix}/{file}"));
                Ok(store.get(&from).await?.bytes().await?)
            }
        }
    }

    /// Brings a complete file to its place, where what stood there before is replaced.
    pub(super) async fn publish(&self, file: &Finished) -> anyhow::Result<()> {
        match self {
            Self::Folder(root) => {
                let to = root.join(&file.path);
                let dir = to.parent().unwrap_or(root);
                fs::rename(&file.written_to, &to)
                    .and_then(|()| File::open(dir)?.sync_all())
                    .with_context(|| format!("cannot put {} in place", to.display()))
            }
            Self::Bucket { store, prefix, .. } => {
                let to = path::Path::from(format!("{prefix}/{}", file.path));
                upload(&**store, &to, &file.written_to).await?;
                fs::remove_file(&file.written_to)
                    .with_context(|| format!("cannot remove {}", file.written_to.display()))
            }
        }
    }
}

async fn upload(store: &dyn ObjectStore, to: &path::Path, from: &Path) -> anyhow::Result<()> {
    let mut file = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    let begun = store.put_multipart(to).await.with_context(|| format!("cannot upload {to}"))?;
    let mut upload = WriteMultipart::new_with_chunk_size(begun, UPLOAD_BYTES);
    let mut buffer = vec![0; UPLOAD_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        upload.wait_for_capacity(UPLOADS_MAX).await?;
        upload.write(&buffer[..read]);
    }
    upload.finish().await.with_context(|| format!("cannot upload {to}"))?;
    Ok(())
}

/// `orderbook/date=2026-11-20/part-093015_123456.parquet`
fn name(dataset: &str, day: i64, first_us: i64) -> anyhow::Result<String> {
    let first = utc(jiff::Timestamp::from_microsecond(first_us))?;
    let micros = first_us.rem_euclid(1_000_000);
    let folder = folder(dataset, day)?;
    Ok(format!("{folder}/part-{}_{micros:06}.parquet", first.strftime("%H%M%S")))
}

/// `orderbook/date=2026-11-20`
fn folder(dataset: &str, day: i64) -> anyhow::Result<String> {
    let day = utc(jiff::Timestamp::from_second(day.saturating_mul(DAY_SECONDS)))?;
    Ok(format!("{dataset}/date={}", day.strftime("%Y-%m-%d")))
}

fn utc(timestamp: Result<jiff::Timestamp, jiff::Error>) -> anyhow::Result<jiff::Zoned> {
    timestamp
        .map(|timestamp| timestamp.to_zoned(jiff::tz::TimeZone::UTC))
        .map_err(|error| anyhow!("a row's time is out of range: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_for_its_day_and_first_receipt() {
        let path = name("trades", 20_000, 20_000 * 86_400_000_000 + 3_723_000_042);
        assert_eq!(path.expect("in range"), "trades/date=2024-10-04/part-010203_000042.parquet");
        assert!(name("trades", 20_000, i64::MAX).is_err());
    }
}
