//! An engine starts, is told apart from what is not one, and ends: with its owner, at the latest.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::common::{
    client, in_folder, insert, is_alive, number, run, start, wait_until, with_table,
};
use clickhouse_dev::{ClickHouse, EngineKind, Options, StartError};

#[test]
fn two_engines_run_at_once_and_end_when_dropped() {
    let (one, two) = (start(), start());
    assert_ne!(one.url(), two.url());
    let (pids, folders) = ([one.pid(), two.pid()], [one.data().to_owned(), two.data().to_owned()]);
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    drop((one, two));
    assert!(!pids.iter().any(|&pid| is_alive(pid)), "drop waits for the process");
    assert!(!folders.iter().any(|folder| folder.exists()), "temporary folders are removed");
}

#[test]
fn a_second_engine_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let first = ClickHouse::start(in_folder(folder.path())).expect("the first");
    let error = ClickHouse::start(in_folder(folder.path())).expect_err("the second");
    assert!(matches!(error, StartError::FolderInUse(_)), "{error}");
    first.stop();
    ClickHouse::start(in_folder(folder.path())).expect("free again").stop();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = taken.local_addr().expect("address").port();
    let error = ClickHouse::start(Options { port, ..Options::default() }).expect_err("taken");
    assert!(matches!(error, StartError::PortTaken { .. }), "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn an_address_others_can_reach_needs_a_password() {
    let host = "0.0.0.0".parse().expect("address");
    let error = ClickHouse::start(Options { host, ..Options::default() }).expect_err("open");
    assert!(matches!(error, StartError::OpenWithoutPassword(_)), "{error}");
}

#[test]
fn a_server_that_is_not_installed_is_named() {
    let options = Options { engine: EngineKind::Server, ..Options::default() };
    // On a machine that has one it must start instead.
    match ClickHouse::start(options) {
        Ok(server) => server.stop(),
        Err(error) => assert!(matches!(error, StartError::NoServer), "{error}"),
    }
}

#[test]
fn a_url_that_is_given_is_used_and_nothing_is_started() {
    let mut given = ClickHouse::for_tests(Some("http://10.1.2.3:8123/")).expect("given");
    assert_eq!((given.url(), given.pid()), ("http://10.1.2.3:8123", 0));
    given.kill();
    assert_ne!(ClickHouse::for_tests(Some("")).expect("own").pid(), 0);
}

#[tokio::test]
async fn with_a_password_nothing_is_done_without_it() {
    let password = Some("swordfish".to_owned());
    let engine = ClickHouse::start(Options { password, ..Options::default() }).expect("start");
    let anonymous = client(&engine).with_user("default");
    let error = anonymous.query("CREATE DATABASE x").execute().await.expect_err("no right");
    assert!(error.to_string().contains("Code: 497"), "{error}");
    let wrong = client(&engine).with_password("tuna");
    let error = wrong.query("SELECT 1").execute().await.expect_err("wrong password");
    assert!(error.to_string().contains("Code: 516"), "{error}");
    run(&client(&engine).with_password("swordfish"), "CREATE DATABASE x").await;
}

#[tokio::test]
async fn garbage_on_the_port_does_not_end_it() {
    let mut engine = start();
    let address = engine.url().strip_prefix("http://").expect("http").to_owned();
    for round in 0..200_u32 {
        let mut stream = TcpStream::connect(&address).expect("connect");
        let garbage: &[u8] = match round % 4 {
            0 => b"\x00\xff\x16\x03\x01\x02\x00\x01",
            1 => b"POST /?query=INSERT HTTP/1.1\r\nContent-Length: 99999\r\n\r\nshort",
            2 => b"GET / HTTP/9.9\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
            _ => b"\r\n\r\n\r\n",
        };
        stream.write_all(garbage).expect("write");
        if round % 3 == 0 {
            drop(stream.shutdown(std::net::Shutdown::Write));
            drop(stream.read(&mut [0; 64]));
        }
    }
    assert_eq!(number(&client(&engine), "SELECT toUInt64(1)").await, 1);
    assert_eq!(engine.has_ended().expect("known"), None);
}

#[tokio::test]
async fn the_program_serves_stops_when_told_and_keeps_what_it_stored() {
    let folder = tempfile::tempdir().expect("folder");
    for rows in [0, 10] {
        let (mut program, url) = program(folder.path(), &[]);
        let engine = ClickHouse::for_tests(Some(&url)).expect("given");
        let client = with_table(&engine).await;
        assert_eq!(number(&client, "SELECT count() FROM dev.t").await, rows);
        insert(&client, &crate::common::events(0..10), "a").await.expect("insert");
        signal(&program, "TERM");
        assert!(program.wait().expect("wait").success());
    }
}

#[test]
fn the_engine_ends_when_the_program_is_killed() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut program, _) = program(folder.path(), &[]);
    let engine = child_of(program.id());
    assert!(is_alive(engine));
    program.kill().expect("kill");
    program.wait().expect("wait");
    wait_until("the engine has ended too", || !is_alive(engine));
}

#[test]
fn the_program_ends_when_the_engine_does() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut program, _) = program(folder.path(), &[]);
    let engine = child_of(program.id());
    assert!(
        Command::new("kill").args(["-KILL", &engine.to_string()]).status().expect("kill").success()
    );
    assert_eq!(program.wait().expect("wait").code(), Some(1));
}

#[test]
fn the_program_says_what_is_wrong_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = taken.local_addr().expect("address").to_string();
    let unwritable = "/proc/nowhere";
    for (arguments, code, says) in [
        (&["--listen", &address][..], 1, "is taken"),
        (&["--listen", "127.0.0.1:0", "--data", unwritable], 1, "cannot create /proc/nowhere"),
        (&["--listen", "0.0.0.0:0"], 64, "set a password"),
        (&["--listen", "nowhere"], 64, "--listen"),
    ] {
        let output = command().args(arguments).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

fn command() -> Command {
    Command::new(PathBuf::from(env!("CARGO_BIN_EXE_clickhouse-dev")))
}

fn program(folder: &std::path::Path, more: &[&str]) -> (Child, String) {
    let mut program = command()
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    let mut line = String::new();
    BufReader::new(program.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let url = line.split_whitespace().nth(2).expect("ClickHouse at URL").to_owned();
    (program, url)
}

fn signal(program: &Child, name: &str) {
    let id = program.id().to_string();
    assert!(
        Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill").success()
    );
}

fn child_of(pid: u32) -> u32 {
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output();
    let text = String::from_utf8(output.expect("ps").stdout).expect("text");
    text.trim().parse().expect("one child")
}
