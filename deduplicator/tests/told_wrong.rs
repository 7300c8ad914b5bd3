//! What the program says when it is told wrong things or cannot start: clear lines, the right code,
//! nothing half-made.

mod world;

use std::net::TcpListener;
use std::process::Output;

use world::program::{Program, Setting, command, program_log};

fn setting(dir: &std::path::Path, flags: &[&str]) -> Setting {
    Setting {
        dir: dir.to_owned(),
        gatherers: "east=http://127.0.0.1:9".to_owned(),
        clickhouse: "none".to_owned(),
        database: "kalshi".to_owned(),
        flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
    }
}

fn run(setting: &Setting) -> (Output, String) {
    let output = command(setting).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn every_mistake_at_once_is_64_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut setting = setting(dir.path(), &["--hole-wait=soon", "--batch-rows=no"]);
    setting.gatherers = "east".to_owned();
    let (output, said) = run(&setting);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for name in ["GATHERERS", "--hole-wait", "BATCH_ROWS"] {
        assert!(
            said.lines().any(|line| line.starts_with("error: ") && line.contains(name)),
            "{said}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn an_unknown_flag_is_64() {
    let dir = tempfile::tempdir().expect("a folder");
    let (output, said) = run(&setting(dir.path(), &["--no-such-flag"]));
    assert_eq!(output.status.code(), Some(64), "{said}");
}

#[test]
fn a_taken_port_is_1_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut setting = setting(dir.path(), &[]);
    setting.flags.push(format!("--http-addr={address}"));
    let (output, said) = run(&setting);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains(&address) && lines[0].contains("HTTP_ADDR"), "{said}");
    assert!(!dir.path().join("data").exists(), "nothing is made before the ports are ours");
}

#[test]
fn an_unwritable_folder_is_1_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("data"), b"a file where the folder should be").expect("writes");
    let (output, said) = run(&setting(dir.path(), &[]));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("error: ") && line.contains("data")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_but_a_journal_it_works_until_it_is_stopped() {
    let dir = tempfile::tempdir().expect("a folder");
    let program = Program::start(&setting(dir.path(), &["--parquet-dir=none"])).await;
    let health = program.health().await;
    assert_eq!(health["status"], "down", "nobody answers at that address: {health}");
    assert_eq!(health["clickhouse"], serde_json::Value::Null);
    let status = program.stop().await;
    assert!(status.success(), "{}", program_log(dir.path()));
}
