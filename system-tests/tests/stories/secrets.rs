//! What the programs were told in confidence is nowhere in what they say or keep: logs, errors, health,
//! metrics, answers, files. The run has every secret there is, mutual TLS and a ClickHouse with a password among them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use demo::verify::Holes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use system_tests::http::{ask, get};
use system_tests::{Story, Victim};

use crate::bad_inputs::start;
use crate::{PROGRAMS, market};

const TOKEN: &str = "token-5d41402abc4b2a76";
const PASSWORD: &str = "password-b9719d911017c592";
const WRONG: &str = "wrong-9e107d9d372bb682";

/// Mutual TLS for a fleet of one authority, in files of `folder`; returns the settings.
fn certificates(folder: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let cert = params.signed_by(&key, &issuer)?.pem();
    let files = [
        ("GRPC_TLS_CERT", "fleet.pem", cert),
        ("GRPC_TLS_KEY", "fleet.key.pem", key.serialize_pem()),
        ("GRPC_TLS_CA", "fleet.ca.pem", ca),
    ];
    let mut settings = Vec::new();
    for (name, file, text) in files {
        let path = folder.join(file);
        fs::write(&path, text)?;
        settings.push((name, path.display().to_string()));
    }
    Ok(settings)
}

/// The lines of a private key that are its own.
fn lines_of_key(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect())
}

/// All files below a folder but the private keys themselves.
fn files(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else if !path.display().to_string().ends_with(".key.pem") {
            into.push(path);
        }
    }
    Ok(())
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|piece| piece == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_or_kept() -> anyhow::Result<()> {
    let secured = tempfile::tempdir()?;
    let mut settings = certificates(secured.path())?;
    settings.push(("ADMIN_TOKEN", TOKEN.to_owned()));
    settings.push(("LOG_LEVEL", "debug".to_owned()));
    settings.push(("CLICKHOUSE_USER", "kalshi".to_owned()));
    settings.push(("CLICKHOUSE_PASSWORD", PASSWORD.to_owned()));
    let mut story = Story::of(PROGRAMS, market(31), 2, |plan| {
        plan.store_password = Some(PASSWORD.to_owned());
        plan.gatherer_settings.extend(settings.clone());
        plan.deduplicator_settings.extend(settings);
    })
    .await?;
    story.events(2_000).await?;

    let mut told = with_a_wrong_password(&mut story).await?;
    for gatherer in &story.fleet.gatherers {
        for path in ["/health", "/ready", "/no-such-path"] {
            told.push_str(&get(&gatherer.http, path).await?.body);
        }
        told.push_str(&get(&gatherer.metrics, "/metrics").await?.body);
        let refused = ask(&gatherer.http, "POST", "/admin/poll-market?ticker=A", None).await?;
        ensure!(refused.code == 401, "without a token: {refused:?}");
        told.push_str(&refused.body);
    }
    let deduplicator = &story.fleet.deduplicator;
    for path in ["/health", "/ready", "/book/A", "/"] {
        told.push_str(&get(&deduplicator.http, path).await?.body);
    }
    told.push_str(&get(&deduplicator.metrics, "/metrics").await?.body);

    let mut secrets = [TOKEN, PASSWORD, WRONG].map(str::to_owned).to_vec();
    secrets.extend(lines_of_key(&secured.path().join("fleet.key.pem"))?);
    for name in ["east", "west"] {
        let sim = story.fleet.sim()?.settings(name);
        let key = sim.iter().find(|(name, _)| *name == "PROD_KEYFILE").context("a key")?;
        secrets.extend(lines_of_key(Path::new(&key.1))?);
    }
    let folder = story.fleet.site.folder.clone();
    // For the comparison, which is no program of ours.
    let gatherers = story.fleet.gatherers.iter_mut().map(|gatherer| &mut gatherer.engine);
    for engine in gatherers.chain([&mut story.fleet.deduplicator.engine]) {
        let host = engine.url.trim_start_matches("http://");
        engine.url = format!("http://kalshi:{PASSWORD}@{host}");
    }
    let report = story.verify(Holes::None).await?;
    ensure!(report.total() == 0, "over TLS the record is the truth too\n{report}");
    // A ClickHouse that runs removes files while we look.
    story.fleet.stop().await?;
    let mut kept = Vec::new();
    files(&folder, &mut kept)?;
    ensure!(kept.iter().any(|path| path.ends_with("logs/deduplicator.log")), "{kept:?}");
    for secret in &secrets {
        ensure!(!told.contains(secret.as_str()), "a secret is in an answer:\n{told}");
    }
    for path in kept {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        for secret in &secrets {
            ensure!(!holds(&bytes, secret), "a secret is in {}", path.display());
        }
    }
    Ok(())
}

