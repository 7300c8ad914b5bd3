//! What goes wrong at the start is one clear line, and leaves nothing behind.

use std::{fs, net::TcpListener};

use crate::harness::{Keys, Venue, config};

/// What the program says when it is told this, on one line.
async fn said(venue: &Venue, more: &[&str]) -> String {
    let config = config(&venue.flags("east", more));
    let error = gatherer::run(config, std::future::pending()).await.expect_err("it cannot start");
    let said = format!("{error:#}");
    assert!(!said.contains('\n'), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_named_and_no_folder_is_made() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let not_a_key = venue.dir.path().join("not-a-key.pem");
    fs::write(&not_a_key, "hello").expect("a writable folder");
    let not_a_key = not_a_key.display().to_string();
    for (flags, expected) in [
        (
            ["--key-file", "/nowhere/key.pem"],
            "cannot read the private key /nowhere/key.pem (PROD_KEYFILE)",
        ),
        (["--key-file", &*not_a_key], "(PROD_KEYFILE) is not a private key we can sign with"),
        (["--ca-file", "/nowhere/ca.pem"], "CA_FILE /nowhere/ca.pem"),
        (["--market-tickers", "NO-SUCH-MARKET"], "the exchange knows no market NO-SUCH-MARKET"),
    ] {
        let said = said(&venue, &flags).await;
        assert!(said.contains(expected), "{said}");
    }
    assert!(!venue.data_dir("east").exists(), "something was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_in_the_archive_is_left_out_and_stops_only_a_start_for_it_alone() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let (old, live) = ("KXOLD-26-A", "KXBTC15M-26S00000-A");
    for order in ["create", "settle", "archive"] {
        venue.tell("markets", &format!(r#"{{"do":"{order}","ticker":"{old}"}}"#)).await;
    }
    let said = said(&venue, &["--market-tickers", old]).await;
    assert!(said.contains("MARKET_TICKERS") && said.contains("archive"), "{said}");
    let both = format!("{old},{live}");
    let gatherer = venue.gatherer("east", &["--market-tickers", &both]).await;
    gatherer.until("markets", |health| health["connections"][0]["markets"] == 1).await;
    gatherer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_variable() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = said(&venue, &["--grpc-addr", &address]).await;
    assert!(said.contains(&address) && said.contains("GRPC_ADDR"), "{said}");
    assert!(!venue.data_dir("east").exists(), "something was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_named() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let file = venue.dir.path().join("a-file");
    fs::write(&file, "").expect("a writable folder");
    let below = file.join("data").display().to_string();
    let said = said(&venue, &["--data-dir", &below]).await;
    assert!(said.contains(&below) && said.contains("DATA_DIR"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_exchange_does_not_know_stops_the_start_or_is_retried() {
    let venue = Venue::open(&["--markets", "2"]).await;
    let other = tempfile::tempdir().expect("a folder");
    let keys = Keys::make(other.path());
    let private = keys.private.display().to_string();
    // The market list is public, so the program starts, and says at every dial what the exchange said.
    let gatherer = venue.gatherer("east", &["--key-file", &private]).await;
    let health = gatherer.until("no connection", |health| health["status"] == "down").await;
    assert!(health["reasons"].to_string().contains("no connection to the exchange"));
    gatherer.stop().await;
}
