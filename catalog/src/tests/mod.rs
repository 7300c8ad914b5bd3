//! The same stories on both engines; every statement is run on each.

mod archive;
mod damage;
mod fleet;
mod metadata;
mod repairs;

use crate::testing::Postgres;
use crate::{Catalog, CatalogUrl, sql};

/// Everything the catalog can do, on one engine.
async fn everything(url: &CatalogUrl) {
    let catalog = Catalog::open(url).await.expect("opens");
    metadata::versions(&catalog).await;
    metadata::pages(&catalog).await;
    metadata::many(&catalog).await;
    fleet::gatherers_and_sessions(&catalog).await;
    fleet::market_ids(&catalog).await;
    archive::manifest(&catalog).await;
    repairs::audit(&catalog).await;
    repairs::leases(&catalog).await;
    repairs::one_of_many_gets_the_lease(&catalog).await;
    // A second program, and the next start, find everything.
    let again = Catalog::open(url).await.expect("opens");
    metadata::is_still_there(&again).await;
    again.close().await;
    catalog.close().await;
    assert!(catalog.gatherers().await.is_err(), "closed");
}

fn assert_all_statements_ran(engine: &str) {
    let seen = sql::SEEN.lock().expect("no panic").clone();
    let missing: Vec<&str> =
        sql::ALL.iter().copied().filter(|name| !seen.contains(&(engine, *name))).collect();
    assert!(missing.is_empty(), "never run on {engine}: {missing:?}");
}

#[tokio::test]
async fn sqlite_does_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    everything(&CatalogUrl::sqlite(folder.path().join("catalog.sqlite"))).await;
    assert_all_statements_ran("sqlite");
}

#[tokio::test]
async fn postgres_does_everything() {
    let Some(postgres) = Postgres::start() else { return };
    everything(&postgres.database("catalog")).await;
    assert_all_statements_ran("postgres");
}

#[tokio::test]
async fn what_cannot_be_reached_is_transient_and_named_without_password() {
    let url: CatalogUrl = "postgres://me:hunter2@127.0.0.1:1/none".parse().expect("an address");
    let error = Catalog::open(&url).await.err().expect("nobody listens there");
    assert!(error.is_transient(), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("127.0.0.1:1/none") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_newer_catalog_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("catalog.sqlite");
    let url = CatalogUrl::sqlite(&path);
    Catalog::open(&url).await.expect("opens").close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
         execution_time) VALUES (900, 'later', true, x'00', 0)";
    archive::on_file(&path, newer).await;
    let error = Catalog::open(&url).await.err().expect("900 is unknown");
    assert!(!error.is_transient());
    assert!(format!("{error:?}").contains("VersionMissing(900)"), "{error:?}");
}