/// The deduplicator is restarted with a password that ClickHouse refuses, then with the right one again: what it
/// answers meanwhile.
async fn with_a_wrong_password(story: &mut Story) -> anyhow::Result<String> {
    const DEDUPLICATOR: Victim = Victim::Deduplicator;
    story.kill(DEDUPLICATOR).await?;
    story.program(DEDUPLICATOR).set("CLICKHOUSE_PASSWORD", Some(WRONG.to_owned()));
    story.back(DEDUPLICATOR).await?;
    story
        .until("the refusal is told", async |fleet| {
            Ok(fleet.deduplicator.health().await?.at("/clickhouse/reachable") == false)
        })
        .await?;
    story.logged(DEDUPLICATOR, &["WARN", "store", "kalshi", "uthentication"]).await?;
    let mut told = String::new();
    for path in ["/health", "/ready", "/"] {
        told.push_str(&get(&story.fleet.deduplicator.http, path).await?.body);
    }
    told.push_str(&get(&story.fleet.deduplicator.metrics, "/metrics").await?.body);
    story.kill(DEDUPLICATOR).await?;
    story.program(DEDUPLICATOR).set("CLICKHOUSE_PASSWORD", Some(PASSWORD.to_owned()));
    story.back(DEDUPLICATOR).await?;
    story.events(500).await?;
    Ok(told)
}

#[test]
fn a_start_that_fails_does_not_repeat_what_it_was_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, data) = (path("key.pem"), path("data"));
    fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{TOKEN}\n-----END PRIVATE KEY-----\n"))
        .expect("a file");
    let with_password = format!("http://me:{PASSWORD}@127.0.0.1:1");
    let catalog = format!("postgres://me:{PASSWORD}@127.0.0.1:1/kalshi");
    let gatherer = [("PROD_KEYID", "k"), ("PROD_KEYFILE", &key), ("MARKET_TICKERS", "A")];
    let starts: [(&str, Vec<(&str, &str)>); 7] = [
        (
            "__deduplicator",
            vec![
                ("GATHERERS", "east=http://127.0.0.1:1"),
                ("CLICKHOUSE_URL", "http://127.0.0.1:1"),
                ("CLICKHOUSE_PASSWORD", PASSWORD),
            ],
        ),
        ("__gatherer", gatherer.to_vec()),
        ("__gatherer", [&gatherer[..], &[("CLICKHOUSE_URL", &with_password)]].concat()),
        ("__gatherer", [&gatherer[..], &[("REST_URL", &with_password)]].concat()),
        (
            "__gatherer",
            [
                &gatherer[..],
                &[("GRPC_TLS_CERT", &key), ("GRPC_TLS_KEY", &key), ("GRPC_TLS_CA", &key)],
            ]
            .concat(),
        ),
        (
            "__deduplicator",
            vec![("GATHERERS", "east=http://me:password-b9719d911017c592@127.0.0.1:1")],
        ),
        (
            "__deduplicator",
            vec![
                ("GATHERERS", "east=http://127.0.0.1:1"),
                ("CATALOG_URL", &catalog),
                ("CLICKHOUSE_URL", &with_password),
            ],
        ),
    ];
    for (hosted, settings) in starts {
        fails_without_telling(hosted, settings, &data, folder.path());
    }
}

fn fails_without_telling(hosted: &str, settings: Vec<(&str, &str)>, data: &str, folder: &Path) {
    let common = [
        ("DATA_DIR", data),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("ADMIN_TOKEN", TOKEN),
    ];
    let settings = [settings, common.to_vec()].concat();
    let ended = start(hosted, &["--nonsense"], &[("ADMIN_TOKEN", TOKEN)], folder);
    assert_eq!(ended.code, Some(64), "{}", ended.said);
    let ended = start(hosted, &[], &settings, folder);
    let failed = matches!(ended.code, Some(1 | 64));
    assert!(failed, "{settings:?}: {:?}\n{}", ended.code, ended.said);
    assert!(!ended.said.is_empty(), "{settings:?}");
    for secret in [TOKEN, PASSWORD] {
        assert!(!ended.said.contains(secret), "{hosted} {settings:?}:\n{}", ended.said);
    }
}
