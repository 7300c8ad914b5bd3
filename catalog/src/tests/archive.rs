//! The manifest, and the one that was written before there were migrations.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::{ArchivedFile, Catalog, CatalogUrl, JournalSpan, ManifestTotals, Place};

pub(super) fn file(dataset: &str, n: u64) -> ArchivedFile {
    let place = |offset| Place { incarnation: 1, offset };
    ArchivedFile {
        dataset: dataset.to_owned(),
        path: format!("{dataset}/{n}.parquet"),
        rows: 10 * n,
        bytes: 100 * n,
        sha256: "ab".to_owned(),
        min_ts_ms: 1_000 * n as i64,
        max_ts_ms: 1_000 * n as i64 + 999,
        span: JournalSpan { journal: "j".to_owned(), from: place(n * 5), to: place(n * 5 + 5) },
    }
}

pub(super) async fn manifest(catalog: &Catalog) {
    assert_eq!(catalog.archive_cursor("j").await.expect("reads"), None);
    assert_eq!(catalog.archive_totals().await.expect("reads"), ManifestTotals::default());
    let files = [file("orderbook", 1), file("trades", 1), file("orderbook", 2)];
    catalog.archive_add(&files).await.expect("writes");
    assert!(catalog.archive_add(&[file("orderbook", 3), file("trades", 1)]).await.is_err());
    assert!(!catalog.archive_has("orderbook/3.parquet").await.expect("reads"), "all or none");
    assert!(catalog.archive_has("trades/1.parquet").await.expect("reads"));
    let totals = catalog.archive_totals().await.expect("reads");
    assert_eq!(totals, ManifestTotals { files: 3, rows: 40, bytes: 400 });
    let cursor = catalog.archive_cursor("j").await.expect("reads");
    assert_eq!(cursor, Some(Place { incarnation: 1, offset: 15 }));
    assert_eq!(catalog.archive_cursor("other").await.expect("reads"), None);
    let books = catalog.archive_files(Some("orderbook"), 0, i64::MAX).await.expect("reads");
    assert_eq!(books, [files[0].clone(), files[2].clone()]);
    let early = catalog.archive_files(None, 1_999, 2_000).await.expect("reads");
    assert_eq!(early.len(), 2, "those of the first second");
}

/// Runs a statement on the file behind the catalog's back.
pub(super) async fn on_file(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut file = SqliteConnection::connect_with(&options).await.expect("opens");
    sqlx::raw_sql(statement).execute(&mut file).await.expect("runs");
    file.close().await.expect("closes");
}

/// As deduplicators made it before this crate was.
const BEFORE: &str = "CREATE TABLE IF NOT EXISTS archive_manifest (
    journal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    path TEXT NOT NULL PRIMARY KEY,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    from_incarnation INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_incarnation INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    min_ts_ms INTEGER NOT NULL,
    max_ts_ms INTEGER NOT NULL
) STRICT;
INSERT INTO archive_manifest VALUES ('old', 'trades', 'trades/0.parquet', 7, 70, 'cd', 1, 0, 2, 9, 5, 6);";

#[tokio::test]
async fn a_manifest_from_before_the_migrations_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("catalog.sqlite");
    on_file(&path, BEFORE).await;
    let catalog = Catalog::open(&CatalogUrl::sqlite(&path)).await.expect("opens");
    let cursor = catalog.archive_cursor("old").await.expect("reads");
    assert_eq!(cursor, Some(Place { incarnation: 2, offset: 9 }));
    catalog.archive_add(&[file("trades", 1)]).await.expect("writes");
    assert_eq!(catalog.archive_totals().await.expect("reads").rows, 17);
}
