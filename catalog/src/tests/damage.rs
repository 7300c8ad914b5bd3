//! An SQLite file that is not what was written to it: named at the start, never taken for a whole one.

use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::archive::file;
use crate::{Catalog, CatalogError, CatalogUrl};

const FILES: u64 = 3_000;

/// A closed catalog of many pages, and its bytes.
async fn written(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("catalog.sqlite");
    let catalog = Catalog::open(&CatalogUrl::sqlite(&path)).await.expect("opens");
    let files: Vec<_> = (1..=FILES).map(|n| file("orderbook", n)).collect();
    catalog.archive_add(&files).await.expect("writes");
    catalog.close().await;
    assert!(!folder.join("catalog.sqlite-wal").exists(), "closing folds the log into the file");
    let bytes = fs::read(&path).expect("readable");
    assert!(bytes.len() > 40 * 4_096, "{} bytes", bytes.len());
    (path, bytes)
}

async fn opened(path: &Path, bytes: &[u8]) -> Result<Catalog, CatalogError> {
    fs::write(path, bytes).expect("writes");
    Catalog::open(&CatalogUrl::sqlite(path)).await
}

#[tokio::test]
async fn a_damaged_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, good) = written(folder.path()).await;
    let middle = good.len() / 4_096 / 2 * 4_096;
    let mut page = good.clone();
    page[middle..middle + 4_096].fill(0xa5);
    let torn = &good[..middle + 700];
    let mut header = good.clone();
    header[..16].fill(0);
    for (what, bytes) in [("a page", &page[..]), ("torn", torn), ("the header", &header[..])] {
        let error = opened(&path, bytes).await.err().expect(what);
        assert!(matches!(error, CatalogError::Damaged { .. }), "{what}: {error:?}");
        let said = error.to_string();
        for word in [path.to_str().expect("text"), "-wal", "runbooks/catalog-damaged.md"] {
            assert!(said.contains(word), "{what}: {said}");
        }
        assert!(!error.is_transient(), "{what}: trying again does not help");
    }
    let whole = opened(&path, &good).await.expect("the good bytes are still good");
    assert_eq!(whole.archive_totals().await.expect("reads").files, FILES);
}

/// SQLite keeps no checksums: a flipped bit of a text cannot be seen. What is seen must be told as what it is.
#[tokio::test]
async fn a_flipped_bit_is_told_as_damage_or_cannot_be_seen() {
    const SEED: u64 = 7;
    let folder = tempfile::tempdir().expect("a folder");
    let (path, good) = written(folder.path()).await;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for round in 0..60 {
        let mut bytes = good.clone();
        let at = random.random_range(100..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
        match opened(&path, &bytes).await {
            Ok(catalog) => catalog.close().await,
            // In the table of migrations: another catalog than this program's.
            Err(CatalogError::Damaged { .. } | CatalogError::Migrate { .. }) => {}
            Err(error) => panic!("seed {SEED}, round {round}, byte {at}: {error:?}"),
        }
    }
}
